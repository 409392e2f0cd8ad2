package l4

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

func TestAChangeThatMeansNothingLeavesConnectionsAlone(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{DrainTimeout: time.Millisecond}, nil)
	b.endpoints(n.addr)
	c := dial(t, b.addr(), "")
	greeted(t, c, "node-1")
	addr := b.addr()
	for i := range 5 {
		b.listener.Origin.Line = i
		b.up.Origin.Line = i
		b.publish()
	}
	b.endpoints() // the endpoint leaves its list: its connections end by themselves
	says(t, c, "still here")
	if b.addr() != addr || b.status().Open != 1 || b.status().Total != 1 {
		t.Errorf("status %+v", b.status())
	}
}

func TestConnectionsOfAnUpstreamThatWentDrain(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{DrainTimeout: 300 * time.Millisecond}, nil)
	b.endpoints(n.addr)
	addr := b.addr()
	stays, ends := dial(t, addr, ""), dial(t, addr, "")
	greeted(t, stays, "node-1")
	greeted(t, ends, "node-1")
	old := b.plane.services[place{listener: "slb/http"}]
	b.up.Health = model.HealthCheck{Kind: model.HealthTCP, Interval: time.Hour}
	b.publish()
	if b.addr() != addr {
		t.Error("the port moved")
	}
	greeted(t, dial(t, addr, ""), "node-1")
	says(t, stays, "in time")
	says(t, ends, "in time")
	ends.Close()
	if _, err := io.ReadAll(stays); !isBroken(err) {
		t.Errorf("the one that stayed ended with %v, want a reset", err)
	}
	eventually(t, "its end is recorded", func() bool {
		b.records.mu.Lock()
		defer b.records.mu.Unlock()
		codes := map[string]int{}
		for _, r := range b.records.all {
			codes[r.Reason]++
		}
		return codes[string(CodeDrained)] == 1 && codes[""] == 1
	})
	if got := old.cut.Load(); got != 1 {
		t.Errorf("%d connections counted as cut, want 1", got)
	}
	if len(b.table.Upstreams()) != 1 {
		t.Error("the old upstream is still held")
	}
}

func TestAConnectionOfTheLastMomentGoesToTheNextGeneration(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(n.addr)
	old := b.plane.services[place{listener: "slb/http"}]
	b.up.Health = model.HealthCheck{Kind: model.HealthTCP, Interval: time.Hour}
	b.publish()
	eventually(t, "the old generation is gone", func() bool { return len(b.table.Upstreams()) == 1 })
	h, err := b.sockets.Acquire(t.Context(), model.Listener{ID: "late"}, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release(t.Context())
	h.Serve(old.serve)
	greeted(t, dial(t, h.Addr(), ""), "node-1")
	if s := b.status(); s.Total != 1 || old.total.Load() != 0 {
		t.Errorf("counted by the wrong one: %+v", s)
	}
}

func TestAListenerThatGoesCloses(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(n.addr)
	addr := b.addr()
	c := dial(t, addr, "")
	greeted(t, c, "node-1")
	b.store.Publish(t.Context(), snapshot.Empty())
	eventually(t, "the port is closed", func() bool { return once(addr) != nil })
	says(t, c, "still here")
	c.Close()
	eventually(t, "the upstream is given back", func() bool { return len(b.table.Upstreams()) == 0 })
}

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	taken := newNode(t, "taken", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	b.listener.Origin.Name = "slb"
	b.listener.Bind = append(b.listener.Bind, taken.addr)
	b.publish()
	d := b.plane.Diagnostics()
	if len(d) != 1 || d[0].Code != model.CodeListenerFailed || d[0].Field != "bind[1]" || d[0].Origin.Name != "slb" {
		t.Errorf("got %v", d)
	}
	b.listener.Bind = []netip.AddrPort{taken.addr}
	if refused := b.store.Publish(t.Context(), b.snapshot()); len(refused) != 1 {
		t.Error("a plane that can bind nothing did not say so")
	}
	refused(t, b.addr()) // by the generation before, which serves on, without endpoints
	if b.records.last(t, 1).Reason != string(upstream.CodeEndpointsUnknown) {
		t.Error("the generation before does not serve on")
	}
	taken.kill()
	b.publish()
	if d := b.plane.Diagnostics(); len(d) != 0 || b.addr() != taken.addr {
		t.Errorf("after the port came free: %v", d)
	}

	next := b.snapshot()
	c := next.Contents()
	c.Upstreams = snapshot.Empty().Contents().Upstreams
	b.store.Publish(t.Context(), snapshot.New(c))
	if d := b.plane.Diagnostics(); len(d) != 1 || d[0].Code != model.CodeUpstreamMissing {
		t.Errorf("without the upstream: %v", d)
	}
	c = b.snapshot().Contents()
	c.L4Routes = nil
	b.store.Publish(t.Context(), snapshot.New(c))
	if d := b.plane.Diagnostics(); len(d) != 1 || d[0].Code != CodeNoRoute {
		t.Errorf("without a route: %v", d)
	}
}

func TestAbortGivesBack(t *testing.T) {
	b := newBalancer(t, Config{}, nil)
	addr := b.addr()
	b.listener.ID = "another"
	for range 20 {
		c, err := b.plane.Prepare(t.Context(), b.snapshot())
		if err != nil {
			t.Fatal(err)
		}
		c.Abort()
	}
	if b.addr() != addr || len(b.table.Upstreams()) != 1 {
		t.Error("a change that was given up left something behind")
	}
}

func TestManyGenerations(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{DrainTimeout: 2 * time.Second}, nil)
	b.endpoints(n.addr)
	made, stop := clients(t, b.addr())
	for i := range 200 {
		b.up.Health.Interval = time.Duration(i) * time.Second
		if i%2 == 0 {
			b.up.Health.Kind = model.HealthTCP
		} else {
			b.up.Health.Kind = model.HealthNone
		}
		b.publish()
	}
	eventually(t, "connections", func() bool { return made.Load() > 20 })
	if failures := stop(); len(failures) > 0 {
		for _, f := range failures {
			t.Logf("%s", f)
		}
		t.Errorf("%d connections failed", len(failures))
	}
	eventually(t, "old generations are gone", func() bool { return len(b.table.Upstreams()) == 1 })
}

func TestCloseEndsWhatIsOpen(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(n.addr)
	c := dial(t, b.addr(), "")
	greeted(t, c, "node-1")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	b.plane.Close(ctx)
	if took := time.Since(start); took < 90*time.Millisecond || took > 2*time.Second {
		t.Errorf("closed after %v", took)
	}
	if _, err := io.ReadAll(c); !isBroken(err) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	if _, err := b.plane.Prepare(t.Context(), b.snapshot()); err == nil {
		t.Error("a closed plane prepared a generation")
	}
}
