package compile

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

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
				case was == now:
				case now == absent:
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
			if !unchanged || now != standingOf(c.old.Kept.Lists, l, service) {
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

// standing is how a service stands with a locator.
type standing uint8

const (
	absent   standing = iota // no registry lists it
	excluded                 // none of its instances is included: no route
	included
)

// standingOf looks at the lists of a service in all registries of a locator.
func standingOf(lists shard.Map[model.Offer], l *model.Locator, service string) standing {
	out, condition := absent, ""
	if rest := l.Include.For(service); rest.Op != model.TermAny {
		condition = l.Include.String()
	}
	for _, id := range l.Lists(service) {
		switch offer, ok := lists.Get(id.String()); {
		case !ok:
		case condition != "" && slices.Contains(offer.Unmet, condition):
			out = excluded
		default:
			return included
		}
	}
	return out
}

// located is what one locator makes of one service. Without a template /NAME/** goes there with the first segment taken off. A service
// that is excluded has its upstream alone: its lists stay in use, and their sources tell when it is included.
func located(l *model.Locator, service string, now standing) *model.Objects {
	name := service
	if l.LowerCase {
		name = strings.ToLower(service)
	}
	origin := l.Origin
	origin.Kind, origin.Name = "locator", service
	filters := l.Filters
	if len(filters) == 0 {
		filters = []model.FilterSpec{{Kind: "strip-prefix", Config: json.RawMessage(`{"parts":1}`)}}
	}
	paths := l.Paths
	if len(paths) == 0 {
		paths = []model.PathMatch{{Kind: model.PathPrefix, Value: "/" + model.LocatorService}}
	}
	template, err := model.Named(template{paths, l.Hosts, l.Match, filters, l.HostName}, name)
	if err != nil {
		return &model.Objects{Diagnostics: []model.Diagnostic{{Origin: origin, Severity: model.Error, Code: model.CodeInvalid,
			Message: fmt.Sprintf("service %q is not routed to: its name makes no route of the locator's template: %v", service, err)}}}
	}
	for i := range filters {
		template.Filters[i].Data = filters[i].Data // secrets have no text form
	}
	up := l.Upstream(service)
	up.Origin, up.Priority, up.Endpoints = origin, l.Priority, l.Lists(service)
	up.ID = model.UpstreamID(fmt.Sprintf("%s/%s%s%s", up.Endpoints[0].Keeper, up.Endpoints[0].Name, up.TrustText(), up.PartText()))
	out := &model.Objects{Upstreams: []model.Upstream{up}}
	if now == excluded {
		return out
	}
	forward := model.Forward{Targets: []model.Target{{Upstream: up.ID}}, Host: model.HostEndpoint, Retry: l.Retry, Target: l.Target}
	switch {
	case l.KeepHost:
		forward.Host = model.HostKeep
	case template.HostName != "":
		forward.Host, forward.HostName = model.HostLiteral, template.HostName
	}
	for i, path := range template.Paths {
		r := model.Route{
			ID: model.RouteID("locator/" + service), Origin: origin, Attach: l.Attach, Priority: l.Priority, Rank: l.Rank,
			Hosts: template.Hosts, Match: template.Match, Filters: template.Filters,
			Action: forward, Timeouts: l.Timeouts,
		}
		if i > 0 {
			r.ID += model.RouteID(fmt.Sprintf("/%d", i+1))
		}
		r.Match.Path = path
		out.Routes = append(out.Routes, r)
	}
	return out
}

// template is what of a locator names the service.
type template struct {
	Paths   []model.PathMatch
	Hosts   []model.Host
	Match   model.Match
	Filters []model.FilterSpec

	HostName string
}
