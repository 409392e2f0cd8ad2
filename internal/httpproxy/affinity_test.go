package httpproxy

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
)

// named is an upstream that answers with its name.
func named(t testing.TB, name string) *recorder {
	return newRecorder(t, saying(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name)))
}

// group is a stand with an upstream of named endpoints.
func group(t testing.TB, up model.Upstream, n int) (*stand, []*recorder) {
	s := newStand(t, nil)
	var recs []*recorder
	for i := range n {
		recs = append(recs, named(t, string(rune('a'+i))))
	}
	s.members("u", recs...)
	up.ID = "u"
	s.over("all", "/", up)
	s.publish()
	return s, recs
}

func (s *stand) members(list string, recs ...*recorder) {
	var addrs []string
	for _, r := range recs {
		addrs = append(addrs, r.Addr().String())
	}
	s.list(list, addrs...)
}

func TestHashKeys(t *testing.T) {
	for name, c := range map[string]struct {
		part   model.HashPart
		a, b   string // two requests that differ in the part
		unlike string // one that differs from a in everything else
	}{
		"header": {model.HashPart{From: model.HashHeader, Name: "x-user"}, get("/", "X-User: %d"), get("/", "X-User: b%d"), get("/other?x=1", "X-User: %d", "Cookie: a=1")},
		"cookie": {model.HashPart{From: model.HashCookie, Name: "user"}, get("/", "Cookie: a=b; user=%d"), get("/", "Cookie: user=b%d"), get("/other", "Cookie: user=\"%d\"")},
		"query":  {model.HashPart{From: model.HashQuery, Name: "user"}, get("/?a=b&user=%d"), get("/?user=b%d"), get("/other?user=%d&x=y")},
		"path":   {model.HashPart{From: model.HashPath}, get("/p%d?a=b"), get("/q%d?a=b"), get("//p%d?c=d")},
		"URI":    {model.HashPart{From: model.HashURI}, get("/p?a=%d"), get("/p?b=%d"), get("//p?a=%d", "X-User: b")},
		"host":   {model.HashPart{From: model.HashHost}, "GET / HTTP/1.1\r\nHost: h%d.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: i%d.test\r\n\r\n", "GET /p HTTP/1.1\r\nHost: H%d.test:8080\r\n\r\n"},
	} {
		for _, kind := range []model.BalanceKind{model.RingHash, model.Maglev} {
			t.Run(fmt.Sprint(name, " ", kind), func(t *testing.T) {
				s, _ := group(t, model.Upstream{Balance: model.Balance{Kind: kind, Hash: []model.HashPart{c.part}}}, 4)
				client := s.dial()
				ask := func(text string, i int) string {
					return client.send(strings.Replace(text, "%d", fmt.Sprint(i), 1)).receive("GET").body
				}
				differ, used := 0, map[string]bool{}
				for i := range 40 {
					a := ask(c.a, i)
					used[a] = true
					if again, other := ask(c.a, i), ask(c.unlike, i); a != again || a != other {
						t.Fatalf("request %d goes to %s, %s and %s", i, a, again, other)
					}
					if ask(c.b, i) != a {
						differ++
					}
				}
				if differ < 15 || len(used) != 4 {
					t.Errorf("%d of 40 other keys go elsewhere; used are %d endpoints", differ, len(used))
				}
			})
		}
	}
}

func TestHashBySource(t *testing.T) {
	s, _ := group(t, model.Upstream{Balance: model.Balance{Kind: model.Maglev, Hash: []model.HashPart{{From: model.HashClient}}}}, 4)
	seen := map[string]bool{}
	for range 12 {
		seen[s.dial().send(get("/")).receive("GET").body] = true
	}
	if len(seen) != 1 {
		t.Errorf("one client on several connections goes to %v", seen)
	}
}

var persistentCookie = regexp.MustCompile(`^sid=([0-9a-f]{16}); Path=/; HttpOnly; SameSite=Lax$`)

func TestPersistentAffinity(t *testing.T) {
	s, recs := group(t, model.Upstream{Affinity: model.Affinity{Mode: model.Persistent, Cookie: "sid"}}, 3)
	c := s.dial()
	first := c.send(get("/")).receive("GET")
	m := persistentCookie.FindStringSubmatch(first.head["set-cookie"])
	if m == nil {
		t.Fatalf("the cookie is %q", first.head["set-cookie"])
	}
	for i, rec := range recs {
		addr := rec.Addr().(*net.TCPAddr).AddrPort()
		for what, text := range map[string]string{"address": addr.String(), "hex": hex.EncodeToString(addr.Addr().AsSlice()), "port": fmt.Sprintf("%04x", addr.Port())} {
			if strings.Contains(m[1], text) {
				t.Errorf("the cookie has the %s of endpoint %d: %q", what, i, m[1])
			}
		}
	}
	bound := func(more ...string) reply {
		return c.send(get("/", append(more, "Cookie: x=y; sid="+m[1])...)).receive("GET")
	}
	for range 10 {
		if r := bound(); r.body != first.body || r.head["set-cookie"] != "" {
			t.Fatalf("bound to %s: %+v", first.body, r)
		}
		c.send(get("/")).receive("GET") // others take their turns
	}
	for _, junk := range []string{"sid=", "sid=zzzzzzzzzzzzzzzz", "sid=" + m[1] + "-00000000", "sid=0000000000000000", "SID=" + m[1], "sid"} {
		if r := c.send(get("/", "Cookie: "+junk)).receive("GET"); persistentCookie.FindString(r.head["set-cookie"]) == "" {
			t.Errorf("%q binds to %+v", junk, r)
		}
	}
	// An endpoint that fails is stood in for, and the client goes back when it is up again.
	i := int(first.body[0] - 'a')
	recs[i].stop()
	for range 3 {
		if r := bound(); r.body == first.body || r.head["set-cookie"] != "" {
			t.Errorf("while its endpoint is down: %+v", r)
		}
	}
	// One that is gone is replaced for good.
	rest := append(append([]*recorder{}, recs[:i]...), recs[i+1:]...)
	s.members("u", rest...)
	if r := bound(); persistentCookie.FindString(r.head["set-cookie"]) == "" {
		t.Errorf("after its endpoint went: %+v", r)
	}
}

func TestAffinityThatMoves(t *testing.T) {
	for _, mode := range []model.AffinityMode{model.Persistent, model.Balanced} {
		s, recs := group(t, model.Upstream{Affinity: model.Affinity{Mode: mode, Cookie: "sid", Move: true}}, 3)
		c := s.dial()
		first := c.send(get("/")).receive("GET")
		value := func(r reply) string {
			v, _, _ := strings.Cut(strings.TrimPrefix(r.head["set-cookie"], "sid="), ";")
			return v
		}
		old := value(first)
		recs[first.body[0]-'a'].stop()
		moved := c.send(get("/", "Cookie: sid="+old)).receive("GET")
		if moved.body == first.body || value(moved) == "" || value(moved) == old {
			t.Fatalf("%s: %+v, then %+v", mode, first, moved)
		}
		for range 5 {
			if r := c.send(get("/", "Cookie: sid="+value(moved))).receive("GET"); r.body != moved.body || r.head["set-cookie"] != "" {
				t.Errorf("%s: after it moved to %s: %+v", mode, moved.body, r)
			}
		}
	}
}

func TestBalancedAffinity(t *testing.T) {
	s, recs := group(t, model.Upstream{Affinity: model.Affinity{Mode: model.Balanced, Cookie: "sid"}}, 4)
	c := s.dial()
	at := map[string]string{} // by cookie
	for range 40 {
		r := c.send(get("/")).receive("GET")
		v, rest, _ := strings.Cut(strings.TrimPrefix(r.head["set-cookie"], "sid="), "; ")
		if len(v) != 25 || rest != "Path=/; HttpOnly; SameSite=Lax" {
			t.Fatalf("the cookie is %q", r.head["set-cookie"])
		}
		at[v] = r.body
	}
	used := map[string]int{}
	for v, where := range at {
		used[where]++
		if r := c.send(get("/", "Cookie: sid="+v)).receive("GET"); r.body != where || r.head["set-cookie"] != "" {
			t.Errorf("bound to %s: %+v", where, r)
		}
	}
	if len(used) != 4 {
		t.Errorf("40 clients are bound to %v", used)
	}
	// Without one of four its clients alone move.
	s.members("u", recs[1:]...)
	for v, where := range at {
		r := c.send(get("/", "Cookie: sid="+v)).receive("GET")
		if r.body == "a" || where != "a" && r.body != where {
			t.Errorf("bound to %s: %+v", where, r)
		}
	}
	if r := c.send(get("/", "Cookie: sid=0123456789abcdef-00000000")).receive("GET"); r.head["set-cookie"] == "" {
		t.Error("another upstream's cookie binds")
	}
}

func TestAffinityCookieAttributes(t *testing.T) {
	for _, c := range []struct {
		a    model.Affinity
		want string
	}{
		{model.Affinity{}, `^paifang-[0-9a-f]{8}=[0-9a-f]{16}; Path=/; HttpOnly; SameSite=Lax$`},
		{model.Affinity{Cookie: "s", Path: "/shop", Domain: "shop.test", MaxAge: 90 * time.Minute, SameSite: "None", Secure: "Always", Scripts: true},
			`^s=[0-9a-f]{16}; Path=/shop; Domain=shop.test; Max-Age=5400; Secure; SameSite=None$`},
	} {
		c.a.Mode = model.Persistent
		s, _ := group(t, model.Upstream{Affinity: c.a}, 2)
		r := s.dial().send(get("/", "X-Forwarded-Proto: https")).receive("GET")
		if !regexp.MustCompile(c.want).MatchString(r.head["set-cookie"]) {
			t.Errorf("got %q, want %s", r.head["set-cookie"], c.want)
		}
	}
}

// TestClientsStayWithTheirTarget: a route that divides its requests leaves bound clients where they are.
func TestClientsStayWithTheirTarget(t *testing.T) {
	for _, mode := range []model.AffinityMode{model.Persistent, model.Balanced} {
		s := newStand(t, nil)
		s.members("old", named(t, "a"), named(t, "b"))
		s.members("new", named(t, "c"), named(t, "d"))
		s.route("all", "/", "old", func(r *model.Route) {
			r.Action = model.Forward{Targets: []model.Target{{Upstream: "old", Weight: 1}, {Upstream: "new", Weight: 1}}}
		})
		for _, up := range s.routes[0].Upstreams {
			up.Affinity = model.Affinity{Mode: mode, Cookie: "sid"}
		}
		s.publish()
		c := s.dial()
		seen := map[string]bool{}
		for range 30 {
			first := c.send(get("/")).receive("GET")
			seen[first.body] = true
			v, _, _ := strings.Cut(first.head["set-cookie"], ";")
			for range 3 {
				if r := c.send(get("/", "Cookie: "+v)).receive("GET"); r.body != first.body {
					t.Fatalf("%s: bound to %s: %+v", mode, first.body, r)
				}
			}
		}
		if len(seen) != 4 {
			t.Errorf("%s: 30 clients went to %v", mode, seen)
		}
	}
}

// Lanes decide for clients that a cookie keeps, too, where the route says so; the cookie decides in place of chance.
func TestCookiesAsDraws(t *testing.T) {
	for _, mode := range []model.AffinityMode{model.Persistent, model.Balanced} {
		s := newStand(t, nil)
		s.members("old", named(t, "a"), named(t, "b"))
		s.members("new", named(t, "c"), named(t, "d"))
		s.route("all", "/", "old", func(r *model.Route) {
			r.Action = model.Forward{LaneOrder: model.CookieAsDraws, Targets: []model.Target{{Upstream: "old", Weight: 1}, {Upstream: "new"}}, Lanes: []model.Lane{
				{Target: "new", From: model.LaneHeader, Field: "X-Gray", Present: true}, {Target: "new", From: model.LaneShare, Share: 0, Of: 100},
			}}
		})
		for _, up := range s.routes[0].Upstreams {
			up.Affinity = model.Affinity{Mode: mode, Cookie: "sid"}
		}
		s.publish()
		c := s.dial()
		cookie := func(r reply) string {
			v, _, _ := strings.Cut(r.head["set-cookie"], ";")
			return "Cookie: " + v
		}
		isNew := func(r reply) bool { return r.body == "c" || r.body == "d" }
		first := c.send(get("/")).receive("GET")
		tested := c.send(get("/", cookie(first), "X-Gray: 1")).receive("GET")
		if isNew(first) || !isNew(tested) || tested.head["set-cookie"] == "" {
			t.Fatalf("%s: %+v, then in the lane %+v", mode, first, tested)
		}
		if again := c.send(get("/", cookie(tested), "X-Gray: 1")).receive("GET"); again.body != tested.body {
			t.Errorf("%s: in the lane %s, and then %s", mode, tested.body, again.body)
		}
		back := c.send(get("/", cookie(tested))).receive("GET")
		if isNew(back) || back.head["set-cookie"] == "" {
			t.Errorf("%s: out of the lane %+v", mode, back)
		}
	}
}

func TestLimitsOfAnUpstream(t *testing.T) {
	for name, c := range map[string]struct {
		l    model.Limits
		want string
	}{
		"requests":             {model.Limits{Requests: 2}, "request-limit"},
		"connections":          {model.Limits{Connections: 2}, "request-limit"},
		"endpoint connections": {model.Limits{EndpointConnections: 2}, "request-limit"},
		"pending":              {model.Limits{Requests: 2, Pending: 1, Wait: time.Minute}, "pending-limit"},
	} {
		t.Run(name, func(t *testing.T) {
			hold := make(chan struct{})
			var once sync.Once
			rec := newRecorder(t, func(conn net.Conn, r *bufio.Reader) {
				for {
					if _, err := readRequest(r); err != nil {
						return
					}
					<-hold
					io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			})
			t.Cleanup(func() { once.Do(func() { close(hold) }) })
			s := newStand(t, nil)
			s.members("u", rec)
			s.over("all", "/", model.Upstream{ID: "u", Limits: c.l})
			s.publish()
			busy := []*client{s.dial().send(get("/")), s.dial().send(get("/"))}
			eventually(t, func() bool { return len(rec.requests()) == 2 })
			if c.l.Pending > 0 {
				busy = append(busy, s.dial().send(get("/")))
				h, _ := s.table.Find("u")
				eventually(t, func() bool { return h.Snapshot().Pending == 1 })
			}
			began := time.Now()
			r := s.dial().send(get("/")).receive("GET")
			if !strings.HasPrefix(r.status, "HTTP/1.1 503") || r.head["x-paifang-reason"] != c.want || time.Since(began) > 5*time.Second {
				t.Errorf("%+v", r)
			}
			once.Do(func() { close(hold) })
			for _, b := range busy {
				if r := b.receive("GET"); r.body != "ok" {
					t.Errorf("%+v", r)
				}
			}
			for range 5 {
				if r := busy[0].send(get("/")).receive("GET"); r.body != "ok" {
					t.Errorf("afterwards: %+v", r)
				}
			}
			if n := rec.connections(); n > 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func TestPendingTimesOut(t *testing.T) {
	rec := newRecorder(t, slow(""))
	s := newStand(t, nil)
	s.members("u", rec)
	s.over("all", "/", model.Upstream{ID: "u", Limits: model.Limits{Requests: 1, Pending: 5, Wait: 50 * time.Millisecond}})
	s.publish()
	s.dial().send(get("/"))
	eventually(t, func() bool { return len(rec.requests()) == 1 })
	r := s.dial().send(get("/")).receive("GET")
	if !strings.HasPrefix(r.status, "HTTP/1.1 503") || r.head["x-paifang-reason"] != "pending-timeout" {
		t.Errorf("%+v", r)
	}
}

// TestArmedRequestsDoNotAllocate: everything that an upstream and a route can have, as long as nothing goes wrong.
func TestArmedRequestsDoNotAllocate(t *testing.T) {
	n := 10_000
	armed := func(kind model.BalanceKind) model.Upstream {
		up := model.Upstream{ID: "u", Balance: model.Balance{Kind: kind}, Zones: model.ZonePreference{Prefer: true}, SlowStart: model.SlowStart{Window: time.Hour},
			Ejection: model.Ejection{GatewayErrors: 5, ServerErrors: 5, SuccessRate: model.SuccessRate{On: true}},
			Limits:   model.Limits{Connections: 1000, EndpointConnections: 500, Requests: 400, Pending: 100, Retries: 10}}
		if kind.Hashes() {
			up.Balance.Hash = []model.HashPart{{From: model.HashClient}, {From: model.HashQuery, Name: "a"}, {From: model.HashURI}, {From: model.HashCookie, Name: "c"}}
		}
		return up
	}
	kinds := []model.BalanceKind{model.LeastRequests, model.PeakEWMA, model.RingHash, model.Maglev}
	_, load := remote(t, func(s *stand, _ *Config) {
		for _, kind := range kinds {
			s.over(string(kind), "/"+string(kind), armed(kind), func(r *model.Route) {
				r.Timeouts.Request = time.Minute
				r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Retry: model.Retry{
					On: []model.RetryOn{model.RetryReset, model.RetryTimeout, model.RetryServer}, PerTry: 10 * time.Second, Statuses: []model.StatusRange{{From: 404, To: 404}}}}
			})
		}
	})
	for _, kind := range kinds {
		load(16, 1600, "/"+string(kind)+"/42?a=b") // warm up
		gc := debug.SetGCPercent(-1)
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		load(16, n, "/"+string(kind)+"/42?a=b")
		runtime.ReadMemStats(&after)
		debug.SetGCPercent(gc)
		each := float64(after.Mallocs-before.Mallocs) / float64(n)
		t.Logf("%s: %.4f allocations per request", kind, each)
		if each >= 0.1 && !raceEnabled {
			t.Errorf("%s: %.4f allocations per request", kind, each)
		}
	}
}

// TestSlowEndpointsGetLess: the engine measures where latency decides.
func TestSlowEndpointsGetLess(t *testing.T) {
	s := newStand(t, nil)
	slowOne := newRecorder(t, func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			time.Sleep(30 * time.Millisecond)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
		}
	})
	s.members("u", slowOne, named(t, "fast"))
	s.over("all", "/", model.Upstream{ID: "u", Balance: model.Balance{Kind: model.PeakEWMA}})
	s.publish()
	c := s.dial()
	got := map[string]int{}
	for range 100 {
		got[c.send(get("/")).receive("GET").body]++
	}
	if got["slow"] == 0 || got["slow"] > 5 {
		t.Errorf("got %v", got)
	}
}
