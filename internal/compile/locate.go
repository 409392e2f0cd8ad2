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

// locate expands the locators over the lists that sources offer: a group for each service of each locator.
func (c *compiler) locate(lists []model.EndpointsID) {
	old := c.old.Kept.Located
	next := shard.Map[*model.Objects]{}.Edit()
	for i := range c.next.Kept.Locators {
		l := &c.next.Kept.Locators[i]
		unchanged := slices.ContainsFunc(c.old.Kept.Locators, func(was model.Locator) bool { return reflect.DeepEqual(was, *l) })
		for _, list := range lists {
			service, ok := strings.CutPrefix(list.Name, l.Prefix)
			if list.Keeper != l.Keeper || !ok || service == "" || strings.Contains(service, "/") || slices.Contains(l.Except, service) {
				continue
			}
			name := "locator/" + l.ID + "/" + service
			if was, ok := old.Get(name); ok && unchanged {
				next.Set(name, was)
				continue
			}
			next.Set(name, located(l, list, service))
		}
	}
	located := next.Map()
	for name, was := range old.All() {
		if _, ok := located.Get(name); !ok {
			c.change(name, was, nil)
		}
	}
	for name, now := range located.All() {
		if was, _ := old.Get(name); was != now {
			c.change(name, was, now)
		}
	}
	c.next.Kept.Located = located
}

// located is what one locator makes of one service: /NAME/** goes there with the first segment taken off.
func located(l *model.Locator, list model.EndpointsID, service string) *model.Objects {
	segment := service
	if l.LowerCase {
		segment = strings.ToLower(service)
	}
	origin := l.Origin
	origin.Kind, origin.Name = "locator", service
	filters := l.Filters
	if len(filters) == 0 {
		filters = []model.FilterSpec{{Kind: "strip-prefix", Config: json.RawMessage(`{"parts":1}`)}}
	}
	upstream := model.UpstreamID(fmt.Sprintf("%s/%s", list.Keeper, list.Name))
	return &model.Objects{
		Upstreams: []model.Upstream{{ID: upstream, Origin: origin, Priority: l.Priority, Endpoints: []model.EndpointsID{list}, TLS: l.TLS}},
		Routes: []model.Route{{
			ID: model.RouteID("locator/" + service), Origin: origin, Attach: l.Attach, Priority: l.Priority, Rank: l.Rank,
			Match:   model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/" + segment}},
			Filters: filters,
			Action:  model.Forward{Targets: []model.Target{{Upstream: upstream}}, Host: model.HostEndpoint},
		}},
	}
}
