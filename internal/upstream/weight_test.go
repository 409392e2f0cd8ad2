package upstream

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/model"
)

func shareOf(h *Handle, addr string) float64 {
	for _, c := range h.Candidates() {
		if c.Addr.String() == addr {
			return c.Share
		}
	}
	return 0
}

func TestSlowStart(t *testing.T) {
	for _, kind := range []model.BalanceKind{model.RoundRobin, model.LeastRequests, model.PeakEWMA} {
		synctest.Test(t, func(t *testing.T) {
			table := NewTable(Config{})
			defer table.Close()
			up := balanced(kind)
			up.SlowStart = model.SlowStart{Window: 32 * time.Second}
			h := table.Acquire(up)
			defer h.Release()
			table.give("a", orders, at("10.0.0.1:80"))
			time.Sleep(time.Hour)
			table.give("a", orders, at("10.0.0.1:80"), at("10.0.0.2:80"))
			weight := func() float64 { s := shareOf(h, "10.0.0.2:80"); return s / (1 - s) }
			last := 0.0
			for s := range 33 {
				want := max(0.1, float64(s)/32)
				got := weight()
				// Pickers are made anew each sixteenth of the window.
				if got > want+0.01 || got < want-2.0/32-0.01 || got < last {
					t.Errorf("%q: after %d s it has %.3f of its weight, want about %.3f", kind, s, got, want)
				}
				last = got
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if w := weight(); w != 1 {
				t.Errorf("%q: after the window it has %.3f of its weight", kind, w)
			}
			table.mu.Lock()
			if len(table.warming) != 0 {
				t.Error("it is still warming")
			}
			table.mu.Unlock()
		})
	}
}

func TestSlowStartAggressionAndMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Config{})
		defer table.Close()
		up := upstreamOf(orders)
		up.SlowStart = model.SlowStart{Window: 100 * time.Second, Aggression: 200, Minimum: 40}
		h := table.Acquire(up)
		defer h.Release()
		now := time.Now()
		for _, c := range []struct {
			age  time.Duration
			want int
		}{{0, 400}, {9 * time.Second, 400}, {25 * time.Second, 500}, {64 * time.Second, 800}, {100 * time.Second, 1000}, {time.Hour, 1000}} {
			e := at("10.0.0.1:80")
			e.Since = now.Add(-c.age)
			table.give("a", orders, at("10.0.0.9:80"), e)
			for i, x := range h.picker.Load().ready.endpoints {
				if x.Addr == e.Addr && h.picker.Load().ready.weights[i] != c.want {
					t.Errorf("at the age of %v its weight is %d, want %d", c.age, h.picker.Load().ready.weights[i], c.want)
				}
			}
		}
		// A registry whose clock is an hour ahead does not make an endpoint new for an hour.
		e := at("10.0.0.2:80")
		e.Since = now.Add(time.Hour)
		table.give("a", orders, at("10.0.0.9:80"), e)
		time.Sleep(101 * time.Second)
		synctest.Wait()
		if s := shareOf(h, "10.0.0.2:80"); s != 0.5 {
			t.Errorf("its share is %v", s)
		}
	})
}

func TestWhatComesBackStartsSlowly(t *testing.T) {
	try(t, 2, func(up *model.Upstream) { up.SlowStart.Window = 100 * time.Second }, func(x *trial) {
		addr := x.lives[0].Addr.String()
		time.Sleep(time.Hour)
		synctest.Wait()
		x.ends(0, times(5, Failed)...)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if s := shareOf(x.h, addr); math.Abs(s-0.1/1.1) > 0.001 {
			t.Errorf("just back its share is %v", s)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if s := shareOf(x.h, addr); math.Abs(s-0.5/1.5) > 0.03 {
			t.Errorf("half way its share is %v", s)
		}
	})
}

// TestWhatItsSourceGivesBackStartsSlowly: what a registry or an operator has taken out is new when it is back, and what was in doubt is not.
func TestWhatItsSourceGivesBackStartsSlowly(t *testing.T) {
	one, two := at("10.0.0.1:80"), at("10.0.0.2:80")
	for name, c := range map[string]struct {
		out  model.Endpoint
		want float64 // its share 25 s after it is back
	}{
		"unhealthy":   {in(model.Unhealthy, two), 0.25 / 1.25},
		"disabled":    {in(model.Disabled, two), 0.25 / 1.25},
		"draining":    {in(model.Draining, two), 0.25 / 1.25},
		"weight 0":    {weighed(two, model.WeightNone), 0.25 / 1.25},
		"in doubt":    {in(model.LastResort, two), 0.5},
		"less weight": {weighed(two, 500), 0.5},
	} {
		synctest.Test(t, func(t *testing.T) {
			table := NewTable(Config{})
			defer table.Close()
			up := upstreamOf(orders)
			up.SlowStart.Window = 100 * time.Second
			h := table.Acquire(up)
			defer h.Release()
			table.give("a", orders, one, two)
			time.Sleep(time.Hour)
			table.give("a", orders, one, c.out)
			time.Sleep(2 * time.Second)
			table.give("a", orders, one, two)
			time.Sleep(20 * time.Second)
			renamed := two // what else changes does not matter
			renamed.Name = "order-2"
			table.give("a", orders, one, renamed)
			time.Sleep(5 * time.Second)
			table.give("a", orders, one, two)
			if s := shareOf(h, two.Addr.String()); math.Abs(s-c.want) > 0.001 {
				t.Errorf("%s: its share is %.3f, want %.3f", name, s, c.want)
			}
		})
	}
}

// TestOnlyLateComersAreNew: what is there when the process starts is not, in however many pieces it is told.
func TestOnlyLateComersAreNew(t *testing.T) {
	table := newTable(t, Config{})
	since := func(addr string) bool {
		l, _ := table.List(orders)
		for _, e := range l.Endpoints {
			if e.Addr.String() == addr {
				return !e.Since.IsZero()
			}
		}
		t.Fatalf("%s is not there", addr)
		return false
	}
	table.give("slice-1", orders, at("10.0.0.1:80"))
	table.give("slice-2", orders, at("10.0.0.2:80"))
	if since("10.0.0.1:80") || since("10.0.0.2:80") {
		t.Error("the first listing is new")
	}
	table.give("slice-2", orders, at("10.0.0.2:80"), at("10.0.0.3:80"))
	table.MarkKnown(model.KeeperKubernetes)
	table.give("slice-3", orders, at("10.0.0.4:80"), at("10.0.0.1:80"))
	if !since("10.0.0.3:80") || !since("10.0.0.4:80") || since("10.0.0.1:80") || since("10.0.0.2:80") {
		l, _ := table.List(orders)
		t.Errorf("got %+v", l.Endpoints)
	}
	table.give("slice-2", orders, at("10.0.0.2:80"))
	table.give("slice-2", orders, at("10.0.0.2:80"), at("10.0.0.3:80"))
	if !since("10.0.0.3:80") || len(table.lists[orders].joined) != 2 {
		t.Errorf("joined: %v", table.lists[orders].joined)
	}
}

// zoned are n endpoints of a zone.
func zoned(zone string, n int) (out []model.Endpoint) {
	for i := range n {
		e := at(fmt.Sprintf("10.%d.0.%d:80", zone[0], i))
		e.Zone = zone
		out = append(out, e)
	}
	return out
}

// zoneShares adds up the shares by zone. Addresses begin with 10 and the zone's letter.
func zoneShares(h *Handle) map[string]float64 {
	out := map[string]float64{}
	for _, c := range h.Candidates() {
		out[string(rune(c.Addr.Addr().As4()[1]))] += c.Share
	}
	return out
}

func TestOwnZoneFirst(t *testing.T) {
	for _, kind := range kinds {
		table := newTable(t, Config{Zone: "a"})
		up := balanced(kind)
		up.Zones.Prefer = true
		h := acquire(t, table, up)
		near := zoned("a", 10)
		table.give("near", orders, near...)
		table.give("far", orders, zoned("b", 4)...)
		slack := map[model.BalanceKind]float64{model.RingHash: 0.05}[kind] + 0.01
		down := map[netip.Addr]bool{}
		for n := range 10 {
			// While 7 of 10 are up all stay; then up ÷ 7 do.
			want := min(1, float64(10-n)/7)
			if got := zoneShares(h)["a"]; math.Abs(got-want) > slack {
				t.Errorf("%q: with %d down %.3f stay, want %.3f", kind, n, got, want)
			}
			stays := 0
			for i := range 2000 {
				e, err := h.Pick(key(i))
				if err != nil {
					t.Fatal(err)
				}
				e.Done(Abandoned)
				if e.Zone == "a" {
					stays++
				}
				if down[e.Addr.Addr()] {
					t.Fatalf("%q: one that is down was chosen", kind)
				}
			}
			if got := float64(stays) / 2000; math.Abs(got-want) > slack+0.06 {
				t.Errorf("%q: with %d down %.3f of the requests stay, want %.3f", kind, n, got, want)
			}
			for _, e := range h.picker.Load().members {
				if e.Addr == near[n].Addr {
					down[e.Addr.Addr()] = true
					e.live.connectFailed(CodeConnectRefused)
				}
			}
		}
		if got := zoneShares(h); got["b"] < 0.999 {
			t.Errorf("%q: with none up in the own zone: %v", kind, got)
		}
	}
}

func TestZonesAreTheOtherTriesRefuge(t *testing.T) {
	table := newTable(t, Config{Zone: "a"})
	up := upstreamOf(orders)
	up.Zones = model.ZonePreference{Prefer: true}
	h := acquire(t, table, up)
	table.give("x", orders, append(zoned("a", 1), append(zoned("b", 1), in(model.Draining, at("10.0.0.9:80")))...)...)
	a := pick(t, h)
	b := pick(t, h, a)
	if a.Zone != "a" || b.Zone != "b" {
		t.Errorf("got %q, then %q", a.Zone, b.Zone)
	}
	if d := pick(t, h, a, b); d.State != model.Draining {
		t.Errorf("got %v", d.Addr)
	}
}

// TestOwnClusterAmongTheZone: a cluster comes first among the own zone, and where nobody of both is up the zone does. Zones are compared
// whatever their case, clusters as they are.
func TestOwnClusterAmongTheZone(t *testing.T) {
	one := func(addr, zone, cluster string) model.Endpoint {
		e := at(addr)
		e.Zone, e.Cluster = zone, cluster
		return e
	}
	both, zone, cluster, other := one("10.0.0.1:80", "EAST", "SH"), one("10.0.0.2:80", "east", "BJ"), one("10.0.0.3:80", "west", "SH"), one("10.0.0.4:80", "west", "sh")
	for name, c := range map[string]struct {
		z    model.ZonePreference
		all  []model.Endpoint
		want []model.Endpoint
	}{
		"both":            {model.ZonePreference{Prefer: true, Enough: 1, Own: "East", Cluster: "SH"}, []model.Endpoint{both, zone, cluster, other}, []model.Endpoint{both}},
		"the zone alone":  {model.ZonePreference{Prefer: true, Enough: 1, Own: "East", Cluster: "SH"}, []model.Endpoint{zone, cluster, other}, []model.Endpoint{zone}},
		"none in zone":    {model.ZonePreference{Prefer: true, Enough: 1, Own: "East", Cluster: "SH"}, []model.Endpoint{cluster, other}, []model.Endpoint{cluster}},
		"neither":         {model.ZonePreference{Prefer: true, Enough: 1, Own: "East", Cluster: "SH"}, []model.Endpoint{other}, []model.Endpoint{other}},
		"cluster alone":   {model.ZonePreference{Cluster: "SH"}, []model.Endpoint{both, zone, cluster, other}, []model.Endpoint{both, cluster}},
		"zone as written": {model.ZonePreference{Prefer: true, Enough: 1, Own: "EAST"}, []model.Endpoint{both, zone, cluster, other}, []model.Endpoint{both, zone}},
	} {
		up := upstreamOf(orders)
		up.Zones = c.z
		_, h := given(t, up, c.all...)
		got, want := picks(t, h, 12), map[string]int{}
		for _, e := range c.want {
			want[e.Addr.String()] = 12 / len(c.want)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestNoZonePreference(t *testing.T) {
	for name, c := range map[string]struct {
		zone  string
		z     model.ZonePreference
		es    []model.Endpoint
		wantA float64
	}{
		"not preferred":       {"a", model.ZonePreference{}, append(zoned("a", 1), zoned("b", 3)...), 0.25},
		"own zone not known":  {"", model.ZonePreference{Prefer: true}, append(zoned("a", 1), zoned("b", 3)...), 0.25},
		"too few in own zone": {"a", model.ZonePreference{Prefer: true, Least: 2}, append(zoned("a", 1), zoned("b", 3)...), 0.25},
		"none in own zone":    {"c", model.ZonePreference{Prefer: true}, append(zoned("a", 1), zoned("b", 3)...), 0.25},
		"none in others":      {"a", model.ZonePreference{Prefer: true}, zoned("a", 3), 1},
	} {
		table := newTable(t, Config{Zone: c.zone})
		up := upstreamOf(orders)
		up.Zones = c.z
		h := acquire(t, table, up)
		table.give("x", orders, c.es...)
		if got := zoneShares(h)["a"]; math.Abs(got-c.wantA) > 1e-9 {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestPanic(t *testing.T) {
	table := newTable(t, Config{})
	up := upstreamOf(orders)
	up.Balance.Panic = 50
	h := acquire(t, table, up)
	es := some(4)
	gone := []model.Endpoint{in(model.Unhealthy, at("10.0.9.1:80")), in(model.Disabled, at("10.0.9.2:80")), in(model.Draining, at("10.0.9.3:80")), weighed(at("10.0.9.4:80"), model.WeightNone)}
	table.give("a", orders, append(es, gone...)...)
	members := h.picker.Load().members
	for i, want := range []int{3, 2, 4, 4} { // chosen among after i+1 are down
		members[i].live.connectFailed(CodeConnectRefused)
		got := picks(t, h, 40)
		if len(got) != want {
			t.Errorf("with %d of 4 down: %v", i+1, got)
		}
		for addr := range got {
			if strings.HasPrefix(addr, "10.0.9.") {
				t.Errorf("with %d of 4 down one was chosen that its source took out: %v", i+1, addr)
			}
		}
		if n := len(h.Candidates()); n != want {
			t.Errorf("with %d of 4 down there are %d candidates", i+1, n)
		}
	}
}

// TestPreferredTag: a request that names a value goes where the tag has it, while somebody there is up; all others go to all.
func TestPreferredTag(t *testing.T) {
	for _, kind := range kinds {
		table := newTable(t, Config{})
		up := balanced(kind)
		up.Prefer = model.TagPreference{Tag: "hint", Header: "X-SC-LB-Hint"}
		h := acquire(t, table, up)
		tagged := func(addr, value string) model.Endpoint {
			e := at(addr)
			e.Tags = model.Tags{{Name: "hint", Value: value}}
			return e
		}
		table.give("x", orders, at("10.0.0.1:80"), tagged("10.0.0.2:80", "blue"), tagged("10.0.0.3:80", "blue"), tagged("10.0.0.4:80", "red"))
		count := func(part string) map[string]int {
			got := map[string]int{}
			for i := range 400 {
				hint := key(i)
				hint.Part = part
				e, err := h.Pick(hint)
				if err != nil {
					t.Fatal(err)
				}
				e.Done(Abandoned)
				got[e.Addr.String()]++
			}
			return got
		}
		if got := count("blue"); got["10.0.0.2:80"]+got["10.0.0.3:80"] != 400 || got["10.0.0.2:80"] == 0 || got["10.0.0.3:80"] == 0 {
			t.Errorf("%q: blue: %v", kind, got)
		}
		if got := count("red"); got["10.0.0.4:80"] != 400 {
			t.Errorf("%q: red: %v", kind, got)
		}
		for _, part := range []string{"", "green"} {
			if got := count(part); len(got) != 4 {
				t.Errorf("%q: %q: %v", kind, part, got)
			}
		}
		for _, e := range h.picker.Load().members {
			if e.Addr.String() == "10.0.0.4:80" {
				e.live.connectFailed(CodeConnectRefused)
			}
		}
		if got := count("red"); len(got) != 3 {
			t.Errorf("%q: red once it is down: %v", kind, got)
		}
	}
}

func TestZoneOfItsOwn(t *testing.T) {
	table := newTable(t, Config{Zone: "a"})
	up := upstreamOf(orders)
	up.Zones = model.ZonePreference{Prefer: true, Own: "b"}
	h := acquire(t, table, up)
	table.give("x", orders, append(zoned("a", 2), zoned("b", 2)...)...)
	for range 8 {
		if e := pick(t, h); e.Zone != "b" {
			t.Errorf("got %q", e.Zone)
		}
	}
}
