package compile

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestListenerDefaults: what was said for a class fills in what its listeners do not say, what was written goes before what is
// assumed, listeners go before both and are told of, and a change is a change of the listeners.
func TestListenerDefaults(t *testing.T) {
	ten, loop := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	listener := func(id model.ListenerID, class model.Class, p model.Protocol, port uint16) model.Listener {
		return model.Listener{ID: id, Class: class, Protocol: p, Bind: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)}}
	}
	own := listener("own", "ingress", model.HTTPS, 8081)
	own.Trust.ForwardedFrom = loop
	own.Parsing.Underscores = model.UnderscoresRefuse
	listeners := &model.Objects{Listeners: []model.Listener{
		listener("plain", "ingress", model.HTTP, 8080), own, listener("other", "gateway", model.HTTP, 8082), listener("tcp", "ingress", model.TCP, 8083),
	}}
	defaults := func(ds ...model.ListenerDefaults) *model.Objects {
		for i := range ds {
			ds[i].Class = "ingress"
		}
		return &model.Objects{ListenerDefaults: ds}
	}
	assumed := defaults(model.ListenerDefaults{Assumed: true, Parsing: model.Parsing{Underscores: model.UnderscoresDrop}, Clients: model.Clients{ProxyHeader: time.Second}})
	written := defaults(model.ListenerDefaults{Origin: model.Origin{Kind: "ConfigMap", Name: "settings"},
		Trust:   model.Trust{ProxyFrom: ten, ForwardedFrom: ten, Believe: model.BelieveAddress, ClientOnly: true},
		Parsing: model.Parsing{Underscores: model.UnderscoresAllow}})
	groups := map[string]*model.Objects{"c/l": listeners, "a/assumed": assumed, "k/written": written}
	snap := Compile(nil, input(groups, nil), check)
	get := func(id model.ListenerID) model.Listener {
		t.Helper()
		l, ok := snap.Listener(id)
		if !ok {
			t.Fatalf("%s is gone", id)
		}
		return l
	}
	l := get("plain")
	if !slices.Equal(l.Trust.ProxyFrom, ten) || !slices.Equal(l.Trust.ForwardedFrom, ten) || l.Trust.Believe != model.BelieveAddress || !l.Trust.ClientOnly ||
		l.Parsing.Underscores != model.UnderscoresAllow || l.Clients.ProxyHeader != time.Second {
		t.Errorf("%+v", l)
	}
	l = get("own")
	if !slices.Equal(l.Trust.ProxyFrom, ten) || !slices.Equal(l.Trust.ForwardedFrom, loop) || l.Trust.Believe != model.BelieveAll || l.Trust.ClientOnly || l.Parsing.Underscores != model.UnderscoresRefuse {
		t.Errorf("%+v", l)
	}
	for _, id := range []model.ListenerID{"other", "tcp"} {
		if l := get(id); l.Trust.ProxyFrom != nil || l.Parsing != (model.Parsing{}) {
			t.Errorf("%+v", l)
		}
	}
	ds := snap.Diagnostics()
	if len(ds) != 1 || ds[0].Code != model.CodeSettingOverridden || ds[0].Severity != model.Info || ds[0].Origin.Name != "settings" ||
		!strings.Contains(ds[0].Message, "what own themselves say goes before what is said here: trusted, parsing.underscores") {
		t.Errorf("%v", ds)
	}
	delete(groups, "k/written")
	snap = Compile(snap, input(groups, nil), check)
	if l := get("plain"); l.Trust.ProxyFrom != nil || l.Parsing.Underscores != model.UnderscoresDrop || len(snap.Diagnostics()) != 0 {
		t.Errorf("%+v %v", l, snap.Diagnostics())
	}
	// What a listener cannot have has no effect on it, and is told.
	groups["k/bad"] = defaults(model.ListenerDefaults{Origin: model.Origin{Kind: "ConfigMap", Name: "bad"}, Parsing: model.Parsing{Head: 1}})
	snap = Compile(snap, input(groups, nil), check)
	if l := get("plain"); l.Parsing.Head != 0 || len(snap.Diagnostics()) != 2 || snap.Diagnostics()[0].Code != model.CodeInvalid {
		t.Errorf("%+v %v", l, snap.Diagnostics())
	}
}
