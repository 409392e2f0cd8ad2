package podrun

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"

	"paifang/internal/model"
	"paifang/internal/source"
)

// feed is the source: the addresses of the pods, a group per list.
type feed struct {
	wake chan struct{}

	mu      sync.Mutex
	known   bool // a generation was committed: what is not there does not exist
	running bool
	sets    map[model.EndpointsID]model.EndpointSet
	dirty   map[model.EndpointsID]bool
	waiting []chan struct{} // closed once what is here now is in force
}

func newFeed() *feed {
	return &feed{wake: make(chan struct{}, 1), sets: map[model.EndpointsID]model.EndpointSet{}, dirty: map[model.EndpointsID]bool{}}
}

var _ source.Source = (*feed)(nil)

// Name is "podrun".
func (f *feed) Name() string { return "podrun" }

// Run delivers all lists once the first generation is known, and then those that change.
func (f *feed) Run(ctx context.Context, out chan<- source.Update) error {
	f.begin()
	defer f.finish()
	full := true
	for {
		u, waiting := f.next(full)
		if u != nil {
			u.Applied = func() { closeAll(waiting) }
			select {
			case out <- *u:
				full = false
			case <-ctx.Done():
				closeAll(waiting)
				return nil
			}
		} else {
			closeAll(waiting)
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *feed) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = true
}

func (f *feed) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = false
	closeAll(f.waiting)
	f.waiting = nil
}

// next takes what is to be sent: everything where full is true. It is nil as long as there is nothing to say, and empty where somebody waits
// for what was said before to be in force.
func (f *feed) next(full bool) (*source.Update, []chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := f.waiting
	f.waiting = nil
	if !f.known || !full && len(f.dirty) == 0 && len(waiting) == 0 {
		return nil, waiting
	}
	ids := f.dirty
	if full {
		ids = map[model.EndpointsID]bool{}
		for id := range f.sets {
			ids[id] = true
		}
	}
	f.dirty = map[model.EndpointsID]bool{}
	u := &source.Update{Full: full}
	for _, id := range slices.SortedFunc(maps.Keys(ids), model.EndpointsID.Compare) {
		g := source.Group{Key: id.String()}
		if s, ok := f.sets[id]; ok {
			g.Objects = &model.Objects{Endpoints: []model.EndpointSet{s}}
		}
		u.Groups = append(u.Groups, g)
	}
	return u, waiting
}

// set takes the lists as they are now. Each of waiting is closed once they are in force, or cannot be.
func (f *feed) set(sets map[model.EndpointsID]model.EndpointSet, waiting []chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = true
	for id, s := range sets {
		if old, ok := f.sets[id]; !ok || !reflect.DeepEqual(old, s) {
			f.dirty[id] = true
		}
	}
	for id := range f.sets {
		if _, ok := sets[id]; !ok {
			f.dirty[id] = true
		}
	}
	f.sets = sets
	if f.running {
		f.waiting = append(f.waiting, waiting...)
	} else {
		closeAll(waiting)
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func closeAll(waiting []chan struct{}) {
	for _, w := range waiting {
		close(w)
	}
}
