package compile

import (
	"reflect"
	"slices"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// locate expands the locators over the lists that sources offer: a group for each service of each locator. Where the
// locators are the same, only lists that came or went, or began or ceased to meet a condition, are looked at.
func (c *compiler) locate(all bool) {
	e := c.old.Kept.Located.Edit()
	set := func(name string, now *model.Objects) {
		was, _ := c.old.Kept.Located.Get(name)
		c.change(name, was, now)
		if now == nil {
			e.Delete(name)
		} else {
			e.Set(name, now)
		}
	}
	if !all {
		told := map[string]bool{} // of a service that several registries list
		for ch := range c.next.Kept.Lists.Changes(c.old.Kept.Lists) {
			list := ch.New.List
			if ch.HadOld {
				list = ch.Old.List
			}
			for i := range c.next.Kept.Locators {
				l := &c.next.Kept.Locators[i]
				name, service, ok := named(l, list)
				if !ok || told[name] {
					continue
				}
				told[name] = true
				switch was, now := standingOf(c.old.Kept.Lists, l, service), standingOf(c.next.Kept.Lists, l, service); {
				case was.equal(now):
				case now.presence == absent:
					set(name, nil)
				default:
					set(name, located(l, service, now))
				}
			}
		}
		c.next.Kept.Located = e.Map()
		return
	}
	wanted := map[string]bool{}
	for i := range c.next.Kept.Locators {
		l := &c.next.Kept.Locators[i]
		unchanged := slices.ContainsFunc(c.old.Kept.Locators, func(was model.Locator) bool { return reflect.DeepEqual(was, *l) })
		for _, offer := range c.next.Kept.Lists.All() {
			name, service, ok := named(l, offer.List)
			if !ok {
				continue
			}
			if wanted[name] {
				continue // another registry has it too
			}
			wanted[name] = true
			now := standingOf(c.next.Kept.Lists, l, service)
			if !unchanged || !now.equal(standingOf(c.old.Kept.Lists, l, service)) {
				set(name, located(l, service, now))
			}
		}
	}
	for name := range c.old.Kept.Located.All() {
		if !wanted[name] {
			set(name, nil)
		}
	}
	c.next.Kept.Located = e.Map()
}

// named returns the service that a list is the addresses of, as a locator sees it, and the key of its group. It is not ok
// where the locator makes no route for it.
func named(l *model.Locator, list model.EndpointsID) (key, service string, ok bool) {
	service, ok = l.Service(list)
	if !ok || slices.Contains(l.Except, service) || l.Include.For(service).Op == model.TermNone {
		return "", "", false
	}
	return "locator/" + l.ID + "/" + service, service, true
}

// presence tells whether a service has a route of a locator.
type presence uint8

const (
	absent   presence = iota // no registry lists it
	excluded                 // none of its instances is included: no route
	included
)

// standing is how a service stands with a locator, and what one of its endpoints says for the route.
type standing struct {
	presence
	said model.Tags
}

func (s standing) equal(t standing) bool {
	return s.presence == t.presence && slices.Equal(s.said, t.said)
}

// standingOf looks at the lists of a service in all registries of a locator.
func standingOf(lists shard.Map[model.Offer], l *model.Locator, service string) standing {
	var out standing
	condition, question := "", l.Question()
	if rest := l.Include.For(service); rest.Op != model.TermAny {
		condition = l.Include.String()
	}
	for _, id := range l.Lists(service) {
		offer, ok := lists.Get(id.String())
		switch {
		case !ok:
		case condition != "" && slices.Contains(offer.Unmet, condition):
			out.presence = max(out.presence, excluded)
		default:
			out.presence = included
			if question != "" && out.said == nil {
				out.said = offer.Says(question)
			}
		}
	}
	return out
}
