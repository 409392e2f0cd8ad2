package httpproxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/upstream"
)

// found returns a row of counts.
func found[T any](t *testing.T, all []T, is func(T) bool) T {
	t.Helper()
	for _, x := range all {
		if is(x) {
			return x
		}
	}
	t.Fatalf("it is not among %+v", all)
	panic("not reached")
}

func TestRequestsAreCounted(t *testing.T) {
	hold := make(chan struct{})
	s, _ := simple(t, func(c net.Conn, r *bufio.Reader) {
		for {
			q, err := readRequest(r)
			if err != nil {
				return
			}
			switch {
			case strings.Contains(q.line, "/missing"):
				io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
			case strings.Contains(q.line, "/slow"):
				<-hold
				fallthrough
			default:
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
			}
		}
	}, nil)
	s.list("dead", refusing(t), refusing(t))
	s.route("dead", "/dead", "dead")
	s.route("fixed", "/fixed", "", func(r *model.Route) { r.Action = model.Redirect{Status: 302, Location: "/"} })
	s.publish()
	c := s.dial()
	for _, path := range []string{"/", "/", "/missing", "/dead", "/fixed"} {
		c.send(get(path)).receive("GET")
	}
	c.send(post("/", "abc", "Content-Length: 3")).receive("POST")
	s.dial().send("GET / HTTP/1.1\r\n\r\n").receive("GET") // no Host
	s.last(7)
	slow := s.dial().send(get("/slow"))
	eventually(t, func() bool { return s.plane.ListenerCounts()[0].InFlight == 1 })
	close(hold)
	slow.receive("GET")
	s.last(8)
	eventually(t, func() bool { return s.plane.ListenerCounts()[0].InFlight == 0 })

	n := s.plane.Counts()
	all := found(t, n.Requests, func(r RequestCount) bool { return r.Route == "all" })
	if all != (RequestCount{"front", "all", "u", [6]uint64{2: 4, 4: 1}}) {
		t.Errorf("route all: %+v", all)
	}
	if x := found(t, n.Requests, func(r RequestCount) bool { return r.Route == "dead" }); x != (RequestCount{"front", "dead", "dead", [6]uint64{5: 1}}) {
		t.Errorf("route dead: %+v", x)
	}
	if x := found(t, n.Requests, func(r RequestCount) bool { return r.Route == "" }); x != (RequestCount{"front", "", "", [6]uint64{4: 1}}) {
		t.Errorf("no route: %+v", x)
	}
	u := found(t, n.Upstreams, func(u UpstreamCount) bool { return u.Upstream == "u" })
	if u.Requests() != 5 || u.In != 3 || u.Out != 4*5+2 || u.Kept+u.Dialled != 5 || u.Dialled < 1 || u.Kept < 3 || u.FirstByte.Count() != 5 || u.Failures != 0 {
		t.Errorf("upstream u: %+v", u)
	}
	if u.FirstByte.Sum <= 0 || u.FirstByte.Sum > u.Latency.Sum || u.Latency.Count() != 5 {
		t.Errorf("upstream u: %+v", u)
	}
	dead := found(t, n.Upstreams, func(u UpstreamCount) bool { return u.Upstream == "dead" })
	if dead.Retries[upstream.CodeConnectRefused] != 1 || dead.FirstByte.Count() != 0 || dead.Dialled != 2 || dead.Failures != 1 {
		t.Errorf("upstream dead: %+v", dead)
	}
	if n.Own[upstream.CodeConnectRefused] != 1 || n.Own[codeOfRoute] != 1 || len(n.Own) != 3 || len(n.Broken) != 0 {
		t.Errorf("own answers: %v, broken %v", n.Own, n.Broken)
	}
	front := s.plane.ListenerCounts()[0]
	if front.Listener != "front" || front.Requests() != 8 {
		t.Errorf("listener: %+v", front)
	}
	h, _ := s.table.Find("u")
	if a := h.Snapshot().Endpoints[0].Answers; a.Count != 5 || a.Refused != 1 || a.Errors != 0 || a.Latency <= 0 {
		t.Errorf("endpoint: %+v", a)
	}
}

func TestBrokenAnswersAndLostConnections(t *testing.T) {
	s, _ := simple(t, dying(1), nil)
	c := s.dial()
	for range 3 {
		c.send(get("/")).receive("GET")
	}
	s.last(3)
	u := found(t, s.plane.Counts().Upstreams, func(u UpstreamCount) bool { return u.Upstream == "u" })
	if u.Retries[codeKeptLost] != 2 || u.Kept != 2 || u.Dialled != 3 {
		t.Errorf("%+v", u)
	}
	broken, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"), func(_ *stand, cfg *Config) { cfg.Timeouts.ResponseBody = 50 * time.Millisecond })
	broken.dial().send(get("/")).receive("HEAD")
	broken.last(1)
	if n := broken.plane.Counts(); n.Broken[CodeUpstreamTimeout] != 1 || len(n.Own) != 0 {
		t.Errorf("own answers: %v, broken %v", n.Own, n.Broken)
	}
}

// A route that changes goes on with its counters; routes that there is no room for are one row, which never goes back.
func TestNamesAreBounded(t *testing.T) {
	const room = 3
	s := newStand(t, func(_ *stand, cfg *Config) { cfg.Series = room * seriesOfRoute })
	rec := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	s.list("u", rec.Addr().String())
	publish := func(ids ...int) {
		s.routes = nil
		for _, i := range ids {
			s.route(fmt.Sprint("r", i), fmt.Sprint("/", i), "u")
		}
		s.publish()
	}
	publish(1, 2, 3, 4, 5, 6)
	c := s.dial()
	total := 0
	ask := func(ids ...int) {
		for _, i := range ids {
			c.send(get(fmt.Sprint("/", i))).receive("GET")
			total++
		}
		s.last(total)
	}
	sum := func() (named, folded, all uint64) {
		n := s.plane.Counts()
		for _, r := range n.Requests {
			if r.Route == otherName {
				folded += r.Class[2]
			} else {
				named++
			}
			all += r.Class[2]
		}
		for i, id := range n.RouteIDs {
			if (id == otherName) && n.Routes[i].Requests() != folded {
				t.Errorf("%d requests of other routes, and %d durations", folded, n.Routes[i].Requests())
			}
		}
		return named, folded, all
	}
	ask(1, 2, 3, 4, 5, 6, 6)
	named, folded, all := sum()
	if named+folded > all+1 || named > room || folded < 7-room-1 || all != 7 {
		t.Errorf("%d routes have names, %d requests are of others, %d are counted", named, folded, all)
	}
	if n := s.plane.Counts(); n.FoldedRoutes < 3 || n.Requests[len(n.Requests)-1].Listener != "front" {
		t.Errorf("%d routes without a name", n.FoldedRoutes)
	}
	rows := s.plane.Routes()
	if x := found(t, rows, func(r RouteCount) bool { return r.Route == "r6" }); x.Requests != 2 {
		t.Errorf("without a name a route is not counted: %+v", x)
	}
	publish(1)
	eventually(t, func() bool { return len(s.plane.Routes()) == 2 })
	if _, now, _ := sum(); now != folded {
		t.Errorf("other routes had %d requests, and %d when they had gone", folded, now)
	}
	publish(1, 7, 8) // there is room again
	ask(7, 8)
	if named, now, _ := sum(); now != folded || named < 2 {
		t.Errorf("%d routes have names, %d requests are of others", named, now)
	}
	u := found(t, s.plane.Counts().Upstreams, func(u UpstreamCount) bool { return u.Upstream == "u" })
	if u.Requests() != 9 {
		t.Errorf("the upstream has %d requests, of which some came by routes that went; want 9", u.Requests())
	}
	if l := s.plane.ListenerCounts()[0]; l.Requests() != 9 {
		t.Errorf("the listener has %d requests, want 9", l.Requests())
	}
	s.routes = nil
	s.route(otherName, "/", "u") // a route of that very name
	s.publish()
	ask(1)
	n := 0
	for _, r := range s.plane.Counts().Requests {
		if r.Route == otherName {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d rows are named other", n)
	}
}

func TestUpstreamNamesAreBounded(t *testing.T) {
	var set counterSet
	set.begin(2 * seriesOfUpstream)
	l := set.listener("l")
	upstreams := map[string]*upstreamCounters{}
	for _, id := range []string{"a", "b", "c", "d"} {
		upstreams[id] = set.upstream(model.UpstreamID(id))
	}
	r := set.acquire("r")
	for _, id := range []string{"a", "b", "c", "d", "d"} {
		x := r.of(l, model.UpstreamID(id))
		x.counts.At(0).count(&counted{status: 200})
		x.upstream.retries.Add(0, "why")
	}
	rest := func() UpstreamCount {
		return found(t, set.read().Upstreams, func(u UpstreamCount) bool { return u.Upstream == otherName })
	}
	if n := rest(); n.Requests() != 3 || n.Retries["why"] != 3 || set.read().FoldedUpstreams != 2 {
		t.Errorf("%+v", n)
	}
	r.release()
	for _, id := range []string{"a", "c", "d"} {
		set.giveUpstream(upstreams[id])
	}
	if n := rest(); n.Requests() != 3 || n.Retries["why"] != 3 || set.read().FoldedUpstreams != 0 || len(set.upstreams) != 1 {
		t.Errorf("of upstreams that went: %+v", n)
	}
	if b := found(t, set.read().Upstreams, func(u UpstreamCount) bool { return u.Upstream == "b" }); b.Requests() != 1 {
		t.Errorf("what a route that went had sent to b is forgotten: %+v", b)
	}
}

// A listener that goes and comes back is one listener, as long as anybody remembers it.
func TestListenerComesBack(t *testing.T) {
	t.Parallel()
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), nil)
	all := s.listeners
	for i := range 3 {
		s.dial().send(get("/")).receive("GET")
		dialTo(t, s.addr("front")).send("GET / HTTP/1.1\r\n\r\n").receive("GET")
		s.last(2*i + 2)
		s.listeners = nil
		s.publish()
		eventually(t, func() bool { return len(s.plane.Listeners()) == 0 })
		s.listeners = all
		s.publish()
	}
	seen := map[string]bool{}
	for _, r := range s.plane.Counts().Requests {
		key := fmt.Sprint(r.Listener, " ", r.Route, " ", r.Upstream)
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	if n := len(s.plane.ListenerCounts()); n != 1 {
		t.Errorf("%d listeners are counted", n)
	}
	s.listeners, s.routes = nil, nil
	s.publish()
	eventually(t, func() bool {
		return len(s.plane.ListenerCounts()) == 0 && len(*s.plane.counters.none.series.Load()) == 0
	})
}

// Counting, reading and the coming and going of routes at once: no request is lost from its upstream.
func TestCountsAddUp(t *testing.T) {
	var set counterSet
	set.begin(10_000)
	l := set.listener("l")
	u := set.upstream("u")
	defer set.giveUpstream(u)
	const workers, each = 4, 5000
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			shard := set.shard()
			for i := range each {
				r := set.acquire(model.RouteID(fmt.Sprint("r", i%3)))
				l.enter(shard)
				r.of(l, "u").counts.At(shard).count(&counted{status: 200, latency: time.Millisecond, firstByte: time.Millisecond, kept: 1})
				r.release()
			}
		})
	}
	var last uint64
	for last < workers*each {
		n := set.read().Upstreams[0]
		if n.Requests() < last {
			t.Fatalf("it was %d and is %d", last, n.Requests())
		}
		last = n.Requests()
	}
	wg.Wait()
	if n := set.readListeners()[0]; n.Requests() != workers*each || n.Kept != workers*each || n.InFlight != 0 {
		t.Errorf("%+v", n)
	}
}

func TestHandshakesAreCounted(t *testing.T) {
	t.Parallel()
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), func(s *stand, cfg *Config) {
		cfg.Timeouts.Handshake = time.Second
		s.listeners = append(s.listeners, model.Listener{ID: "secure", Class: "web", Protocol: model.HTTPS, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	})
	at := s.addr("secure")
	cache := tls.NewLRUClientSessionCache(1)
	for range 2 {
		c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache, ServerName: "shop.test"})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, get("/", "Connection: close"))
		io.ReadAll(c)
		c.Close()
	}
	fail := func(cfg *tls.Config) {
		if c, err := tls.Dial("tcp", at, cfg); err == nil {
			c.Read(make([]byte, 1))
			c.Close()
			t.Fatal("the handshake succeeded")
		}
	}
	fail(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	fail(&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"none-of-ours"}})
	fail(&tls.Config{ServerName: "shop.test"}) // it does not like our certificate
	fail(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}})
	dialTo(t, at).send(get("/"))
	dialTo(t, at).Close()
	dialTo(t, at) // says nothing
	want := map[HandshakeFailure]uint64{FailedVersion: 1, FailedProtocol: 1, FailedAlert: 1, FailedCipher: 1, FailedNotTLS: 1, FailedClosed: 1, FailedTimeout: 1}
	var got ListenerCount
	eventually(t, func() bool {
		got = found(t, s.plane.ListenerCounts(), func(l ListenerCount) bool { return l.Listener == "secure" })
		return len(got.HandshakeFailures) == len(want) && got.Handshakes[0]+got.Handshakes[1] == 2
	})
	if fmt.Sprint(got.HandshakeFailures) != fmt.Sprint(want) || got.Handshakes[0]+got.Handshakes[1] != 2 || got.Handshakes[1] > 1 {
		t.Errorf("handshakes %v, failures %v, want %v", got.Handshakes, got.HandshakeFailures, want)
	}
	for text, want := range map[string]HandshakeFailure{"tls: client didn't provide a certificate": FailedCertificate, "something": FailedOther} {
		if f := handshakeFailure(errors.New(text)); f != want {
			t.Errorf("%s is %s", text, f)
		}
	}
	if f := handshakeFailure(fmt.Errorf("x: %w", &tls.CertificateVerificationError{Err: errors.New("no")})); f != FailedCertificate {
		t.Errorf("a certificate that is not accepted is %s", f)
	}
}

func TestStreamsAreCounted(t *testing.T) {
	var set counterSet
	set.begin(10)
	l := set.listener("l")
	l.stream(1)
	l.stream(2)
	l.reset(3)
	if n := set.readListeners()[0]; n.Streams != 2 || n.Resets != 1 {
		t.Errorf("%+v", n)
	}
}

// counting returns what a request is counted by, at its end.
func counting(set *counterSet) func(shard uint32) {
	l := set.listener("node-1/http")
	r := set.acquire("ingress/shop/web")
	for _, to := range []model.UpstreamID{"kubernetes/shop/order:80", "kubernetes/shop/order-canary:80"} {
		r.of(l, to)
	}
	n := &counted{status: 200, latency: 700 * time.Microsecond, firstByte: 600 * time.Microsecond, in: 10, out: 100, kept: 1}
	return func(shard uint32) {
		l.enter(shard)
		r.of(l, "kubernetes/shop/order-canary:80").counts.At(shard).count(n)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	var set counterSet
	set.begin(10_000)
	count := counting(&set)
	count(1)
	set.own.Add(1, CodeNoRoute)
	if n := testing.AllocsPerRun(1000, func() {
		count(1)
		set.own.Add(1, CodeNoRoute)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkCount is everything that metrics cost a request, on all processors at once: each op is a thousand requests, since
// the counters of the benchmark itself may share a cache line. The processor's time counts: that on the clock is shared with
// whatever else runs.
func BenchmarkCount(b *testing.B) {
	var set counterSet
	set.begin(10_000)
	count := counting(&set)
	var turn atomic.Uint32
	b.ReportAllocs()
	cpu := processTime()
	b.RunParallel(func(pb *testing.PB) {
		shard := turn.Add(1)
		for pb.Next() {
			for range 1000 {
				count(shard)
			}
		}
	})
	b.ReportMetric(float64(processTime()-cpu)/float64(b.N)/1000, "cpu-ns/request")
}
