package httpproxy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"paifang/internal/certs/certstest"
	"paifang/internal/filter"
	"paifang/internal/model"
)

// TestPrefaceInPieces: until it is clear what a client in clear text speaks, nothing is decided.
func TestPrefaceInPieces(t *testing.T) {
	t.Parallel()
	s, _ := simple(t, echo, nil)
	for _, at := range []int{1, 2, 3, 16, 23} {
		nc, err := net.Dial("tcp", s.addr("front"))
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		for _, part := range []string{http2.ClientPreface[:at], http2.ClientPreface[at:]} {
			if _, err := io.WriteString(nc, part); err != nil {
				t.Fatal(err)
			}
			// The first part has been looked at.
			ticks := s.plane.clock.Load()
			eventually(t, func() bool { return s.plane.clock.Load() > ticks })
		}
		f := http2.NewFramer(nc, nc)
		if got, err := f.ReadFrame(); err != nil {
			t.Errorf("cut at %d: %v", at, err)
		} else if _, is := got.(*http2.SettingsFrame); !is {
			t.Errorf("cut at %d: %v", at, got)
		}
		nc.Close()
	}
	// Other methods begin like it.
	for _, first := range []string{"P", "PR", "PRO", "PO"} {
		method := map[string]string{"P": "PUT", "PR": "PRINT", "PRO": "PROPFIND", "PO": "POST"}[first]
		c := s.dial()
		c.send(first)
		ticks := s.plane.clock.Load()
		eventually(t, func() bool { return s.plane.clock.Load() > ticks })
		c.send(method[len(first):] + " / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n")
		if r := c.receive(method); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
			t.Errorf("%s: %+v", method, r)
		}
		if r := c.send(get("/")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
			t.Errorf("after %s: %+v", method, r)
		}
	}
}

// TestWholeBodiesOverHTTP2: filters see the same bodies, and so do endpoints, whatever either side speaks.
func TestWholeBodiesOverHTTP2(t *testing.T) {
	bodies := map[string]string{"none": "", "short": "<ab>", "in a block": "<" + strings.Repeat("x", 30_000) + ">", "in a file": "<" + strings.Repeat("0123456789", 60_000) + ">"}
	for _, up := range []model.HTTPVersion{model.HTTP1, model.H2C, model.H2} {
		var over *tls.Config
		if up == model.H2 {
			over = &tls.Config{Certificates: []tls.Certificate{certstest.New(t, "ca", nil).Server("shop.test")}}
		}
		srv := newServer(t, over, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s/%d/%v/%s", r.Header.Get("X-Sum"), len(b), err, r.Trailer.Get("X-End"))
		})
		dir := t.TempDir()
		s := newStand(t, func(_ *stand, c *Config) {
			c.Filters = append(c.Filters, filter.Define("sum", func(f sum, _ filter.Env) (filter.Filter, error) { return f, nil }))
			c.Spill.Dir = dir
		})
		s.list("u", srv.Addr().String())
		s.route("all", "/", "u", func(r *model.Route) {
			r.Filters = []model.FilterSpec{{Kind: "sum", Config: json.RawMessage(`{"limit":1000000,"refuse":"evil"}`)}}
		})
		s.speaks(up)
		s.publish()
		for version, c := range map[string]*http.Client{"HTTP/1.1": http1Client(t, s.addr("front")), "HTTP/2": http2Client(t, s.addr("front"))} {
			for name, body := range bodies {
				for _, sized := range []bool{true, false} {
					r, got := do(t, c, "POST", "http://shop.test/", strings.NewReader(body), func(r *http.Request) {
						if !sized {
							r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(body))
							r.Trailer = http.Header{"X-End": {"end"}}
						}
					})
					want := fmt.Sprintf("%d < >/%d/<nil>/", len(body), len(body))
					if body == "" {
						want = "none/0/<nil>/"
					}
					if !sized {
						want += "end"
					}
					if r.StatusCode != 200 || got != want {
						t.Errorf("%s to %q, %s, sized %v: %d %q, want %q", version, up, name, sized, r.StatusCode, got, want)
					}
				}
			}
			if r, _ := do(t, c, "POST", "http://shop.test/", strings.NewReader("something evil")); r.StatusCode != 403 {
				t.Error(r.Status)
			}
			if r, _ := do(t, c, "POST", "http://shop.test/", strings.NewReader(strings.Repeat("x", 1_000_001))); r.StatusCode != 413 {
				t.Error(r.Status)
			}
		}
		empty(t, dir)
	}
}

// TestMisdirectedOverHTTP2: such a request is refused alone. Its connection goes on.
func TestMisdirectedOverHTTP2(t *testing.T) {
	s, _, _ := mutual(t)
	var p http.Protocols
	p.SetHTTP2(true)
	var dials atomic.Int32
	tr := &http.Transport{Protocols: &p, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return tls.Dial("tcp", s.addr("tls"), &tls.Config{InsecureSkipVerify: true, ServerName: "open.test", NextProtos: []string{"h2"}})
	}}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: 10 * time.Second}
	for _, x := range []struct {
		host   string
		status int
	}{{"open.test", 200}, {"closed.test", 421}, {"open.test", 200}} {
		r, _ := do(t, c, "GET", "https://open.test/", nil, func(r *http.Request) { r.Host = x.host })
		if r.StatusCode != x.status || r.ProtoMajor != 2 {
			t.Errorf("%s: %s in %s", x.host, r.Status, r.Proto)
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestStreamsAreCountedAsTheyEnd: streams, and those that were reset; the access log says which version it was.
func TestStreamsAreCountedAsTheyEnd(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s, _ := onHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(arrived)
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}, nil)
	defer close(release)
	r := s.dial2()
	r.headers(1, true)
	r.answers(1)
	s.last(1) // what is told of it comes behind its answer
	r.headers(3, true, ":method: GET", ":scheme: http", ":authority: shop.test", ":path: /wait")
	<-arrived // one that is reset before it has begun is no request
	r.must(r.WriteRSTStream(3, http2.ErrCodeCancel))
	eventually(t, func() bool {
		n := s.plane.ListenerCounts()[0]
		return n.Streams == 2 && n.Resets == 1 && n.InFlight == 0 && n.Totals.Requests() == 2
	})
	if l := s.last(2); l.Protocol != "HTTP/2.0" || l.Reason != string(CodeClientLeft) || l.Status != 499 {
		t.Errorf("%+v", l)
	}
}

// TestOverloadOverHTTP2: connections go as those of HTTP/1.1 do, in their order.
func TestOverloadOverHTTP2(t *testing.T) {
	t.Parallel()
	var p pressed
	s, _ := simple(t, echo, func(_ *stand, cfg *Config) { cfg.Pressure = &p })
	r := s.dial2()
	r.headers(1, true)
	r.answers(1)
	p.idle.Store(int64(20 * time.Millisecond))
	next(r, func(f *http2.GoAwayFrame) bool { return f.LastStreamID == 1 })
	r.ended()
	p.idle.Store(0)
	r = s.dial2()
	r.headers(1, true)
	r.answers(1)
	p.curt.Store(true)
	next(r, func(f *http2.GoAwayFrame) bool { return f.LastStreamID == 1<<31-1 })
	r.headers(3, true) // it crossed that on its way
	next(r, func(f *http2.DataFrame) bool { return f.StreamID == 3 && f.StreamEnded() })
	r.ended()
	p.curt.Store(false)
	p.refuse.Store(true)
	r = s.dial2()
	r.headers(1, true)
	if a := r.answers(1)[1]; a.status != "503" || a.head["x-paifang-reason"] != string(CodeOverloaded) {
		t.Errorf("%+v", a)
	}
}

// TestRetriesOverHTTP2: a route's conditions hold whatever is spoken.
func TestRetriesOverHTTP2(t *testing.T) {
	for _, up := range []model.HTTPVersion{model.HTTP1, model.H2C} {
		var asked atomic.Int32
		h := func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if asked.Add(1)%2 == 1 {
				w.WriteHeader(503)
				_, _ = io.WriteString(w, strings.Repeat("no", 50_000))
				return
			}
			_, _ = w.Write(b)
		}
		one, two := newServer(t, nil, h), newServer(t, nil, h)
		s := newStand(t, nil)
		s.list("u", one.Addr().String(), two.Addr().String())
		s.route("all", "/", "u", func(r *model.Route) {
			f := r.Action.(model.Forward)
			f.Retry.On = []model.RetryOn{model.RetryServer}
			r.Action = f
		})
		s.speaks(up)
		s.publish()
		for _, c := range []*http.Client{http1Client(t, s.addr("front")), http2Client(t, s.addr("front"))} {
			if r, got := do(t, c, "PUT", "http://shop.test/", strings.NewReader("all of it")); r.StatusCode != 200 || got != "all of it" {
				t.Errorf("%q: %s %q", up, r.Status, got)
			}
		}
		if l := s.last(2); l.Tries != 2 || asked.Load() != 4 {
			t.Errorf("%q: %d tries, %d requests", up, l.Tries, asked.Load())
		}
	}
}
