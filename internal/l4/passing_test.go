package l4

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
)

// passed publishes server names of the listener front, each with its upstream; a name without one leads nowhere.
func (b *balancer) passed(t *testing.T, names map[model.Host]model.UpstreamID) {
	t.Helper()
	b.version++
	e := (&snapshot.Passed{}).Edit()
	for h, up := range names {
		e.Set(h, &model.L4Route{ID: "pass/" + model.RouteID(h), Attach: []model.Class{"front"}, Upstream: up, ServerNames: []model.Host{h}})
	}
	hosts := e.Hosts()
	up := b.up
	ups := shard.Map[*model.Upstream]{}.Edit()
	ups.Set(string(up.ID), &up)
	s := snapshot.New(snapshot.Contents{
		Version: b.version, Upstreams: ups.Map(), ServerNames: map[model.Class]*snapshot.Passed{"front": &hosts},
		Listeners: []model.Listener{{ID: "front", Protocol: model.HTTPS, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}},
	})
	if refused := b.store.Publish(t.Context(), s); len(refused) > 0 {
		t.Fatalf("refused: %+v", b.store.Planes())
	}
}

// front is a listener whose connections are all given to the plane as being for one name; those that it does not take are closed.
func front(t *testing.T, b *balancer, name string) netip.AddrPort {
	t.Helper()
	set := listener.NewSet(listener.Config{})
	h, err := set.Acquire(t.Context(), model.Listener{ID: "front", Protocol: model.HTTPS}, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	h.Serve(func(c *listener.Conn) {
		first := make([]byte, 5)
		if _, err := io.ReadFull(c, first); err != nil {
			c.Close()
			return
		}
		c.Unread(first)
		if carry := b.plane.Pass(c, "front", name); carry != nil {
			carry()
			return
		}
		io.WriteString(c, "mine\n")
		c.Close()
	})
	t.Cleanup(func() { h.Release(t.Context()); set.Close() })
	return h.Addr()
}

func TestPass(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{DrainTimeout: 300 * time.Millisecond}, nil)
	b.endpoints(n.addr)
	b.passed(t, map[model.Host]model.UpstreamID{"pay.test": "slb", "*.wild.test": "slb", "lost.test": "none"})
	open := func(name string) net.Conn {
		t.Helper()
		c := dial(t, front(t, b, name), "")
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	stays := open("pay.test")
	greeted(t, stays, "node-1")
	says(t, stays, "") // what was read before comes first
	five := make([]byte, 5)
	if _, err := io.ReadFull(stays, five); err != nil || string(five) != "hello" {
		t.Errorf("%q, %v", five, err)
	}
	greeted(t, open("a.wild.test"), "node-1")
	for _, other := range []string{"other.test", "a.b.wild.test", ""} {
		greeted(t, open(other), "mine")
	}
	if _, err := io.ReadAll(open("lost.test")); !isBroken(err) {
		t.Errorf("a name without an upstream ended with %v, want a reset", err)
	}
	if len(b.plane.Diagnostics()) != 1 || b.plane.Diagnostics()[0].Code != model.CodeUpstreamMissing {
		t.Errorf("%v", b.plane.Diagnostics())
	}

	old := b.plane.services[place{"front", "pass/pay.test"}]
	b.passed(t, map[model.Host]model.UpstreamID{"pay.test": "slb", "more.test": "slb"})
	if b.plane.services[place{"front", "pass/pay.test"}] != old {
		t.Error("another name changed what serves this one")
	}
	says(t, stays, "still here")
	b.passed(t, nil) // the names went: what is open may end in time
	if b.plane.Passes("front") || b.plane.Passed("front", "pay.test") {
		t.Error("a name that went is passed on")
	}
	greeted(t, open("pay.test"), "mine")
	says(t, stays, "in time")
	if _, err := io.ReadAll(stays); !isBroken(err) {
		t.Errorf("the one that stayed ended with %v, want a reset", err)
	}
	if n := testing.AllocsPerRun(100, func() { b.plane.Passes("front") }); n > 0 {
		t.Errorf("asking allocates %v times", n)
	}
}
