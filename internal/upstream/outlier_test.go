package upstream

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"paifang/internal/model"
)

// listening is an address that takes connections and does nothing with them.
func listening(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// trial is an upstream in a bubble of fake time, whose endpoints take connections.
type trial struct {
	t     *testing.T
	table *Table
	h     *Handle
	lives []*Endpoint // sorted by address
}

func try(t *testing.T, n int, change func(*model.Upstream), run func(*trial)) {
	t.Helper()
	addrs := make([]netip.AddrPort, n)
	for i := range addrs {
		addrs[i] = listening(t)
	}
	synctest.Test(t, func(t *testing.T) {
		x := &trial{t: t, table: NewTable(Config{RetryFirst: time.Hour, RetryMax: time.Hour})}
		up := upstreamOf(orders)
		change(up)
		x.h = x.table.Acquire(up)
		defer func() { x.h.Release(); x.table.Close() }()
		x.give(addrs)
		x.lives = x.h.picker.Load().members
		run(x)
	})
}

func (x *trial) give(addrs []netip.AddrPort) {
	es := make([]model.Endpoint, len(addrs))
	for i, a := range addrs {
		es[i].Addr = a
	}
	x.table.give("a", orders, es...)
}

// ends has requests to an endpoint end.
func (x *trial) ends(i int, results ...Result) {
	for _, r := range results {
		x.lives[i].live.inFlight.Add(1)
		x.lives[i].live.requests.Add(1)
		x.lives[i].Done(r)
	}
}

func times(n int, r ...Result) (out []Result) {
	for range n {
		out = append(out, r...)
	}
	return out
}

func (x *trial) status(i int) EndpointStatus { return x.h.Snapshot().Endpoints[i] }

func (x *trial) out() (n int) {
	for _, e := range x.h.Snapshot().Endpoints {
		if !e.Up {
			n++
		}
	}
	return n
}

func TestFailuresInARowEject(t *testing.T) {
	try(t, 3, func(*model.Upstream) {}, func(x *trial) {
		x.ends(0, times(4, Failed)...)
		x.ends(0, Succeeded)
		x.ends(0, times(4, Failed)...)
		x.ends(0, Abandoned, Broken, Failed)
		if s := x.status(0); s.Up || s.Down != CodeEjectedFailures || s.Ejections != 1 || time.Until(s.Ejected) != 30*time.Second {
			t.Errorf("after five failures in a row: %+v", s)
		}
		if got := picks(t, x.h, 10); got[x.lives[0].Addr.String()] != 0 {
			t.Errorf("an ejected endpoint was chosen: %v", got)
		}
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		if x.status(0).Up {
			t.Error("it came back too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if s := x.status(0); !s.Up || !s.Ejected.IsZero() {
			t.Errorf("it did not come back: %+v", s)
		}
	})
}

func TestStatusesEjectOnlyIfAsked(t *testing.T) {
	mix := []Result{ServerError, GatewayError, Failed, ServerError, GatewayError}
	for _, c := range []struct {
		name    string
		e       model.Ejection
		results []Result
		want    model.Code
	}{
		{"default", model.Ejection{}, times(50, mix...), ""},
		{"off", model.Ejection{Off: true}, times(50, Failed), ""},
		{"failures off", model.Ejection{Failures: -1, GatewayErrors: 6}, times(5, Failed), ""},
		{"more failures", model.Ejection{Failures: 7}, times(6, Failed), ""},
		{"gateway", model.Ejection{GatewayErrors: 3}, []Result{GatewayError, Failed, GatewayError}, CodeEjectedGateway},
		{"gateway and 500 between", model.Ejection{GatewayErrors: 3}, []Result{GatewayError, Failed, ServerError, GatewayError, Failed}, ""},
		{"5xx", model.Ejection{ServerErrors: 5}, mix, CodeEjectedServer},
		{"5xx and 200 between", model.Ejection{ServerErrors: 5}, append(append([]Result{}, mix[:4]...), Succeeded, ServerError), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			try(t, 2, func(up *model.Upstream) { up.Ejection = c.e }, func(x *trial) {
				x.ends(0, c.results...)
				if s := x.status(0); s.Down != c.want || s.Up != (c.want == "") {
					t.Errorf("got %q", s.Down)
				}
			})
		})
	}
}

func TestEjectionsAreBounded(t *testing.T) {
	for _, c := range []struct{ n, percent, want int }{{1, 0, 0}, {1, 100, 0}, {2, 0, 1}, {2, 100, 2}, {3, 34, 1}, {19, 0, 1}, {20, 0, 2}, {10, 50, 5}} {
		try(t, c.n, func(up *model.Upstream) { up.Ejection.Percent = c.percent }, func(x *trial) {
			for i := range c.n {
				x.ends(i, times(20, Failed)...)
			}
			want := c.want
			if c.n == 1 && c.percent == 100 {
				want = 1 // all that there is may go: a pick ignores own observation then
			}
			if got := x.out(); got != want {
				t.Errorf("%d endpoints, %d %%: %d are ejected, want %d", c.n, c.percent, got, want)
			}
			pick(t, x.h)
		})
	}
}

func TestEjectionsGrowAndAreForgotten(t *testing.T) {
	change := func(up *model.Upstream) {
		up.Ejection = model.Ejection{Base: 10 * time.Second, Most: 25 * time.Second, Interval: time.Minute}
	}
	try(t, 2, change, func(x *trial) {
		eject := func(want time.Duration) {
			x.ends(0, times(5, Failed)...)
			if got := time.Until(x.status(0).Ejected); got != want {
				t.Errorf("ejected for %v, want %v", got, want)
			}
			time.Sleep(want)
			synctest.Wait()
		}
		eject(10 * time.Second)
		eject(20 * time.Second)
		eject(25 * time.Second)
		time.Sleep(2 * time.Minute) // two are forgotten, of three
		eject(20 * time.Second)
		time.Sleep(time.Hour)
		eject(10 * time.Second)
	})
}

func TestTheSourcesWordEndsAnEjection(t *testing.T) {
	try(t, 2, func(*model.Upstream) {}, func(x *trial) {
		x.ends(0, times(5, Failed)...)
		es := []model.Endpoint{weighed(x.lives[0].Endpoint, 2000), x.lives[1].Endpoint}
		x.table.give("a", orders, x.lives[0].Endpoint, x.lives[1].Endpoint)
		if x.status(0).Up {
			t.Error("the same words again ended it")
		}
		x.table.give("a", orders, es...)
		if !x.status(0).Up {
			t.Error("it is still ejected after its source said something new")
		}
	})
}

// TestAnEjectedEndpointThatIsGoneIsDown: it comes back when it takes connections, and not after a time.
func TestAnEjectedEndpointThatIsGoneIsDown(t *testing.T) {
	addr, other := freeAddr(t), listening(t)
	table := newTable(t, Config{RetryFirst: 5 * time.Millisecond, RetryMax: 5 * time.Millisecond})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders, model.Endpoint{Addr: addr}, model.Endpoint{Addr: other})
	for _, e := range h.picker.Load().members {
		if e.Addr == addr {
			for range 5 {
				e.live.inFlight.Add(1)
				e.Done(Failed)
			}
		}
	}
	find := func() EndpointStatus {
		for _, s := range h.Snapshot().Endpoints {
			if s.Addr == addr {
				return s
			}
		}
		return EndpointStatus{}
	}
	eventually(t, "it is down and not ejected", func() bool {
		s := find()
		return s.Down == CodeConnectRefused && s.Ejected.IsZero() && s.Ejections == 1
	})
	serve(t, addr.String(), func(c *net.TCPConn) { c.Close() })
	eventually(t, "it is back", func() bool { return find().Up })
}

func TestEjectionIsSharedByUpstreamsOfOneKind(t *testing.T) {
	try(t, 2, func(*model.Upstream) {}, func(x *trial) {
		another := upstreamOf(orders)
		another.ID, another.Balance.Kind = "another", model.LeastRequests
		g := x.table.Acquire(another)
		defer g.Release()
		other := upstreamOf(orders)
		other.ID, other.Ejection.Off = "other", true
		o := x.table.Acquire(other)
		defer o.Release()
		x.ends(0, times(5, Failed)...)
		if g.Snapshot().Endpoints[0].Up || !o.Snapshot().Endpoints[0].Up {
			t.Errorf("want it out of one and in the other")
		}
	})
}

func TestSuccessRates(t *testing.T) {
	change := func(up *model.Upstream) {
		up.Ejection = model.Ejection{ServerErrors: 0, Percent: 50, SuccessRate: model.SuccessRate{On: true, Requests: 10}}
	}
	try(t, 6, change, func(x *trial) {
		interval := func(bad ...int) int {
			for i, n := range bad {
				x.ends(i, times(n, ServerError)...)
				x.ends(i, times(100-n, Succeeded)...)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			return x.out()
		}
		interval(0, 0, 0, 0, 0, 0) // the first interval is for comparison
		if n := interval(2, 3, 1, 2, 4, 3); n != 0 {
			t.Errorf("%d are ejected for being a little worse", n)
		}
		if n := interval(2, 3, 60, 2, 4, 3); n != 1 || x.status(2).Down != CodeEjectedRate {
			t.Errorf("%d are ejected, and the bad one is %+v", n, x.status(2))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := interval(60, 60, 60, 60, 60, 60); n != 0 {
			t.Errorf("%d are ejected though all are alike", n)
		}
		x.ends(0, times(9, ServerError)...)
		x.ends(1, times(9, Succeeded)...)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := x.out(); n != 0 {
			t.Errorf("%d are ejected for a few requests", n)
		}
	})
}

// TestStreaksAreCountedApart compares the packed counts with three plain ones.
func TestStreaksAreCountedApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s streak
		f, g, v := 0, 0, 0
		for range rapid.IntRange(1, 50).Draw(t, "n") {
			r := rapid.SampledFrom([]Result{Succeeded, Failed, ServerError, GatewayError}).Draw(t, "r")
			if r == Succeeded {
				s.end()
				f, g, v = 0, 0, 0
				continue
			}
			f, g, v = f+1, g+1, v+1
			if r != Failed {
				f = 0
			}
			if r == ServerError {
				g = 0
			}
			if a, b, c := s.add(r); a != f || b != g || c != v {
				t.Fatalf("got %d, %d, %d; want %d, %d, %d", a, b, c, f, g, v)
			}
		}
	})
}
