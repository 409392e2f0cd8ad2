package hub

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"paifang/internal/model"
)

// choice is a locator that asks for tags of endpoints, and what those of each list have. Compile does not see endpoints: it is told of the
// lists that have none which the locator includes, and of what one of a list says for its routes. Both change as seldom as a service
// comes or goes, or is released anew.
type choice struct {
	locator   model.Locator
	condition string // empty where all are included
	question  string
	asked     []string
	tallies   map[model.EndpointsID]*tally
}

func newChoice(l model.Locator) *choice {
	c := &choice{locator: l, question: l.Question(), asked: l.Asked(), tallies: map[model.EndpointsID]*tally{}}
	if l.Include.AsksTags() {
		c.condition = l.Include.String()
	}
	return c
}

// tally counts the endpoints of a list.
type tally struct {
	all, included int
	// stays tells that some were included, and that nothing speaks against it yet: the list is empty, or what its source says is
	// in doubt. The route stays then, and answers 503, so that no broader one has its requests in the meantime.
	stays bool
	// told is what those that are included say of what is asked, as far as they say any of it: most often nothing. An address may be in
	// several groups. said is the one of them that counts, and stays as the route does.
	told map[netip.AddrPort][]model.Tags
	said model.Tags
}

// choosy are the locators of a group that ask for tags.
func choosy(rules *model.Objects) []model.Locator {
	if rules == nil {
		return nil
	}
	var out []model.Locator
	for _, l := range rules.Locators {
		if l.Include.AsksTags() || len(l.Asked()) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// choose counts anew, after a locator has changed.
func (h *Hub) choose() {
	h.choices = nil
	for _, p := range h.parts {
		for _, g := range p.groups {
			for _, l := range g.locators {
				h.choices = append(h.choices, newChoice(l))
			}
		}
	}
	for _, p := range h.parts {
		for _, g := range p.groups {
			for _, c := range h.choices {
				c.count(g.sets, +1)
			}
		}
	}
	for id := range h.lists {
		h.judge(id, false)
	}
}

// recount takes in what a group says now of its lists.
func (h *Hub) recount(old, now []model.EndpointSet, doubt bool) {
	if len(h.choices) == 0 {
		return
	}
	for _, c := range h.choices {
		c.count(old, -1)
		c.count(now, +1)
	}
	for _, sets := range [][]model.EndpointSet{old, now} {
		for _, s := range sets {
			h.judge(s.List, doubt)
		}
	}
}

// count adds the endpoints of some sets, or takes them back.
func (c *choice) count(sets []model.EndpointSet, by int) {
	for _, s := range sets {
		service, ok := c.locator.Service(s.List)
		if !ok {
			continue
		}
		t := c.tallies[s.List]
		if t == nil {
			t = &tally{}
			c.tallies[s.List] = t
		}
		asks := c.locator.Include.For(service)
		for i := range s.Endpoints {
			t.all += by
			if e := &s.Endpoints[i]; asks.Holds(e.Tags) {
				t.included += by
				t.tell(e, c.asked, by)
			}
		}
	}
}

// tell adds what an endpoint says of what is asked, or takes it back.
func (t *tally) tell(e *model.Endpoint, asked []string, by int) {
	var tags model.Tags
	for _, name := range asked {
		if v, ok := e.Tags.Get(name); ok {
			tags = append(tags, model.Tag{Name: name, Value: v})
		}
	}
	if len(tags) == 0 {
		return
	}
	if t.told == nil {
		t.told = map[netip.AddrPort][]model.Tags{}
	}
	all := t.told[e.Addr]
	if by > 0 {
		t.told[e.Addr] = append(all, tags)
		return
	}
	if i := slices.IndexFunc(all, func(have model.Tags) bool { return slices.Equal(have, tags) }); i >= 0 {
		all = slices.Delete(all, i, i+1)
	}
	if t.told[e.Addr] = all; len(all) == 0 {
		delete(t.told, e.Addr)
	}
}

// counts is what the endpoint of the lowest address says, whoever was heard first; nil where none says anything.
func (t *tally) counts() model.Tags {
	if len(t.told) == 0 {
		return nil
	}
	lowest := slices.MinFunc(slices.Collect(maps.Keys(t.told)), netip.AddrPort.Compare)
	return slices.MinFunc(t.told[lowest], func(a, b model.Tags) int { return strings.Compare(a.String(), b.String()) })
}

// judge offers a list with the conditions that none of its endpoints meets, and with what one of them says. Of one that is not read nothing is known: it has its
// route, and the requests for it wait.
func (h *Hub) judge(id model.EndpointsID, doubt bool) {
	gone := h.lists[id] == 0
	var now model.Offer
	for _, c := range h.choices {
		t := c.tallies[id]
		if t != nil && gone {
			delete(c.tallies, id)
		}
		if t == nil || gone || h.unread[id] > 0 {
			continue
		}
		// What is in doubt, or empty, changes nothing: the route stays, and answers 503, so that no broader one has its requests meanwhile.
		doubtful := doubt || t.all == 0
		switch {
		case t.included > 0:
			t.stays = true
		case !t.stays || !doubtful:
			t.stays = false
			if c.condition != "" {
				now.Unmet = append(now.Unmet, c.condition)
			}
		}
		if said := t.counts(); said != nil || !doubtful {
			t.said = said
		}
		if t.said != nil {
			now.Said = append(now.Said, model.Said{Question: c.question, Tags: t.said})
		}
	}
	if gone {
		return
	}
	slices.Sort(now.Unmet)
	now.Unmet = slices.Compact(now.Unmet)
	slices.SortFunc(now.Said, func(a, b model.Said) int { return strings.Compare(a.Question, b.Question) })
	now.Said = slices.CompactFunc(now.Said, same)
	was, _ := h.offered.Get(id.String())
	if h.offers != nil {
		was, _ = h.offers.Get(id.String())
	}
	if !slices.Equal(was.Unmet, now.Unmet) || !slices.EqualFunc(was.Said, now.Said, same) {
		now.List = id
		h.offering().Set(id.String(), now)
	}
}

func same(a, b model.Said) bool { return a.Question == b.Question && slices.Equal(a.Tags, b.Tags) }
