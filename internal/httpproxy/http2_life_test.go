package httpproxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	own "paifang/internal/http2"
	"paifang/internal/model"
)

// TestHTTP2Drain: a client is asked to go in two steps, and what it has under way ends well.
func TestHTTP2Drain(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s, rec := simple(t, func(c net.Conn, r *bufio.Reader) {
		for {
			q, err := readRequest(r)
			if err != nil {
				return
			}
			if strings.Contains(q.line, "/slow") {
				<-release
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}, func(_ *stand, c *Config) { c.Timeouts.Drain = 10 * time.Second })
	busy, idle := s.dial2(), s.dial2()
	busy.headers(1, true, ":method: GET", ":scheme: http", ":authority: shop.test", ":path: /slow")
	idle.headers(1, true)
	if a := idle.answers(1)[1]; a.body != "ok" {
		t.Fatalf("%+v", a)
	}
	eventually(t, func() bool { return len(rec.requests()) == 2 })
	s.listeners = nil
	done := make(chan struct{})
	go func() { s.publish(); close(done) }()
	for _, r := range []*raw2{busy, idle} {
		if g := next(r, func(*http2.GoAwayFrame) bool { return true }); g.LastStreamID != 1<<31-1 || g.ErrCode != http2.ErrCodeNo {
			t.Errorf("first: %+v", g)
		}
	}
	busy.headers(3, true) // crosses it on its way
	next(busy, func(f *http2.DataFrame) bool { return f.StreamID == 3 && f.StreamEnded() })
	for i, r := range []*raw2{busy, idle} {
		if g := next(r, func(*http2.GoAwayFrame) bool { return true }); g.LastStreamID != uint32(3-2*i) || g.ErrCode != http2.ErrCodeNo {
			t.Errorf("second: %+v", g)
		}
	}
	idle.ended()
	close(release)
	next(busy, func(f *http2.DataFrame) bool { return f.StreamID == 1 && f.StreamEnded() })
	busy.ended()
	<-done
	eventually(t, func() bool { return len(s.plane.Listeners()) == 0 })
}

func TestHTTP2DrainCutsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s, _ := onHTTP2(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil)
	r := s.dial2()
	r.headers(1, true)
	eventually(t, func() bool { return s.table.Upstreams()[0].Endpoints[0].InFlight == 1 })
	s.listeners = nil
	began := time.Now()
	s.publish()
	r.ended()
	eventually(t, func() bool { return len(s.plane.Listeners()) == 0 })
	if took := time.Since(began); took < 700*time.Millisecond || took > 5*time.Second {
		t.Errorf("after %v", took)
	}
	if a := s.last(1); a.Reason != string(CodeShutdown) {
		t.Errorf("%+v", a)
	}
}

// TestHTTP2RouteChanges: streams go on through generations, of routes that stay and of those that go.
func TestHTTP2RouteChanges(t *testing.T) {
	var open atomic.Int32
	s, _ := onHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		open.Add(1)
		io.Copy(w, r.Body)
	}, nil)
	client := http2Client(t, s.addr("front"))
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", "http://shop.test/", pr)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	eventually(t, func() bool { return open.Load() == 1 })
	stays := s.routes
	for i := range 20 {
		s.routes = stays
		if i%2 == 0 {
			s.route(fmt.Sprint("more", i), "/more", "u")
			s.speaks(model.H2C)
		}
		s.publish()
	}
	s.routes = nil
	s.publish()
	if r, _ := do(t, client, "GET", "http://shop.test/", nil); r.StatusCode != 404 {
		t.Error(r.Status)
	}
	fmt.Fprint(pw, "still here")
	pw.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "still here" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestHTTP2Timeouts: each wait of a stream ends in time, with its own reason, and nothing but the stream.
func TestHTTP2Timeouts(t *testing.T) {
	const short = 60 * time.Millisecond
	body := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		set    func(*Timeouts)
		send   func(r *raw2)
		answer func(w http.ResponseWriter, r *http.Request)
		status string
		reason string
	}{
		"request body": {func(c *Timeouts) { c.RequestBody = short }, func(r *raw2) {
			r.headers(1, false, ":method: POST", ":scheme: http", ":authority: shop.test", ":path: /")
		}, nil, "408", "request-timeout"},
		"small request body": {func(c *Timeouts) { c.RequestBody = short / gatherTimes }, func(r *raw2) {
			r.headers(1, false, ":method: POST", ":scheme: http", ":authority: shop.test", ":path: /", "content-length: 10")
		}, nil, "408", "request-timeout"},
		"answer": {func(c *Timeouts) { c.Response = short }, func(r *raw2) { r.headers(1, true) },
			func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "504", "upstream-timeout"},
		"answer's body": {func(c *Timeouts) { c.ResponseBody = short }, func(r *raw2) { r.headers(1, true) },
			func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); <-r.Context().Done() }, "200", "upstream-timeout"},
		"client that does not read": {func(c *Timeouts) { c.Write = short }, func(r *raw2) { r.headers(1, true) },
			func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) }, "200", "client-slow"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := c.answer
			if answer == nil {
				answer = func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }
			}
			s, srv := onHTTP2(t, answer, func(_ *stand, cfg *Config) { c.set(&cfg.Timeouts) })
			r := s.dial2()
			c.send(r)
			a := r.answers(1)[1]
			if a.status != c.status || (a.reset != nil) != (c.status == "200") {
				t.Errorf("%+v", a)
			}
			if l := s.last(1); l.Reason != c.reason {
				t.Errorf("%+v", l)
			}
			r.must(r.WriteWindowUpdate(0, 1<<20))
			r.headers(3, true, ":method: GET", ":scheme: http", ":authority: shop.test", ":path: *")
			if a := r.answers(1)[3]; a.status != "400" {
				t.Errorf("the next stream: %+v", a)
			}
			if n := srv.conns.Load(); n > 1 {
				t.Errorf("%d connections to the endpoint", n)
			}
		})
	}
}

// TestHTTP2Beginnings: a preface that does not come, or not to its end.
func TestHTTP2Beginnings(t *testing.T) {
	s, _ := simple(t, echo, func(s *stand, c *Config) {
		withTLS(s, c)
		c.Timeouts.RequestHead = 50 * time.Millisecond
	})
	for _, begin := range []string{"PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"} {
		c := s.dial().send(begin)
		if r := c.receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 408") && !strings.HasPrefix(r.status, "HTTP/1.1 505") {
			t.Errorf("%q: %+v", begin, r)
		}
		c.closed()
	}
	c := s.dial().send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") // and no SETTINGS
	if _, err := io.Copy(io.Discard, c.Conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	c = s.dial().send("P")
	if r := c.send("OST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n").receive("POST"); r.status != "HTTP/1.1 200 OK" {
		t.Errorf("%+v", r)
	}
	c = s.dial()
	for _, b := range http2.ClientPreface {
		c.send(string(b))
	}
	fr := http2.NewFramer(c.Conn, c.Conn)
	if f, err := fr.ReadFrame(); err != nil || f.Header().Type != http2.FrameSettings {
		t.Errorf("%v, %v", f, err)
	}
}

// TestHTTP2Floods: streams that are reset at once, by whichever side, never make more requests at one time than may be open,
// and the connection ends.
func TestHTTP2Floods(t *testing.T) {
	for name, reset := range map[string]func(r *raw2, id uint32) error{
		"rapid reset": func(r *raw2, id uint32) error { return r.WriteRSTStream(id, http2.ErrCodeCancel) },
		"made you reset": func(r *raw2, id uint32) error {
			return r.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var now, most atomic.Int32
			s, _ := onHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				<-r.Context().Done()
				now.Add(-1)
			}, func(_ *stand, c *Config) { c.HTTP2.Streams = 20 })
			r := s.dial2()
			go func() { _, _ = io.Copy(io.Discard, r.Conn) }()
			var sent uint32
			for ; sent < 20_000; sent++ {
				id := 2*sent + 1
				r.buf.Reset()
				for _, f := range []string{":method GET", ":scheme http", ":authority shop.test", ":path /"} {
					n, v, _ := strings.Cut(f, " ")
					_ = r.enc.WriteField(field2(n, v))
				}
				if r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.buf.Bytes(), EndStream: true, EndHeaders: true}) != nil || reset(r, id) != nil {
					break
				}
			}
			eventually(t, func() bool { return s.plane.ListenerCounts()[0].Calmed == 1 && s.plane.Listeners()[0].Open == 0 })
			if most.Load() > 20 {
				t.Errorf("%d requests at one time", most.Load())
			}
			eventually(t, func() bool { return now.Load() == 0 })
			if r, _ := do(t, http2Client(t, s.addr("front")), "GET", "http://shop.test/%00", nil); r.StatusCode != 400 {
				t.Errorf("others: %s", r.Status)
			}
		})
	}
}

// TestHTTP2LeavesNothing: goroutines end with their connections.
func TestHTTP2LeavesNothing(t *testing.T) {
	s, _ := onHTTP2(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }, nil)
	do(t, http2Client(t, s.addr("front")), "GET", "http://shop.test/", nil) // the connection to the endpoint stays
	before := runtime.NumGoroutine()
	for range 30 {
		r := s.dial2()
		r.headers(1, true)
		r.headers(3, false)
		r.answers(1)
		r.Close()
	}
	eventually(t, func() bool { return runtime.NumGoroutine() <= before && s.plane.Listeners()[0].Open <= 1 })
}

// TestHTTP2CancelsHarmNobody: connections to endpoints that carried a request whose client left at any moment fail nobody else.
func TestHTTP2CancelsHarmNobody(t *testing.T) {
	for _, up := range []model.HTTPVersion{model.HTTP1, model.H2C} {
		srv := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		})
		s := newStand(t, nil)
		s.list("u", srv.Addr().String())
		s.route("all", "/", "u")
		s.speaks(up)
		s.publish()
		addr := s.addr("front")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			client := http2Client(t, addr)
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					ctx, cancel := context.WithTimeout(context.Background(), rand.N(2*time.Millisecond))
					req, _ := http.NewRequestWithContext(ctx, "POST", "http://shop.test/", strings.NewReader("leaves"))
					if resp, err := client.Do(req); err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					cancel()
				}
			})
		}
		client := http2Client(t, addr)
		for i := range 1000 {
			if r, body := do(t, client, "POST", "http://shop.test/", strings.NewReader("stays")); r.StatusCode != 200 || body != "stays" {
				t.Fatalf("%q, %d: %s %s %q", up, i, r.Status, r.Header.Get(fieldReason), body)
			}
		}
		close(stop)
		wg.Wait()
		if n := srv.conns.Load(); up.Shared() && n > 3 {
			t.Errorf("%d connections", n)
		}
		eventually(t, func() bool { return s.table.Upstreams()[0].Endpoints[0].InFlight == 0 })
	}
}

// TestBehind: among requests that connect to an endpoint, those of a client with many under way stand behind others.
func TestBehind(t *testing.T) {
	p := &port{}
	p.site.Store(&site{})
	s := &carrier{conn: &conn{port: p}}
	for want := 1; want <= 3; want++ {
		c := &conn{h2: &own.Stream{}}
		s.add(c)
		if got := c.stands(); got != want {
			t.Errorf("stream %d stands at %d", want, got)
		}
	}
	for len(s.streams) > 0 {
		s.remove(s.streams[0])
	}
	for want := range 3 {
		c := &conn{h2: &own.Stream{}}
		s.add(c)
		if got := c.stands(); got != want {
			t.Errorf("beside %d others, on a connection that was served before, a stream stands at %d", want, got)
		}
	}
	served := &conn{}
	served.once.Store(true)
	if first, again := (&conn{}).stands(), served.stands(); first != 1 || again != 0 {
		t.Errorf("a client's first request stands at %d, a later one at %d", first, again)
	}
}
