package upstream

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"paifang/internal/model"
)

// TestScheduleIsFair: after any number of turns every endpoint has had its share, off by less than one.
func TestScheduleIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 60), 2, 20).Draw(t, "weights")
		order := schedule(weights)
		if order == nil {
			for _, w := range weights {
				if w != weights[0] {
					t.Fatal("no order for different weights")
				}
			}
			return
		}
		total := 0
		for _, w := range weights {
			total += w
		}
		if total%len(order) != 0 {
			t.Fatalf("a period of %d does not fit weights that add up to %d", len(order), total)
		}
		count := make([]int, len(weights))
		for k := range 2 * len(order) {
			count[order[k%len(order)]]++
			for i, w := range weights {
				if off := float64(count[i]) - float64((k+1)*w)/float64(total); math.Abs(off) >= 1 {
					t.Fatalf("after %d turns endpoint %d of weight %d is off by %v", k+1, i, w, off)
				}
			}
		}
	})
}

func TestLongSchedulesAreBounded(t *testing.T) {
	weights := make([]int, 300)
	total := 0
	for i := range weights {
		weights[i] = 100003 + i*997
		total += weights[i]
	}
	order := schedule(weights)
	if len(order) < 3000 || len(order) > 6000 {
		t.Fatalf("a schedule of %d turns", len(order))
	}
	count := make([]int, len(weights))
	for _, i := range order {
		count[i]++
	}
	for i, w := range weights {
		if want := float64(w) / float64(total) * float64(len(order)); math.Abs(float64(count[i])-want) > 1 {
			t.Errorf("endpoint %d has %d turns, want %.1f", i, count[i], want)
		}
	}
	if n := len(schedule([]int{1, 1 << 30})); n > 2*longestOrder {
		t.Errorf("a schedule of %d turns", n)
	}
}

func TestWeights(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders, weighed(at("10.0.0.1:80"), 3000), at("10.0.0.2:80"), weighed(at("10.0.0.3:80"), model.WeightNone))
	if got, want := picks(t, h, 400), map[string]int{"10.0.0.1:80": 300, "10.0.0.2:80": 100}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTriedAreLeftOutAndTakeNoTurn(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders, at("10.0.0.1:80"), at("10.0.0.2:80"), at("10.0.0.3:80"))
	a := pick(t, h)
	b := pick(t, h, a)
	c := pick(t, h, a, b)
	if a.Same(b) || a.Same(c) || b.Same(c) {
		t.Errorf("got %v, %v, %v: want three", a.Addr, b.Addr, c.Addr)
	}
	wantErr(t, h, ErrAllTried, a, b, c)
	pick(t, h, a, b)
	if next := pick(t, h); next.Addr.String() != "10.0.0.2:80" {
		t.Errorf("the next turn is that of %v", next.Addr)
	}
	table.give("a", orders, weighed(at("10.0.0.1:80"), 500), at("10.0.0.2:80"))
	for range 6 {
		if got := pick(t, h, a); got.Addr.String() != "10.0.0.2:80" {
			t.Errorf("an endpoint whose weight changed is tried again: %v", got.Addr)
		}
	}
}

func TestOwnObservationNeverTakesOutTheLast(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders, at("10.0.0.1:80"), at("10.0.0.2:80"))
	a, b := pick(t, h), pick(t, h)
	a.live.connectFailed(CodeConnectRefused)
	if got := picks(t, h, 100); got[a.Addr.String()] != 0 {
		t.Errorf("chosen after it refused: %v", got)
	}
	b.live.connectFailed(CodeConnectRefused)
	if got, want := picks(t, h, 100), map[string]int{"10.0.0.1:80": 50, "10.0.0.2:80": 50}; !maps.Equal(got, want) {
		t.Errorf("with all down: got %v, want %v", got, want)
	}
	wantErr(t, h, ErrAllTried, a, b)
	if a.Up() || h.Snapshot().Endpoints[0].Down != CodeConnectRefused {
		t.Error("it does not show as down")
	}
	// In the moment before the new picker is there.
	table.give("a", orders, at("10.0.0.3:80"))
	c := pick(t, h)
	c.live.down.Store(true)
	pick(t, h)
}

func TestDrainingBeforeAnyway(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders, at("10.0.0.1:80"), in(model.Draining, at("10.0.0.2:80")))
	a := pick(t, h)
	a.live.connectFailed(CodeConnectRefused)
	d := pick(t, h)
	if d.State != model.Draining {
		t.Fatalf("got %v, want the draining one", d.Addr)
	}
	d.live.connectFailed(CodeConnectRefused)
	if got := pick(t, h); !got.Same(a) {
		t.Errorf("with both down: got %v, want the ready one", got.Addr)
	}
	table.give("a", orders, in(model.Draining, at("10.0.0.2:80")))
	if got := pick(t, h); !got.Same(d) {
		t.Errorf("with one draining and down: got %v", got.Addr)
	}
}

func TestTheSourcesWordBringsAnEndpointBack(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	both := []model.Endpoint{at("10.0.0.1:80"), at("10.0.0.2:80")}
	table.give("a", orders, both...)
	a := pick(t, h)
	down := func() bool { return !h.Snapshot().Endpoints[0].Up }
	a.live.connectFailed(CodeConnectRefused)
	table.give("a", orders, both...)
	if !down() {
		t.Error("the same words again brought it back")
	}
	table.give("a", orders, weighed(both[0], 2000), both[1])
	if down() {
		t.Error("a change did not bring it back")
	}
	pick(t, h).live.connectFailed(CodeConnectRefused)
	table.give("a", orders, in(model.Unhealthy, both[0]), both[1])
	table.give("a", orders, both...)
	if down() {
		t.Error("becoming ready did not bring it back")
	}
}

func TestFailedConnectCountsInEveryList(t *testing.T) {
	table := newTable(t, Config{})
	other := model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/order"}
	h := acquire(t, table, upstreamOf(orders))
	up := upstreamOf(other)
	up.ID, up.Dial.From = "lb/order", netip.MustParseAddr("127.0.0.1")
	g := acquire(t, table, up)
	table.give("a", orders, at("10.0.0.1:80"), at("10.0.0.2:80"))
	table.give("b", other, at("10.0.0.1:80"), at("10.0.0.2:80"))
	pick(t, h).live.connectFailed(CodeConnectRefused)
	if got := picks(t, g, 10); got["10.0.0.2:80"] != 10 {
		t.Errorf("the other upstream: got %v", got)
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, weights := range [][]model.Weight{{0, 0, 0}, {1000, 2000, 500}} {
		h := benchHandle(t, weights)
		var tried [3]*Endpoint
		n := testing.AllocsPerRun(1000, func() {
			e, err := h.Pick(Hint{})
			if err != nil {
				t.Fatal(err)
			}
			tried[0] = e
			f, err := h.Pick(Hint{Tried: tried[:1]})
			if err != nil {
				t.Fatal(err)
			}
			e.Done(Succeeded)
			f.Done(Failed)
		})
		if n != 0 {
			t.Errorf("weights %v: %v allocations per pick", weights, n)
		}
	}
}

func benchHandle(t testing.TB, weights []model.Weight) *Handle {
	table := NewTable(Config{})
	t.Cleanup(table.Close)
	h := table.Acquire(upstreamOf(orders))
	t.Cleanup(h.Release)
	var es []model.Endpoint
	for i, w := range weights {
		es = append(es, weighed(at(fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)), w))
	}
	table.give("a", orders, es...)
	return h
}

func BenchmarkPick(b *testing.B) {
	h := benchHandle(b, []model.Weight{1000, 2000, 500})
	b.ReportAllocs()
	for b.Loop() {
		e, err := h.Pick(Hint{})
		if err != nil {
			b.Fatal(err)
		}
		e.Done(Succeeded)
	}
}

// BenchmarkChange is the time from a source's word to the new picker, of lists of 10 and 1,000.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := benchHandle(b, make([]model.Weight, n))
			one := at("10.9.0.1:80")
			for i := 0; b.Loop(); i++ {
				one.State = model.EndpointState(i % 2)
				h.table.give("b", orders, one)
			}
		})
	}
}
