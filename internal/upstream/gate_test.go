package upstream

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/model"
)

func TestNoLimitsCountNothing(t *testing.T) {
	_, h := given(t, upstreamOf(orders), some(2)...)
	for range 10 {
		if err := h.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.gate.inFlight.Load(); n != 0 {
		t.Errorf("%d are counted", n)
	}
	h.Leave()
}

func TestRequestLimit(t *testing.T) {
	for name, l := range map[string]model.Limits{
		"requests": {Requests: 4}, "connections": {Connections: 4}, "endpoint connections": {EndpointConnections: 2},
		"the smallest": {Requests: 9, Connections: 4, EndpointConnections: 3},
	} {
		up := upstreamOf(orders)
		up.Limits = l
		_, h := given(t, up, some(2)...)
		for range 4 {
			if err := h.Enter(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := h.Enter(t.Context()); err != ErrRequestLimit {
			t.Errorf("%s: %v", name, err)
		}
		h.Leave()
		if err := h.Enter(t.Context()); err != nil {
			t.Errorf("%s: after one left: %v", name, err)
		}
	}
}

func TestPendingRequestsAreLetInInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Config{})
		defer table.Close()
		up := upstreamOf(orders)
		up.Limits = model.Limits{Requests: 1, Pending: 3, Wait: 2 * time.Second}
		h := table.Acquire(up)
		defer h.Release()
		if err := h.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var in []int
		var failed []error
		gone, leave := context.WithCancel(t.Context())
		for i, ctx := range []context.Context{t.Context(), gone, t.Context()} {
			go func() {
				err := h.Enter(ctx)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = append(failed, err)
				} else {
					in = append(in, i)
				}
			}()
			synctest.Wait()
		}
		if err := h.Enter(t.Context()); err != ErrPendingLimit {
			t.Errorf("a fourth waits: %v", err)
		}
		leave()
		synctest.Wait()
		h.Leave()
		synctest.Wait()
		mu.Lock()
		if !slices.Equal(in, []int{0}) || len(failed) != 1 || failed[0] != ErrPendingTimeout {
			t.Errorf("in are %v, failed %v", in, failed)
		}
		mu.Unlock()
		began := time.Now()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(failed) != 2 || failed[1] != ErrPendingTimeout || time.Since(began) != 2*time.Second {
			t.Errorf("failed %v", failed)
		}
		if n, q := h.gate.inFlight.Load(), h.gate.queued.Load(); n != 1 || q != 0 || len(h.gate.waiting) != 0 {
			t.Errorf("%d in flight, %d queued", n, q)
		}
	})
}

// TestTheGateLosesNobody: whoever waits is let in, and never are there too many.
func TestTheGateLosesNobody(t *testing.T) {
	up := upstreamOf(orders)
	up.Limits = model.Limits{Requests: 3, Pending: 1000, Wait: time.Minute}
	_, h := given(t, up, some(2)...)
	var now, most atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 300 {
				if err := h.Enter(context.Background()); err != nil {
					t.Error(err)
					return
				}
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				now.Add(-1)
				h.Leave()
			}
		})
	}
	wg.Wait()
	if most.Load() > 3 || h.gate.inFlight.Load() != 0 || h.gate.queued.Load() != 0 {
		t.Errorf("%d at once; %d in flight and %d queued at the end", most.Load(), h.gate.inFlight.Load(), h.gate.queued.Load())
	}
}

func TestFullEndpointsArePassedOver(t *testing.T) {
	for _, kind := range kinds {
		up := balanced(kind)
		up.Limits.EndpointConnections = 2
		table, h := given(t, up, append(some(3), in(model.Draining, at("10.9.0.1:80")))...)
		var flying []*Endpoint
		n := map[string]int{}
		for range 6 {
			e, err := h.Pick(key(1))
			if err != nil {
				t.Fatal(kind, err)
			}
			flying = append(flying, e)
			n[e.Addr.String()]++
		}
		if len(n) != 3 || n["10.0.0.0:80"] != 2 || n["10.9.0.1:80"] != 0 {
			t.Errorf("%q: %v", kind, n)
		}
		if _, err := h.Pick(key(1)); err != ErrConnectionLimit {
			t.Errorf("%q: all are full: %v", kind, err)
		}
		// A change of weight makes new Endpoint values, and counts on.
		table.give("a", orders, some(3, 2000)...)
		if _, err := h.Pick(key(1)); err != ErrConnectionLimit {
			t.Errorf("%q: all are full after a change: %v", kind, err)
		}
		flying[0].Done(Succeeded)
		if e, err := h.Pick(key(1)); err != nil || e.Addr != flying[0].Addr {
			t.Errorf("%q: one is free: %v, %v", kind, e, err)
		}
	}
}

func TestConnectionsOfAnEndpointAreBounded(t *testing.T) {
	up := upstreamOf(orders)
	up.Limits.EndpointConnections = 2
	_, h := given(t, up, model.Endpoint{Addr: echo(t)})
	e := pick(t, h)
	a, b := dialOne(t, e), dialOne(t, e)
	if _, err := e.Dial(t.Context(), DialOptions{}); err != ErrConnectionLimit {
		t.Errorf("a third connection: %v", err)
	}
	if !e.Up() {
		t.Error("that is held against the endpoint")
	}
	a.Close()
	c := dialOne(t, e)
	b.Close()
	c.Close()
}

func TestConnectionsOfAnUpstreamAreBounded(t *testing.T) {
	up := upstreamOf(orders)
	up.Limits.Connections = 2
	table, h := given(t, up, model.Endpoint{Addr: echo(t)}, model.Endpoint{Addr: echo(t)})
	e, f := pick(t, h), pick(t, h)
	a, b := dialOne(t, e), dialOne(t, e)
	if _, err := f.Dial(t.Context(), DialOptions{}); err != ErrConnectionLimit {
		t.Errorf("a third connection: %v", err)
	}
	e.Put(a)
	c := dialOne(t, f) // the idle one makes room
	if _, err := a.TCP.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the idle connection is not closed: %v", err)
	}
	// Another upstream that uses the same endpoint has its own count, and its connections are none of ours.
	other := upstreamOf(orders)
	other.ID, other.Limits.Connections = "other", 1
	g := acquire(t, table, other)
	d := dialOne(t, pick(t, g))
	if n := h.gate.conns.Load(); n != 2 {
		t.Errorf("%d connections are counted", n)
	}
	for _, c := range []*Conn{b, c, d} {
		c.Close()
	}
	if n := h.gate.conns.Load() + g.gate.conns.Load(); n != 0 {
		t.Errorf("%d connections are counted at the end", n)
	}
}

func TestCountsOutliveAChangeOfSettings(t *testing.T) {
	up := upstreamOf(orders)
	up.Limits.Requests = 2
	table, h := given(t, up, some(2)...)
	if err := h.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	changed := *up
	changed.Balance.Kind = model.LeastRequests
	g := acquire(t, table, &changed)
	if err := g.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.Enter(t.Context()); err != ErrRequestLimit {
		t.Errorf("a third request: %v", err)
	}
	h.Leave()
	g.Leave()
}

func TestRetryLimitAndBudget(t *testing.T) {
	up := upstreamOf(orders)
	up.Limits.Retries = 5
	_, h := given(t, up, some(2)...)
	budget := Retries{Percent: 20, Least: 2}
	again := func(r Retries, want error) {
		t.Helper()
		if err := h.Again(r); err != want {
			t.Fatalf("%d retries: got %v, want %v", h.gate.retries.Load(), err, want)
		}
	}
	again(budget, nil)
	again(budget, nil)
	again(budget, ErrRetryBudget) // nothing is in flight: no more than the least
	again(Retries{Unseen: true}, nil)
	var flying []*Endpoint
	for range 20 { // a fifth of them is four
		e, _ := h.Pick(Hint{})
		flying = append(flying, e)
	}
	again(budget, nil)
	again(budget, ErrRetryBudget)
	if err := h.Affords(budget); err != nil {
		t.Errorf("one more try of a request that is counted: %v", err)
	}
	again(Retries{Unseen: true}, nil)
	again(Retries{Unseen: true}, ErrRetryLimit)
	for range 5 {
		h.Once()
	}
	for _, e := range flying {
		e.Done(Abandoned)
	}
	if n := h.gate.retries.Load(); n != 0 {
		t.Errorf("%d are counted at the end", n)
	}
}

func TestBoundClientsStay(t *testing.T) {
	for _, kind := range kinds {
		up := balanced(kind)
		up.Affinity.Mode = model.Persistent
		es := some(5)
		table, h := given(t, up, es...)
		bound := pick(t, h)
		n, err := strconv.ParseUint(bound.Mark(), 16, 64)
		if err != nil || len(bound.Mark()) != 16 {
			t.Fatalf("the mark is %q", bound.Mark())
		}
		hint := key(3)
		hint.Mark, hint.Marked = n, true
		stays := func() bool {
			e, err := h.Pick(hint)
			if err != nil {
				t.Fatal(err)
			}
			e.Done(Abandoned)
			return e.Addr == bound.Addr
		}
		i := slices.IndexFunc(es, func(e model.Endpoint) bool { return e.Addr == bound.Addr })
		for what, c := range map[string]struct {
			change func(*model.Endpoint)
			stays  bool
			bound  bool
		}{
			"as it is": {func(*model.Endpoint) {}, true, true}, "another weight": {func(e *model.Endpoint) { e.Weight = 5000 }, true, true},
			"no new traffic": {func(e *model.Endpoint) { e.Weight = model.WeightNone }, true, true},
			"draining":       {func(e *model.Endpoint) { e.State = model.Draining }, false, false},
			"unhealthy":      {func(e *model.Endpoint) { e.State = model.Unhealthy }, false, false},
		} {
			now := slices.Clone(es)
			c.change(&now[i])
			table.give("a", orders, now...)
			for range 20 {
				if stays() != c.stays || h.Bound(n) != c.bound {
					t.Fatalf("%q, %s: stays %v, bound %v", kind, what, stays(), h.Bound(n))
				}
			}
		}
		table.give("a", orders, es...)
		for _, e := range h.picker.Load().members {
			if e.Addr == bound.Addr {
				e.live.connectFailed(CodeConnectRefused)
			}
		}
		if stays() || !h.Bound(n) {
			t.Errorf("%q: one that is down", kind)
		}
		hint.Mark++
		if h.Bound(hint.Mark) {
			t.Errorf("%q: a number that stands for nobody", kind)
		}
		stays() // and is chosen for as usual
	}
}

func TestMarksTellNothingAndAreTheSameEverywhere(t *testing.T) {
	mark := func(key string, id model.UpstreamID) string {
		table := newTable(t, Config{AffinityKey: []byte(key)})
		up := upstreamOf(orders)
		up.ID, up.Affinity.Mode = id, model.Persistent
		h := acquire(t, table, up)
		table.give("a", orders, at("10.0.0.1:80"))
		return pick(t, h).Mark()
	}
	plain, keyed := mark("", "a"), mark("k", "a")
	if plain != mark("", "a") || keyed != mark("k", "a") {
		t.Error("two processes make different marks")
	}
	if plain == keyed || plain == mark("", "b") {
		t.Error("key and upstream make no difference")
	}
}
