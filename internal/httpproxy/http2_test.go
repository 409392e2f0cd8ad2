package httpproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
)

func TestHTTP2(t *testing.T) {
	s, rec := simple(t, echo, withTLS)
	s.certs = []model.Certificate{certificate(t, "shop", "shop.test")}
	s.publish()
	for i, c := range []struct{ url, at, proto string }{
		{"http://shop.test/a%2e/../b?x=1", "front", "http"}, {"https://shop.test/a%2e/../b?x=1", "tls", "https"},
	} {
		client := http2Client(t, s.addr(model.ListenerID(c.at)))
		r, body := do(t, client, "POST", c.url, strings.NewReader("hello"), func(r *http.Request) {
			r.Header.Set("X-Forwarded-For", "6.6.6.6")
			r.Header.Set("Cookie", "a=1; b=2")
		})
		var e echoed
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if r.ProtoMajor != 2 || r.StatusCode != 200 || e.Line != "POST /b?x=1 HTTP/1.1" || e.Body != "hello" {
			t.Errorf("%v %+v", r, e)
		}
		for k, v := range map[string]string{"host": "shop.test", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": c.proto,
			"content-length": "5", "cookie": "a=1; b=2", "transfer-encoding": "", "connection": "", "te": ""} {
			if e.Head[k] != v {
				t.Errorf("%s: %q, want %q", k, e.Head[k], v)
			}
		}
		if a := s.last(i + 1); a.Status != 200 || a.Method != "POST" || a.Host != "shop.test" || a.Path != "/b" || a.In != 5 || a.Out != int64(len(body)) || a.Route != "all" || a.Listener != c.at {
			t.Errorf("%+v", a)
		}
	}
	if n := len(rec.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestHTTP2BothWays takes every pair of versions through what a version can say differently.
func TestHTTP2BothWays(t *testing.T) {
	pair := certificate(t, "up", "shop.test")
	key, err := tls.X509KeyPair([]byte(pair.Chain), []byte(pair.Key.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", fmt.Sprintf("HTTP/%d %s %s %d", r.ProtoMajor, r.Method, r.URL, r.ContentLength))
		w.Header().Add("X-Twice", "1")
		w.Header().Add("X-Twice", "2")
		switch r.URL.Path {
		case "/status":
			w.WriteHeader(404)
			io.WriteString(w, "gone")
		case "/empty":
			w.WriteHeader(204)
		case "/unchanged":
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(304)
		case "/length":
			w.Header().Set("Content-Length", "7")
			if r.Method != "HEAD" {
				io.WriteString(w, "7 bytes")
			}
		case "/hints":
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(103)
			io.WriteString(w, "hinted")
		case "/trailers":
			w.Header().Set("Trailer", "X-Sum")
			n, _ := io.Copy(io.Discard, r.Body)
			io.WriteString(w, "body")
			w.Header().Set("X-Sum", fmt.Sprint(n, r.Trailer.Get("X-Client")))
		default:
			io.Copy(w, r.Body)
		}
	}
	for _, up := range []model.HTTPVersion{model.HTTP1, model.H2C, model.H2} {
		var over *tls.Config
		if up == model.H2 {
			over = &tls.Config{Certificates: []tls.Certificate{key}}
		}
		srv := newServer(t, over, handler)
		s := newStand(t, nil)
		s.list("u", srv.Addr().String())
		s.route("all", "/", "u")
		s.speaks(up)
		s.publish()
		for name, client := range map[string]*http.Client{"HTTP/1.1": http1Client(t, s.addr("front")), "HTTP/2": http2Client(t, s.addr("front"))} {
			t.Run(fmt.Sprintf("%s to %q", name, up), func(t *testing.T) {
				version := "HTTP/1"
				if up.Shared() {
					version = "HTTP/2"
				}
				check := func(method, path, body string, status int, seen, want string) *http.Response {
					t.Helper()
					r, got := do(t, client, method, "http://shop.test"+path, strings.NewReader(body), func(r *http.Request) {
						if body == "" {
							r.Body = nil
						}
					})
					if r.StatusCode != status || r.Header.Get("X-Seen") != version+" "+seen || got != want {
						t.Errorf("%s %s: %d %q %q", method, path, r.StatusCode, r.Header.Get("X-Seen"), got)
					}
					if len(r.Header["X-Twice"]) != 2 {
						t.Errorf("%v", r.Header["X-Twice"])
					}
					return r
				}
				check("GET", "/status?a=b", "", 404, "GET /status?a=b 0", "gone")
				check("GET", "/empty", "", 204, "GET /empty 0", "")
				check("GET", "/unchanged", "", 304, "GET /unchanged 0", "")
				check("POST", "/echo", "hello", 200, "POST /echo 5", "hello")
				check("PUT", "/length", "x", 200, "PUT /length 1", "7 bytes")
				if r := check("HEAD", "/length", "", 200, "HEAD /length 0", ""); r.ContentLength != 7 {
					t.Errorf("HEAD: %d", r.ContentLength)
				}
				big := strings.Repeat("0123456789", 200_000)
				check("POST", "/echo", big, 200, "POST /echo 2000000", big)

				// A body whose length is not known, and trailers both ways.
				r, got := do(t, client, "POST", "http://shop.test/trailers", io.MultiReader(strings.NewReader("abc"), strings.NewReader("de")), func(r *http.Request) {
					r.ContentLength = -1
					r.Trailer = http.Header{"X-Client": {"+c"}}
					r.Header.Set("TE", "trailers")
				})
				if got != "body" || r.Trailer.Get("X-Sum") != "5+c" {
					t.Errorf("%q, %v", got, r.Trailer)
				}

				hints := 0
				ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					if code == 103 && h.Get("Link") == "</a.css>" {
						hints++
					}
					return nil
				}})
				if _, got := do(t, client, "GET", "http://shop.test/hints", nil, func(r *http.Request) { *r = *r.WithContext(ctx) }); got != "hinted" || hints != 1 {
					t.Errorf("%q, %d hints", got, hints)
				}
				if r, got := do(t, client, "POST", "http://shop.test/echo", strings.NewReader("later"), func(r *http.Request) { r.Header.Set("Expect", "100-continue") }); r.StatusCode != 200 || got != "later" {
					t.Errorf("%d %q", r.StatusCode, got)
				}
			})
		}
		if up.Shared() && srv.conns.Load() != 1 {
			t.Errorf("%q: %d connections", up, srv.conns.Load())
		}
	}
}

// TestHTTP2ManyStreams: streams of one client go in parallel, and share connections to the endpoint.
func TestHTTP2ManyStreams(t *testing.T) {
	for _, up := range []model.HTTPVersion{model.HTTP1, model.H2C} {
		srv := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body) // net/http answers HTTP/1.1 after the body only
			w.Write(b)
		})
		s := newStand(t, nil)
		s.list("u", srv.Addr().String())
		s.route("all", "/", "u")
		s.speaks(up)
		s.publish()
		client := http2Client(t, s.addr("front"))
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				for n := range 5 {
					want := strings.Repeat(fmt.Sprint(i, n, " "), 4_000)
					resp, err := client.Post("http://shop.test/", "", strings.NewReader(want))
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || string(got) != want {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				}
			})
		}
		wg.Wait()
		if n := srv.conns.Load(); up.Shared() && n != 1 {
			t.Errorf("%d connections", n)
		}
		if n := s.plane.Listeners()[0].Open; n != 1 {
			t.Errorf("%d client connections", n)
		}
	}
}

// TestHTTP2FullDuplex: the answer streams while the request does, and neither waits for the other's end.
func TestHTTP2FullDuplex(t *testing.T) {
	t.Parallel()
	s, _ := onHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			if n > 0 {
				w.Write(bytes.ToUpper(b[:n]))
				w.(http.Flusher).Flush()
			}
			if err != nil {
				return
			}
		}
	}, func(_ *stand, c *Config) {
		c.Timeouts.RequestBody, c.Timeouts.ResponseBody = 100*time.Millisecond, 300*time.Millisecond
	})
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", "http://shop.test/", pr)
	resp, err := http2Client(t, s.addr("front")).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 100)
	for i := range 8 { // for longer than either side alone may be silent
		fmt.Fprintf(pw, "part %d", i)
		n, err := resp.Body.Read(b)
		if want := fmt.Sprintf("PART %d", i); err != nil || string(b[:n]) != want {
			t.Fatalf("%q, %v", b[:n], err)
		}
		time.Sleep(100 * time.Millisecond) // the pace of the client, not a wait for something
	}
	pw.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestHTTP2Cancel: a client that resets its stream ends the request to the endpoint, and nothing else of it.
func TestHTTP2Cancel(t *testing.T) {
	for _, up := range []model.HTTPVersion{model.HTTP1, model.H2C} {
		began, ended := make(chan bool, 10), make(chan bool, 10)
		srv := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/quick" {
				return
			}
			if r.URL.Path == "/head" {
				w.WriteHeader(200)
				w.(http.Flusher).Flush()
			}
			began <- true
			<-r.Context().Done()
			ended <- true
		})
		s := newStand(t, nil)
		s.list("u", srv.Addr().String())
		s.route("all", "/", "u")
		s.speaks(up)
		s.publish()
		client := http2Client(t, s.addr("front"))
		for i, path := range []string{"/wait", "/head"} {
			ctx, cancel := context.WithCancel(context.Background())
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://shop.test"+path, nil)
			done := make(chan error, 1)
			go func() {
				resp, err := client.Do(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				done <- err
			}()
			<-began
			if path == "/head" {
				time.Sleep(20 * time.Millisecond) // so that it is the body that is waited for
			}
			cancel()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatalf("%q: the endpoint is not told", up)
			}
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if a := s.last(i + 1); a.Reason != string(CodeClientLeft) {
				t.Errorf("%+v", a)
			}
		}
		if r, _ := do(t, client, "GET", "http://shop.test/quick", nil); r.StatusCode != 200 {
			t.Error(r.Status)
		}
		if n := s.plane.Listeners()[0].Open; n != 1 {
			t.Errorf("%d client connections", n)
		}
		if n := srv.conns.Load(); up.Shared() && n != 1 {
			t.Errorf("%d connections to the endpoint", n)
		}
	}
}

// TestHTTP2EndpointGoes: an endpoint that asks its clients to go, as servers do at each deployment, fails nobody.
func TestHTTP2EndpointGoes(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond)
		io.Copy(w, r.Body)
	}
	a, b := newServer(t, nil, handler), newServer(t, nil, handler)
	s := newStand(t, nil)
	s.list("u", a.Addr().String(), b.Addr().String())
	s.route("all", "/", "u")
	s.speaks(model.H2C)
	s.publish()
	var wg sync.WaitGroup
	var done atomic.Int32
	stop := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			client := http2Client(t, s.addr("front"))
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Post("http://shop.test/", "", strings.NewReader("x"))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(body) != "x" || resp.StatusCode != 200 {
					t.Errorf("%s %q %v", resp.Status, body, err)
				}
				done.Add(1)
			}
		})
	}
	eventually(t, func() bool { return done.Load() > 100 })
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := a.http.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	n := done.Load()
	eventually(t, func() bool { return done.Load() > n+200 })
	close(stop)
	wg.Wait()
}

func TestHTTP2Off(t *testing.T) {
	s, _ := simple(t, echo, func(s *stand, c *Config) {
		withTLS(s, c)
		for i := range s.listeners {
			s.listeners[i].HTTP1Only = true
		}
	})
	c := s.dial().send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	if r := c.receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 505") {
		t.Errorf("%+v", r)
	}
	tc, err := tls.Dial("tcp", s.addr("tls"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer tc.Close()
	if p := tc.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Error(p)
	}
	// The setting takes effect for the next connection.
	for i := range s.listeners {
		s.listeners[i].HTTP1Only = false
	}
	s.publish()
	if r, _ := do(t, http2Client(t, s.addr("front")), "GET", "http://shop.test/", nil); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	if r, _ := do(t, http2Client(t, s.addr("tls")), "GET", "https://shop.test/", nil); r.StatusCode != 200 || r.ProtoMajor != 2 {
		t.Error(r.Status)
	}
}
