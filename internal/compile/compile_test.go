package compile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
)

func check(filters []model.FilterSpec, _ []string) (out []model.FilterFault, paths []model.FilterPath, settings []model.FilterSetting) {
	for i, f := range filters {
		if f.Kind == "nonsense" {
			out = append(out, model.FilterFault{At: i, Severity: model.Error, Code: model.CodeUnknownFilter, Message: "there is no filter nonsense"})
		}
		if f.Kind == "doubtful" {
			out = append(out, model.FilterFault{At: i, Severity: model.Warning, Code: model.CodeFilterDoubtful, Message: "it does nothing"})
		}
		if f.Kind == "leads" {
			paths = append(paths, model.FilterPath{At: i, Path: string(f.Config)})
		}
		if f.Kind == "setting" {
			var s model.FilterSetting
			if err := json.Unmarshal(f.Config, &s); err != nil {
				panic(err)
			}
			s.At = i
			settings = append(settings, s)
		}
	}
	return out, paths, settings
}

func dump(s *snapshot.Snapshot) string {
	var b bytes.Buffer
	s.Dump(&b)
	return b.String()
}

// world draws groups in which objects collide often.
func world(t *rapid.T) map[string]*model.Objects {
	groups := map[string]*model.Objects{}
	for range rapid.IntRange(0, 8).Draw(t, "groups") {
		key := fmt.Sprintf("s/g%d", rapid.IntRange(0, 9).Draw(t, "key"))
		groups[key] = objects(t, key)
	}
	return groups
}

func objects(t *rapid.T, key string) *model.Objects {
	o := &model.Objects{}
	origin := func(kind string) model.Origin {
		at := model.Origin{Source: "s", Kind: kind, Name: key, File: "f.yaml", Line: rapid.IntRange(1, 5).Draw(t, "line")}
		if rapid.Bool().Draw(t, "dated") {
			at.Created = time.Unix(int64(rapid.IntRange(0, 3).Draw(t, "created")), 0)
		}
		return at
	}
	class := model.Class(rapid.SampledFrom([]string{"ingress", "gateway"}).Draw(t, "class"))
	for i := range rapid.IntRange(0, 4).Draw(t, "routes") {
		r := model.Route{
			ID: model.RouteID(fmt.Sprintf("%s/%d", key, i)), Origin: origin("Ingress"), Attach: []model.Class{class},
			Hosts: []model.Host{model.Host(rapid.SampledFrom([]string{"", "a.test", "b.test", "*.b.test", "c.example", "UPPER"}).Draw(t, "host"))},
			Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: rapid.SampledFrom([]string{"/", "/a", "/a/", "bad"}).Draw(t, "path")}},
			Rank:  model.Rank{Order: rapid.IntRange(0, 1).Draw(t, "rank")},
			Action: model.Forward{Targets: []model.Target{
				{Upstream: model.UpstreamID(rapid.SampledFrom([]string{"u1", "u2", "u3"}).Draw(t, "target"))}}},
		}
		switch rapid.IntRange(0, 8).Draw(t, "filter") {
		case 0:
			r.Filters = []model.FilterSpec{{Kind: "nonsense"}}
		case 1:
			r.Filters = []model.FilterSpec{{Kind: "doubtful"}}
		case 2, 3:
			r.Filters = []model.FilterSpec{{Kind: "leads", Config: []byte(rapid.SampledFrom([]string{"/a", "/b", "/c"}).Draw(t, "leads to"))}}
		}
		o.Routes = append(o.Routes, r)
	}
	for range rapid.IntRange(0, 2).Draw(t, "upstreams") {
		o.Upstreams = append(o.Upstreams, model.Upstream{
			ID: model.UpstreamID(rapid.SampledFrom([]string{"u1", "u2"}).Draw(t, "upstream")), Origin: origin("Service"),
			Endpoints: []model.EndpointsID{{Keeper: "kubernetes", Name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "list")}},
		})
	}
	if rapid.IntRange(0, 2).Draw(t, "listener") == 0 {
		o.Listeners = append(o.Listeners, model.Listener{
			ID: model.ListenerID(rapid.SampledFrom([]string{"l1", "l2"}).Draw(t, "listener id")), Origin: origin("Listener"), Class: class,
			Protocol: model.HTTP, Names: []model.Host{"a.test"},
			HostRule: rapid.SampledFrom([]model.HostRule{model.HostOwns, model.HostFalls}).Draw(t, "host rule"),
			Bind:     []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(rapid.IntRange(1, 2).Draw(t, "addr"))}), 80)},
		})
		o.Zones = append(o.Zones, model.Zone{Name: "test", Origin: origin("Zone")})
	}
	if rapid.IntRange(0, 3).Draw(t, "locator") == 0 {
		l := model.Locator{ID: "loc", Origin: origin("Locator"), Attach: []model.Class{class}, Keeper: "registry", Prefix: "public/"}
		if rapid.Bool().Draw(t, "two registries") {
			l.Also = []model.Shelf{{Keeper: "registry/b", Prefix: "dev/"}}
		}
		o.Locators = append(o.Locators, l)
	}
	return o
}

func input(groups map[string]*model.Objects, lists []model.EndpointsID) Input {
	e := shard.Map[*model.Objects]{}.Edit()
	for k, v := range groups {
		e.Set(k, v)
	}
	return Input{Groups: e.Map(), Lists: Lists(lists...)}
}

func edited(in Input, groups map[string]*model.Objects, lists []model.EndpointsID) Input {
	e := in.Groups.Edit()
	for k := range in.Groups.All() {
		if groups[k] == nil {
			e.Delete(k)
		}
	}
	for k, v := range groups {
		if was, _ := in.Groups.Get(k); was != v {
			e.Set(k, v)
		}
	}
	return Input{Groups: e.Map(), Lists: Lists(lists...)}
}

// TestIncrementalEqualsFull drives a world through changes: what is compiled step by step must be what is compiled
// at once, whatever the order of the steps was.
func TestIncrementalEqualsFull(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := world(t)
		in := input(groups, nil)
		snap := Compile(nil, in, check)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			next := map[string]*model.Objects{}
			for k, v := range groups {
				next[k] = v
			}
			for range rapid.IntRange(0, 3).Draw(t, "edits") {
				key := fmt.Sprintf("s/g%d", rapid.IntRange(0, 9).Draw(t, "key"))
				if rapid.Bool().Draw(t, "drop") {
					delete(next, key)
				} else {
					next[key] = objects(t, key)
				}
			}
			var lists []model.EndpointsID
			for _, n := range []string{"orders", "users"} {
				if rapid.Bool().Draw(t, n) {
					lists = append(lists, model.EndpointsID{Keeper: "registry", Name: "public/" + n})
				}
				if rapid.Bool().Draw(t, n+" in the other") {
					lists = append(lists, model.EndpointsID{Keeper: "registry/b", Name: "dev/" + n})
				}
			}
			groups = next
			in = edited(in, groups, lists)
			snap = Compile(snap, in, check)
			full := Compile(nil, input(groups, lists), check)
			if a, b := dump(snap), dump(full); a != b {
				t.Fatalf("only step by step:\n%s\nonly at once:\n%s\nwhole:\n%s", linesNotIn(a, b), linesNotIn(b, a), b)
			}
		}
		accountedFor(t, groups, snap)
	})
}

func linesNotIn(a, b string) string {
	var out []string
	for line := range strings.Lines(a) {
		if !strings.Contains(b, line) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// accountedFor checks that every route is in the snapshot or in a diagnostic.
func accountedFor(t *rapid.T, groups map[string]*model.Objects, snap *snapshot.Snapshot) {
	placed := map[model.RouteID]bool{}
	for _, class := range snap.Classes() {
		for _, table := range snap.Tables(class) {
			for _, r := range table.Routes() {
				placed[r.ID] = true
			}
			for _, l := range table.Lost() {
				placed[l.Route.ID] = true
			}
		}
	}
	said := dump(snap)
	for key, o := range groups {
		for _, r := range o.Routes {
			if !placed[r.ID] && !strings.Contains(said, "Ingress "+key) {
				t.Fatalf("route %s is neither served nor diagnosed:\n%s", r.ID, said)
			}
		}
	}
}

func TestSharing(t *testing.T) {
	groups := map[string]*model.Objects{}
	for i := range 50 {
		host := fmt.Sprintf("h%d.test", i)
		groups["s/"+host] = &model.Objects{
			Routes: []model.Route{{ID: model.RouteID(host), Attach: []model.Class{"ingress"}, Hosts: []model.Host{model.Host(host)},
				Action: model.Forward{Targets: []model.Target{{Upstream: model.UpstreamID(fmt.Sprint("u", i%2))}}}}},
		}
	}
	for i := range 2 {
		groups[fmt.Sprint("s/u", i)] = &model.Objects{Upstreams: []model.Upstream{{ID: model.UpstreamID(fmt.Sprint("u", i)), Endpoints: []model.EndpointsID{{Keeper: "k", Name: "n"}}}}}
	}
	in := input(groups, nil)
	first := Compile(nil, in, check)
	groups["s/u1"] = &model.Objects{Upstreams: []model.Upstream{{ID: "u1", Endpoints: []model.EndpointsID{{Keeper: "k", Name: "other"}}}}}
	second := Compile(first, edited(in, groups, nil), check)
	for i := range 50 {
		host := model.Host(fmt.Sprintf("h%d.test", i))
		a, _ := first.Site("ingress").Get(host)
		b, _ := second.Site("ingress").Get(host)
		if same := a == b; same != (i%2 == 0) {
			t.Errorf("%s: the table is shared: %v; its upstream changed: %v", host, same, i%2 == 1)
		}
		if r := b.Routes()[0]; r.Upstreams[0].Endpoints[0].Name != map[bool]string{true: "n", false: "other"}[i%2 == 0] {
			t.Errorf("%s leads to %v", host, r.Upstreams[0])
		}
	}
}

func TestOneChangeOfManyRoutes(t *testing.T) {
	allocs := func(n int) float64 {
		groups := map[string]*model.Objects{"s/u": {Upstreams: []model.Upstream{{ID: "u", Endpoints: []model.EndpointsID{{Keeper: "k", Name: "n"}}}}}}
		object := func(i int) *model.Objects {
			host := model.Host(fmt.Sprintf("h%d.test", i))
			return &model.Objects{Routes: []model.Route{{ID: model.RouteID(host), Attach: []model.Class{"ingress"}, Hosts: []model.Host{host},
				Action: model.Forward{Targets: []model.Target{{Upstream: "u"}}}}}}
		}
		for i := range n {
			groups[fmt.Sprint("s/", i)] = object(i)
		}
		in := input(groups, nil)
		snap := Compile(nil, in, check)
		return testing.AllocsPerRun(20, func() {
			e := in.Groups.Edit()
			e.Set("s/7", object(7))
			in.Groups = e.Map()
			snap = Compile(snap, in, check)
		})
	}
	small, large := allocs(100), allocs(20_000)
	if large > 3*small {
		t.Errorf("one changed route of 20,000 takes %v allocations, of 100 %v", large, small)
	}
}

// TestManyRoutesOfOneUpstream: who is one of many to define an upstream costs no more than one of few.
func TestManyRoutesOfOneUpstream(t *testing.T) {
	each := func(n int) float64 {
		groups := map[string]*model.Objects{}
		for i := range n {
			at := model.Origin{Source: "s", Kind: "route", Name: fmt.Sprintf("r%d", i), File: "f.yaml", Line: i*7919%n + 1}
			groups[fmt.Sprintf("s/r%d", i)] = &model.Objects{Upstreams: []model.Upstream{{ID: "u", Origin: at, Endpoints: []model.EndpointsID{{Keeper: "k", Name: "l"}}}}}
		}
		return testing.AllocsPerRun(1, func() { Compile(nil, input(groups, nil), check) }) / float64(n)
	}
	if few, many := each(50), each(1000); many > 2*few {
		t.Errorf("one of 1000 costs %.0f allocations, one of 50 %.0f", many, few)
	}
}

// TestNamesOfStoppedListenersStay: who stops the gateway sees connections refused, not a name that is gone.
func TestNamesOfStoppedListenersStay(t *testing.T) {
	listener := model.Listener{ID: "gateway/http", Class: "gateway", Protocol: model.HTTP, Names: []model.Host{"gateway.test"},
		Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.20:80")}, Stopped: true}
	snap := Compile(nil, input(map[string]*model.Objects{"s/g": {Listeners: []model.Listener{listener}, Zones: []model.Zone{{Name: "test"}}}}, nil), check)
	if _, serves := snap.Listener("gateway/http"); serves {
		t.Error("a stopped listener serves")
	}
	if n, _ := snap.Names().Lookup("gateway.test"); n == nil || len(n.Addrs) != 1 {
		t.Errorf("its name leads to %v", n)
	}
}

// TestDoubtfulFilters are warned of and served.
func TestDoubtfulFilters(t *testing.T) {
	r := model.Route{ID: "r", Attach: []model.Class{"web"}, Action: model.Respond{Status: 200}, Filters: []model.FilterSpec{{Kind: "good"}, {Kind: "doubtful"}},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}}, Origin: model.Origin{Name: "r"}}
	e := shard.Map[*model.Objects]{}.Edit()
	e.Set("s/g", &model.Objects{Routes: []model.Route{r}})
	snap := Compile(nil, Input{Groups: e.Map()}, check)
	var said []model.Diagnostic
	for _, d := range snap.Diagnostics() {
		if d.Code == model.CodeFilterDoubtful {
			said = append(said, d)
		}
	}
	if len(said) != 1 || said[0].Severity != model.Warning || said[0].Field != "filters[1]" || said[0].Origin.Name != "r" {
		t.Errorf("%+v", snap.Diagnostics())
	}
	served := 0
	for _, table := range snap.Tables("web") {
		for _, got := range table.Routes() {
			if served++; got.Reject != "" {
				t.Errorf("it is refused: %s", got.Reject)
			}
		}
	}
	if served != 1 {
		t.Errorf("%d routes are served", served)
	}
}
