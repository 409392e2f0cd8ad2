package hub

import (
	"net/netip"
	"slices"
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

// What an instance says of a route's timeouts is known to compile: that of the lowest address which says any of it, whoever was heard first.
// It stays while the list is empty or in doubt, and a registration that says nothing of it is no change.
func TestRoutesHaveTagsOfOneInstance(t *testing.T) {
	s, r := newScripted("s"), newRecorder()
	start(t, Config{Parts: []Part{{Source: s, Required: true, Keepers: []string{"registry"}}}, Endpoints: r, Publisher: r})
	locator := source.Group{Key: "locator", Objects: &model.Objects{Locators: []model.Locator{{ID: "l", Attach: []model.Class{"c"}, Keeper: "registry", Prefix: "p/",
		Include: model.Term{Op: model.TermNot, Of: []model.Term{{Op: model.TermIs, Name: "edge", Value: "no"}}}, ResponseTag: "wait"}}}}
	instance := func(port uint16, tags ...string) source.Group {
		key := "i" + string(rune('0'+port))
		if tags == nil {
			return source.Group{Key: key}
		}
		named := map[string]string{}
		for i := 0; i+1 < len(tags); i += 2 {
			named[tags[i]] = tags[i+1]
		}
		return source.Group{Key: key, Objects: &model.Objects{Endpoints: []model.EndpointSet{{List: model.EndpointsID{Keeper: "registry", Name: "p/order"},
			Endpoints: []model.Endpoint{{Addr: netip.AddrPortFrom(netip.MustParseAddr("127.1.1.2"), port), Tags: model.NewTags(named)}}}}}}
	}
	empty := source.Group{Key: "list", Objects: &model.Objects{Endpoints: []model.EndpointSet{{List: model.EndpointsID{Keeper: "registry", Name: "p/order"}}}}}
	for i, step := range []struct {
		what   string
		update source.Update
		want   time.Duration
	}{
		{"one that says nothing", source.Update{Groups: []source.Group{locator, empty, instance(5, "other", "1")}, Full: true}, 0},
		{"one that does, of a higher address", source.Update{Groups: []source.Group{instance(7, "wait", "700")}}, 700 * time.Millisecond},
		{"one of a lower address", source.Update{Groups: []source.Group{instance(6, "wait", "600")}}, 600 * time.Millisecond},
		{"one that is not included", source.Update{Groups: []source.Group{instance(1, "wait", "100", "edge", "no")}}, 600 * time.Millisecond},
		{"it is registered anew", source.Update{Groups: []source.Group{instance(6, "wait", "650")}}, 650 * time.Millisecond},
		{"it says nothing any more", source.Update{Groups: []source.Group{instance(6, "other", "1")}}, 700 * time.Millisecond},
		{"gone in doubt", source.Update{Groups: []source.Group{instance(7)}, Doubt: time.Minute}, 700 * time.Millisecond},
		{"gone", source.Update{Groups: []source.Group{instance(5)}}, 0},
		{"back", source.Update{Groups: []source.Group{instance(6, "wait", "600")}}, 600 * time.Millisecond},
		{"nobody is left", source.Update{Groups: []source.Group{instance(1), instance(6)}}, 600 * time.Millisecond},
		{"no number", source.Update{Groups: []source.Group{instance(6, "wait", "5s")}}, 0},
		{"no bound", source.Update{Groups: []source.Group{instance(6, "wait", "-1")}}, 24 * time.Hour},
	} {
		step.update.Groups = append(step.update.Groups, rule("mark", "/"+string(rune('a'+i)))) // to see that it is published
		s.say <- step.update
		eventually(t, step.what, func() bool {
			marked := slices.Contains(r.routes(), "mark/"+string(rune('a'+i)))
			r.mu.Lock()
			defer r.mu.Unlock()
			all := r.snap.Contents().Kept.Located
			if o, ok := all.Get("locator/l/order"); marked && (!ok || o.Routes[0].Timeouts.Response != step.want) {
				t.Errorf("%s: %+v, want %v", step.what, o, step.want)
			}
			return marked
		})
	}
}
