package hub

import (
	"slices"

	"paifang/internal/model"
)

// choice is a locator that includes services by tags of their endpoints, and how many of each list it includes. Compile does not see
// endpoints: it is told of the lists that have none for a condition, which changes as seldom as a service comes or goes.
type choice struct {
	locator   model.Locator
	condition string
	tallies   map[model.EndpointsID]*tally
}

// tally counts the endpoints of a list.
type tally struct {
	all, included int
	// stays tells that some were included, and that nothing speaks against it yet: the list is empty, or what its source says is
	// in doubt. The route stays then, and answers 503, so that no broader one has its requests in the meantime.
	stays bool
}

// choosy are the locators of a group that include services by tags.
func choosy(rules *model.Objects) []model.Locator {
	if rules == nil {
		return nil
	}
	var out []model.Locator
	for _, l := range rules.Locators {
		if l.Include.AsksTags() {
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
				h.choices = append(h.choices, &choice{l, l.Include.String(), map[model.EndpointsID]*tally{}})
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
			if asks.Holds(s.Endpoints[i].Tags) {
				t.included += by
			}
		}
	}
}

// judge offers a list with the conditions that none of its endpoints meets. Of one that is not read nothing is known: it has its
// route, and the requests for it wait.
func (h *Hub) judge(id model.EndpointsID, doubt bool) {
	gone := h.lists[id] == 0
	var unmet []string
	for _, c := range h.choices {
		t := c.tallies[id]
		switch {
		case t == nil:
		case gone:
			delete(c.tallies, id)
		case h.unread[id] > 0:
		case t.included > 0:
			t.stays = true
		case t.stays && (doubt || t.all == 0):
		default:
			t.stays = false
			unmet = append(unmet, c.condition)
		}
	}
	if gone {
		return
	}
	slices.Sort(unmet)
	unmet = slices.Compact(unmet)
	was, _ := h.offered.Get(id.String())
	if h.offers != nil {
		was, _ = h.offers.Get(id.String())
	}
	if !slices.Equal(was.Unmet, unmet) {
		h.offering().Set(id.String(), model.Offer{List: id, Unmet: unmet})
	}
}
