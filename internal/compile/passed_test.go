package compile

import (
	"net/netip"
	"testing"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// TestServerNames: of several routes for one server name the first in the order has it, the others are told, and a name that is
// passed on is published as that of a route is. A route with names takes nobody else's connections.
func TestServerNames(t *testing.T) {
	route := func(id string, priority int, hosts ...model.Host) model.L4Route {
		return model.L4Route{ID: model.RouteID(id), Priority: priority, Attach: []model.Class{"front"}, Upstream: "u", ServerNames: hosts, Origin: model.Origin{Source: "test", Kind: "L4Route", Name: id}}
	}
	objects := model.Objects{
		Listeners: []model.Listener{listenerAt("front", model.HTTPS, "10.0.0.1:443")},
		Zones:     []model.Zone{{Name: "test"}},
		L4Routes:  []model.L4Route{route("b", 1, "pay.test"), route("a", 2, "pay.test", "*.pay.test"), {ID: "c", Attach: []model.Class{"front"}, Upstream: "u"}},
	}
	e := shard.Map[*model.Objects]{}.Edit()
	e.Set("g", &objects)
	s := Compile(nil, Input{Groups: e.Map()}, nil)
	for name, want := range map[string]model.RouteID{"pay.test": "b", "x.pay.test": "a"} {
		if r, ok := s.Passed("front").Match(name); !ok || r.ID != want {
			t.Errorf("%s: %+v, want %s", name, r, want)
		}
		if n, _ := s.Names().Lookup(name); n == nil || n.Addrs[0].String() != "10.0.0.1" {
			t.Errorf("%s is published as %+v", name, n)
		}
	}
	for _, name := range []string{"test", "x.y.pay.test", ""} {
		if r, ok := s.Passed("front").Match(name); ok {
			t.Errorf("%q: %+v", name, r)
		}
	}
	if all := s.L4Routes("front"); len(all) != 1 || all[0].ID != "c" {
		t.Errorf("%+v takes every connection", all)
	}
	var taken []string
	for _, d := range s.Diagnostics() {
		if d.Code == model.CodeDuplicateRoute {
			taken = append(taken, d.Origin.Name+" "+d.Field)
		}
	}
	if len(taken) != 1 || taken[0] != "a serverNames" {
		t.Errorf("%q", taken)
	}
	none := objects
	none.L4Routes = nil
	e = s.Contents().Kept.Groups.Edit()
	e.Set("g", &none)
	later := Compile(s, Input{Groups: e.Map()}, nil)
	if n, _ := later.Names().Lookup("pay.test"); n != nil || later.Passed("front").Len() > 0 {
		t.Errorf("what went is published as %+v", n)
	}
}

func listenerAt(id string, p model.Protocol, at string) model.Listener {
	return model.Listener{ID: model.ListenerID(id), Protocol: p, Bind: []netip.AddrPort{netip.MustParseAddrPort(at)}}
}
