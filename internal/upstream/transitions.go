package upstream

import (
	"cmp"
	"slices"

	"paifang/internal/model"
)

// Transition is how often endpoints of an upstream went down by own observation, for one reason, or came back.
type Transition struct {
	Upstream model.UpstreamID
	Down     bool
	Reason   model.Code // why they went down
	Times    uint64
}

// history is what is remembered of an upstream while anybody uses it. The table's lock guards it.
type history struct {
	handles     []*Handle
	transitions map[turn]uint64
}

// turn is one kind of transition.
type turn struct {
	down   bool
	reason model.Code
}

// remember counts a handle of an upstream in. The lock is held.
func (t *Table) remember(h *Handle) {
	of := t.histories[h.up.ID]
	if of == nil {
		of = &history{}
		t.histories[h.up.ID] = of
	}
	of.handles = append(of.handles, h)
}

// forget is the opposite. The lock is held.
func (t *Table) forget(h *Handle) {
	of := t.histories[h.up.ID]
	if of.handles = slices.DeleteFunc(of.handles, func(o *Handle) bool { return o == h }); len(of.handles) == 0 {
		delete(t.histories, h.up.ID)
	}
}

// turned counts a transition of an endpoint for every upstream that uses it. The lock is held.
func (t *Table) turned(l *live, down bool, reason model.Code) {
	if !down {
		reason = ""
	}
	counted := map[model.UpstreamID]bool{} // several handles of one upstream may be in use while it changes
	for h := range l.users.All {
		if of := t.histories[h.up.ID]; of != nil && !counted[h.up.ID] {
			counted[h.up.ID] = true
			if of.transitions == nil {
				of.transitions = map[turn]uint64{}
			}
			of.transitions[turn{down, reason}]++
		}
	}
}

// Transitions returns how often endpoints went down and came back, by upstream, for those that are in use.
func (t *Table) Transitions() []Transition {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Transition
	for id, h := range t.histories {
		for k, n := range h.transitions {
			out = append(out, Transition{id, k.down, k.reason, n})
		}
	}
	slices.SortFunc(out, func(a, b Transition) int {
		return cmp.Or(cmp.Compare(a.Upstream, b.Upstream), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}
