package upstream

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"paifang/internal/model"
)

// kinds are those that divide requests.
var kinds = []model.BalanceKind{model.RoundRobin, model.LeastRequests, model.PeakEWMA, model.RingHash, model.Maglev}

// balanced is an upstream of the list orders with a balance.
func balanced(kind model.BalanceKind) *model.Upstream {
	up := upstreamOf(orders)
	up.Balance.Kind = kind
	if kind.Hashes() {
		up.Balance.Hash = []model.HashPart{{From: model.HashHeader, Name: "X-User"}}
	}
	return up
}

// some are n endpoints of these weights, which are used in turn.
func some(n int, weights ...model.Weight) []model.Endpoint {
	out := make([]model.Endpoint, n)
	for i := range out {
		out[i] = at(fmt.Sprintf("10.0.%d.%d:80", i/250, i%250))
		if len(weights) > 0 {
			out[i].Weight = weights[i%len(weights)]
		}
	}
	return out
}

func given(t *testing.T, up *model.Upstream, es ...model.Endpoint) (*Table, *Handle) {
	t.Helper()
	table := newTable(t, Config{})
	h := acquire(t, table, up)
	table.give("a", orders, es...)
	return table, h
}

func key(i int) Hint { return Hint{Key: NewKey().Add(strconv.Itoa(i)), Keyed: true} }

// owners returns which address each of n keys goes to.
func owners(t *testing.T, h *Handle, n int) []netip.AddrPort {
	t.Helper()
	out := make([]netip.AddrPort, n)
	for i := range out {
		e, err := h.Pick(key(i))
		if err != nil {
			t.Fatal(err)
		}
		e.Done(Abandoned)
		out[i] = e.Addr
	}
	return out
}

func counts(of []netip.AddrPort) map[netip.AddrPort]int {
	out := map[netip.AddrPort]int{}
	for _, a := range of {
		out[a]++
	}
	return out
}

func TestIdleEndpointsHaveTheirShares(t *testing.T) {
	const n = 40000
	for _, kind := range kinds {
		t.Run("balance "+string(kind), func(t *testing.T) {
			_, h := given(t, balanced(kind), some(5, 500, 1000, 3000)...)
			got := map[netip.AddrPort]int{}
			for i := range n {
				e, err := h.Pick(key(i))
				if err != nil {
					t.Fatal(err)
				}
				e.Done(Abandoned)
				got[e.Addr]++
			}
			sum := 0.0
			for _, c := range h.Candidates() {
				sum += c.Share
				// A binomial count is off by more than five standard deviations once in a million times.
				off := 5 * math.Sqrt(n*c.Share*(1-c.Share))
				if d := math.Abs(float64(got[c.Addr]) - n*c.Share); d > off {
					t.Errorf("%v has %d of %d, want %.0f", c.Addr, got[c.Addr], n, n*c.Share)
				}
			}
			if math.Abs(sum-1) > 1e-9 || len(got) != 5 {
				t.Errorf("shares add up to %v over %d endpoints", sum, len(got))
			}
			// What is shown must be what the weights say: exactly, or as even as a hash is.
			for i, c := range h.Candidates() {
				want := []float64{500, 1000, 3000, 500, 1000}[i] / 6000
				slack := map[model.BalanceKind]float64{model.RingHash: 0.3, model.Maglev: 0.02}[kind]
				if math.Abs(c.Share-want) > want*slack+1e-9 {
					t.Errorf("%v has the share %.4f, want %.4f", c.Addr, c.Share, want)
				}
			}
		})
	}
}

// TestLeastRequestsPrefersTheLessLoaded: with two endpoints both are always looked at.
func TestLeastRequestsPrefersTheLessLoaded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := []model.Weight{model.Weight(rapid.IntRange(1, 5000).Draw(rt, "w0")), model.Weight(rapid.IntRange(1, 5000).Draw(rt, "w1"))}
		_, h := given(t, balanced(model.LeastRequests), some(2, w...)...)
		var load [2]int64
		for range rapid.IntRange(1, 60).Draw(rt, "n") {
			e, err := h.Pick(Hint{})
			if err != nil {
				rt.Fatal(err)
			}
			i := int(e.Addr.Addr().As4()[3])
			if mine, other := load[i]*int64(w[1-i]), load[1-i]*int64(w[i]); mine > other {
				rt.Fatalf("loads %v of weights %v: endpoint %d was chosen", load, w, i)
			}
			load[i]++
		}
	})
}

// TestLeastRequestsKeepsLoadsEven: requests that end at random leave loads in proportion to the weights.
func TestLeastRequestsKeepsLoadsEven(t *testing.T) {
	_, h := given(t, balanced(model.LeastRequests), some(4, 1000, 2000)...)
	var flying []*Endpoint
	for i := range 20000 {
		if len(flying) == 300 {
			j := (i * 7919) % len(flying)
			flying[j].Done(Succeeded)
			flying[j] = flying[len(flying)-1]
			flying = flying[:len(flying)-1]
		}
		e, err := h.Pick(Hint{})
		if err != nil {
			t.Fatal(err)
		}
		flying = append(flying, e)
	}
	for _, s := range h.Snapshot().Endpoints {
		want := float64(300*s.Weight.Thousandths()) / 6000
		if math.Abs(float64(s.InFlight)-want) > 8 {
			t.Errorf("%v has %d in flight, want about %.0f", s.Addr, s.InFlight, want)
		}
	}
}

func TestPeakEWMA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Config{})
		defer table.Close()
		up := balanced(model.PeakEWMA)
		up.Balance.Decay = 10 * time.Second
		h := table.Acquire(up)
		defer h.Release()
		table.give("a", orders, some(2)...)
		share := func(n int) float64 {
			first := 0
			for range n {
				e := pick(t, h)
				if e.Addr.Addr().As4()[3] == 0 {
					first++
				}
			}
			return float64(first) / float64(n)
		}
		if s := share(2000); math.Abs(s-0.5) > 0.07 {
			t.Errorf("nothing is known of either: one has %v", s)
		}
		// One of which nothing is known gets one request at a time.
		a, _ := h.Pick(Hint{})
		b, _ := h.Pick(Hint{})
		if a.Same(b) {
			t.Error("a second request went to an endpoint that had not answered the first")
		}
		measure := func(e *Endpoint, took time.Duration) {
			if !e.Measured() {
				t.Fatal("it is not measured")
			}
			e.Observe(took)
		}
		slow, fast := a, b
		measure(slow, 100*time.Millisecond)
		measure(fast, 10*time.Millisecond)
		a.Done(Succeeded)
		b.Done(Succeeded)
		if e := pick(t, h); !e.Same(fast) {
			t.Error("the slow one was chosen")
		}
		// Ten times as fast is worth nine more requests in flight, not ten.
		var flying []*Endpoint
		for e, _ := h.Pick(Hint{}); e.Same(fast); e, _ = h.Pick(Hint{}) {
			flying = append(flying, e)
		}
		if len(flying) < 9 || len(flying) > 10 {
			t.Errorf("the fast one had %d in flight when the slow one was chosen", len(flying))
		}
		// A peak is believed at once, what is fast again with time.
		measure(fast, time.Second)
		if got := latency(h, fast); got != time.Second {
			t.Errorf("after a peak the latency is %v", got)
		}
		time.Sleep(10 * time.Second)
		measure(fast, 0)
		if got := latency(h, fast).Seconds(); math.Abs(got-1/math.E) > 0.01 {
			t.Errorf("after one time constant and a fast answer the latency is %v s", got)
		}
		// What nobody asks is forgotten, so that it is asked again.
		time.Sleep(200 * time.Second)
		if got := latency(h, slow); got > time.Microsecond {
			t.Errorf("after 20 time constants the latency is %v", got)
		}
	})
}

func latency(h *Handle, e *Endpoint) time.Duration {
	for _, s := range h.Snapshot().Endpoints {
		if s.Addr == e.Addr {
			return s.Latency
		}
	}
	return -1
}

// TestHashesMoveLittle: an endpoint that goes moves its own keys alone, or nearly; one that comes back takes the same ones.
func TestHashesMoveLittle(t *testing.T) {
	const keys = 20000
	for _, kind := range []model.BalanceKind{model.RingHash, model.Maglev} {
		for _, weights := range [][]model.Weight{{1000}, {1000, 3000, 500}} {
			t.Run(fmt.Sprint(kind, weights), func(t *testing.T) {
				es := some(12, weights...)
				table, h := given(t, balanced(kind), es...)
				before := owners(t, h, keys)
				for gone := range es {
					table.give("a", orders, slices.Delete(slices.Clone(es), gone, gone+1)...)
					after := owners(t, h, keys)
					moved, had := 0, 0
					for i := range before {
						if before[i] == es[gone].Addr {
							had++
						} else if before[i] != after[i] {
							moved++
						}
					}
					// The ring moves no other key at all. The table may move a few, since turns are taken anew.
					if most := map[model.BalanceKind]int{model.RingHash: 0, model.Maglev: keys * 4 / 100}[kind]; moved > most {
						t.Errorf("without %d, which had %d keys, %d others moved", gone, had, moved)
					}
					for addr, n := range counts(after) {
						if n > 2*keys*3/11 && len(weights) == 1 {
							t.Errorf("without %d, %v has %d keys of %d", gone, addr, n, keys)
						}
					}
				}
				table.give("a", orders, es...)
				if after := owners(t, h, keys); !slices.Equal(after, before) {
					t.Error("the same endpoints, and other owners")
				}
			})
		}
	}
}

// TestDownMovesAsGone: an endpoint that is down leaves its keys as one that is gone does, also before the next picker.
func TestDownMovesAsGone(t *testing.T) {
	for _, kind := range []model.BalanceKind{model.RingHash, model.Maglev} {
		es := some(8)
		_, h := given(t, balanced(kind), es...)
		before := owners(t, h, 5000)
		down := pick(t, h)
		down.live.down.Store(true)
		at := owners(t, h, 5000)
		down.live.down.Store(false)
		down.live.connectFailed(CodeConnectRefused)
		after := owners(t, h, 5000)
		moved := 0
		for i := range before {
			if at[i] == down.Addr || after[i] == down.Addr {
				t.Fatalf("%s: key %d goes to an endpoint that is down", kind, i)
			}
			if before[i] != down.Addr && (at[i] != before[i] || kind == model.RingHash && after[i] != before[i]) {
				moved++
			}
		}
		if moved > 0 {
			t.Errorf("%s: %d keys of others moved", kind, moved)
		}
	}
}

// TestRingsAreTheSameHoweverTheyCameAbout: a ring made from an older one is the ring made from nothing.
func TestRingsAreTheSameHoweverTheyCameAbout(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table, h := given(t, balanced(model.RingHash))
		for step := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			var es []model.Endpoint
			for i := range 12 {
				if w := rapid.SampledFrom([]model.Weight{model.WeightNone, model.WeightNone, 1000, 1000, 1000, 2500, 100}).Draw(rt, "w"); w != model.WeightNone {
					es = append(es, weighed(at(fmt.Sprintf("10.0.0.%d:80", i)), w))
				}
			}
			if len(es) == 0 {
				continue
			}
			table.give("a", orders, es...)
			grown := h.picker.Load().ready
			made := newRing(grown.endpoints, grown.weights, nil)
			if !slices.Equal(grown.ring.hashes, made.hashes) || !slices.Equal(grown.ring.owners, made.owners) {
				rt.Fatalf("step %d: the ring differs", step)
			}
		}
	})
}

// TestKeysGoWhereTheyAlwaysWent: other processes and other releases must agree.
func TestKeysGoWhereTheyAlwaysWent(t *testing.T) {
	for kind, want := range map[model.BalanceKind]string{model.RingHash: "324204143123", model.Maglev: "204002413030"} {
		_, h := given(t, balanced(kind), some(5)...)
		got := ""
		for _, a := range owners(t, h, 12) {
			got += strconv.Itoa(int(a.Addr().As4()[3]))
		}
		if got != want {
			t.Errorf("%s: keys go to %s, want %s", kind, got, want)
		}
	}
}

func TestRequestsWithoutAKeyTakeTurns(t *testing.T) {
	for _, kind := range []model.BalanceKind{model.RingHash, model.Maglev} {
		_, h := given(t, balanced(kind), some(4)...)
		if got := picks(t, h, 40); len(got) != 4 || got["10.0.0.0:80"] != 10 {
			t.Errorf("%s: got %v", kind, got)
		}
	}
}

// TestRetriesFollowTheRing: a key that is tried again goes where it would go without the first, each time to another.
func TestRetriesFollowTheRing(t *testing.T) {
	for _, kind := range kinds {
		_, h := given(t, balanced(kind), some(3)...)
		hint := key(7)
		seen := map[netip.AddrPort]bool{}
		for range 3 {
			e, err := h.Pick(hint)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			e.Done(Abandoned)
			seen[e.Addr] = true
			hint.Tried = append(hint.Tried, e)
		}
		if len(seen) != 3 {
			t.Errorf("%s: %d endpoints in three tries", kind, len(seen))
		}
		if _, err := h.Pick(hint); err != ErrAllTried {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

type parts map[model.HashPart]string

func (p parts) KeyPart(k Key, part *model.HashPart) (Key, bool) {
	v, ok := p[*part]
	return k.Add(v), ok
}

func TestKeysAreMadeOfParts(t *testing.T) {
	a, b := model.HashPart{From: model.HashHeader, Name: "a"}, model.HashPart{From: model.HashCookie, Name: "b"}
	up := balanced(model.RingHash)
	up.Balance.Hash = []model.HashPart{a, {From: model.HashText, Text: "-"}, b}
	_, h := given(t, up, some(3)...)
	seen := map[Key]string{}
	for name, p := range map[string]parts{"x,y": {a: "x", b: "y"}, "xy,": {a: "xy", b: ""}, ",xy": {a: "", b: "xy"}, "y,x": {a: "y", b: "x"}, "x": {a: "x"}, "/x": {b: "x"}} {
		k, ok := h.Key(p)
		if !ok || seen[k] != "" {
			t.Errorf("%s has a key %v, as has %q", name, ok, seen[k])
		}
		seen[k] = name
	}
	if _, ok := h.Key(parts{}); ok {
		t.Error("nothing of a request is a key")
	}
	_, plain := given(t, balanced(model.RoundRobin), some(3)...)
	if _, ok := plain.Key(parts{a: "x"}); ok {
		t.Error("round robin has keys")
	}
}

func TestPeekTellsTheTruth(t *testing.T) {
	for _, kind := range kinds {
		_, h := given(t, balanced(kind), some(3, 1000, 2000)...)
		next, err := h.Peek(4)
		if err != nil {
			t.Fatal(err)
		}
		if kind.Chance() {
			if len(next) != 0 {
				t.Errorf("%s: chance decides, and %v was promised", kind, next)
			}
			continue
		}
		again, _ := h.Peek(4)
		for i, want := range next {
			if got := pick(t, h); !got.Same(want) || !again[i].Same(want) {
				t.Errorf("%s: pick %d is %v, want %v", kind, i, got.Addr, want.Addr)
			}
		}
	}
	_, h := given(t, balanced(model.LeastRequests), some(1)...)
	if next, err := h.Peek(1); err != nil || len(next) != 1 {
		t.Errorf("there is only one, and it is not told: %v, %v", next, err)
	}
}

func TestBigRingsAreBounded(t *testing.T) {
	_, h := given(t, balanced(model.RingHash), some(2000, 1000, 50000)...)
	r := h.picker.Load().ready.ring
	if n := len(r.hashes); n > mostPoints || n < mostPoints/4 {
		t.Errorf("a ring of %d points", n)
	}
	if r.counts[1] < 45*r.counts[0] || r.counts[1] > 55*r.counts[0] {
		t.Errorf("weights 50 and 1 have %d and %d points", r.counts[1], r.counts[0])
	}
}

func TestNoBalanceAllocates(t *testing.T) {
	for _, kind := range append(slices.Clone(kinds), model.SameEndpoint) {
		for _, weights := range [][]model.Weight{nil, {1000, 2000, 500}} {
			up := balanced(kind)
			up.Limits.EndpointConnections = 10
			up.Affinity.Mode = model.Persistent
			_, h := given(t, up, some(3, weights...)...)
			mark, err := strconv.ParseUint(pick(t, h).Mark(), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			var tried [3]*Endpoint
			source := KeySource(parts{{From: model.HashHeader, Name: "X-User"}: "u"})
			n := testing.AllocsPerRun(1000, func() {
				k, ok := h.Key(source)
				e, err := h.Pick(Hint{Key: k, Keyed: ok})
				if err != nil {
					t.Fatal(err)
				}
				e.Observe(time.Millisecond)
				tried[0] = e
				f, err := h.Pick(Hint{Tried: tried[:1], Key: k, Keyed: ok, Mark: mark, Marked: true})
				if err != nil {
					t.Fatal(err)
				}
				e.Done(GatewayError)
				f.Done(Succeeded)
			})
			if n != 0 {
				t.Errorf("%q, weights %v: %v allocations", kind, weights, n)
			}
		}
	}
}

func BenchmarkBalances(b *testing.B) {
	for _, kind := range kinds {
		b.Run("kind="+string(kind), func(b *testing.B) {
			table := NewTable(Config{})
			defer table.Close()
			h := table.Acquire(balanced(kind))
			defer h.Release()
			table.give("a", orders, some(100, 1000, 2000)...)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e, err := h.Pick(Hint{Key: Key(i), Keyed: true})
				if err != nil {
					b.Fatal(err)
				}
				e.Done(Succeeded)
			}
		})
	}
}

// BenchmarkBalanceChange is the time from a source's word to the new picker, by balance.
func BenchmarkBalanceChange(b *testing.B) {
	for _, kind := range kinds {
		for _, n := range []int{10, 1000} {
			b.Run(fmt.Sprintf("kind=%s/n=%d", kind, n), func(b *testing.B) {
				table := NewTable(Config{})
				defer table.Close()
				h := table.Acquire(balanced(kind))
				defer h.Release()
				table.give("a", orders, some(n, 1000, 2000)...)
				one := at("10.9.0.1:80")
				for i := 0; b.Loop(); i++ {
					one.State = model.EndpointState(i % 2)
					table.give("b", orders, one)
				}
			})
		}
	}
}
