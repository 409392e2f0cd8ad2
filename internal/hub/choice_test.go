package hub

import (
	"net/netip"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
)

// A locator that includes services by tags has a route for those with an instance that it includes, and for those of which nothing is
// known yet. A route stays while its list is empty or in doubt, and the list is in use all the time.
func TestServicesIncludedByTags(t *testing.T) {
	s, r := newScripted("s"), newRecorder()
	start(t, Config{Parts: []Part{{Source: s, Required: true, Keepers: []string{"registry"}}}, Endpoints: r, Publisher: r})
	locator := func(value string) source.Group {
		return source.Group{Key: "locator", Objects: &model.Objects{Locators: []model.Locator{{ID: "l", Attach: []model.Class{"c"}, Keeper: "registry", Prefix: "p/",
			Include: model.Term{Op: model.TermIs, Name: "edge", Value: value}}}}}
	}
	list := func(edges ...string) source.Group {
		set := model.EndpointSet{List: model.EndpointsID{Keeper: "registry", Name: "p/order"}}
		for i, v := range edges {
			set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.1.1.2"), uint16(80+i)), Tags: model.NewTags(map[string]string{"edge": v})})
		}
		return source.Group{Key: "order", Objects: &model.Objects{Endpoints: []model.EndpointSet{set}}}
	}
	unread := source.Group{Key: "order", Objects: &model.Objects{Endpoints: []model.EndpointSet{{List: model.EndpointsID{Keeper: "registry", Name: "p/order"}, Unread: true}}}}
	for i, step := range []struct {
		what   string
		update source.Update
		routed bool
	}{
		{"not read yet", source.Update{Groups: []source.Group{locator("yes"), unread}, Full: true}, true},
		{"read, and empty", source.Update{Groups: []source.Group{list()}}, false},
		{"of no interest", source.Update{Groups: []source.Group{list("no")}}, false},
		{"one of two", source.Update{Groups: []source.Group{list("no", "yes")}}, true},
		{"gone in doubt", source.Update{Groups: []source.Group{list("no")}, Doubt: time.Minute}, true},
		{"gone", source.Update{Groups: []source.Group{list("no")}}, false},
		{"back", source.Update{Groups: []source.Group{list("yes")}}, true},
		{"empty", source.Update{Groups: []source.Group{list()}}, true},
		{"others have come", source.Update{Groups: []source.Group{list("no", "no")}}, false},
		{"another condition", source.Update{Groups: []source.Group{locator("no")}}, true},
		{"and the first again", source.Update{Groups: []source.Group{locator("yes")}}, false},
		{"the list goes", source.Update{Groups: []source.Group{{Key: "order"}}}, false},
		{"and is back, empty", source.Update{Groups: []source.Group{list()}}, false},
	} {
		step.update.Groups = append(step.update.Groups, rule("mark", "/"+string(rune('a'+i)))) // to see that it is published
		s.say <- step.update
		eventually(t, step.what, func() bool {
			routed, marked := false, false
			for _, id := range r.routes() {
				routed = routed || id == "locator/order"
				marked = marked || id == "mark/"+string(rune('a'+i))
			}
			if !marked {
				return false
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			inUse := r.snap.Contents().InUse
			if _, used := inUse.Get("registry:p/order"); used == (step.what == "the list goes") {
				t.Errorf("%s: list in use: %v", step.what, used)
			}
			if routed != step.routed {
				t.Errorf("%s: routed %v", step.what, routed)
			}
			return true
		})
	}
}
