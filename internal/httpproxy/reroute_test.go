package httpproxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"paifang/internal/model"
)

// TestFallback: what fails is answered by another route, or always in the same way, over both versions of HTTP on both sides.
func TestFallback(t *testing.T) {
	var asked atomic.Int32
	bad := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/well" {
			return
		}
		w.WriteHeader(500)
		_, _ = io.WriteString(w, strings.Repeat("it is broken ", 100_000))
	})
	good := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-From")+" "+string(b))
	})
	s := newStand(t, withBuiltin)
	s.list("good", good.Addr().String())
	s.list("bad", bad.Addr().String())
	s.list("gone", "127.0.0.1:1")
	breaker := `circuit-breaker {"window":10000,"minimum":10000,"fallback":{"path":"/instead"}}`
	for name, v := range map[string]model.HTTPVersion{"1": "", "2": model.H2C} {
		s.route("bad"+name, "/"+name+"/bad", "bad"+name, having(breaker))
		s.speaks(v)
		s.routes[len(s.routes)-1].Upstreams[0].Endpoints[0].Name = "bad"
	}
	s.route("gone", "/gone", "gone", having(breaker))
	s.route("static", "/static", "gone", having(`response-headers {"set":[{"name":"X-Back","value":"1"}]}`, `circuit-breaker {"fallback":{"status":200,"body":"instead"}}`))
	s.route("instead", "/instead", "good", having(`request-headers {"set":[{"name":"X-From","value":"gateway"}]}`))
	s.route("round", "/round", "gone", having(`circuit-breaker {"window":10000,"minimum":10000,"fallback":{"path":"/round"}}`))
	s.route("nowhere", "/nowhere", "gone", having(`circuit-breaker {"fallback":{"path":"/elsewhere"}}`))
	s.publish()
	for name, c := range map[string]*http.Client{"1": http1Client(t, s.addr("front")), "2": http2Client(t, s.addr("front"))} {
		for _, path := range []string{"/1/bad", "/2/bad", "/gone"} {
			resp, body := do(t, c, "GET", "http://shop.test"+path+"?a=b", nil)
			if resp.StatusCode != 200 || body != "GET /instead?a=b gateway " || resp.Header.Get("X-Paifang-Reason") != "" {
				t.Errorf("HTTP/%s %s: %d %q", name, path, resp.StatusCode, body)
			}
			resp, body = do(t, c, "POST", "http://shop.test"+path, strings.NewReader("a body"))
			if resp.StatusCode != 200 || body != "POST /instead gateway a body" {
				t.Errorf("HTTP/%s POST %s: %d %q", name, path, resp.StatusCode, body)
			}
		}
		// A body that has streamed past is not there any more.
		if resp, _ := do(t, c, "POST", "http://shop.test/1/bad", strings.NewReader(strings.Repeat("long", 100_000))); resp.StatusCode != 500 {
			t.Errorf("HTTP/%s: half a request was sent on: %d", name, resp.StatusCode)
		}
		if resp, body := do(t, c, "GET", "http://shop.test/static", nil); resp.StatusCode != 200 || body != "instead" || resp.Header.Get("X-Back") != "1" {
			t.Errorf("HTTP/%s static: %d %q %v", name, resp.StatusCode, body, resp.Header)
		}
		if resp, _ := do(t, c, "GET", "http://shop.test/round", nil); resp.StatusCode != 502 {
			t.Errorf("HTTP/%s in a circle: %d", name, resp.StatusCode)
		}
		if resp, _ := do(t, c, "GET", "http://shop.test/nowhere", nil); resp.StatusCode != 404 {
			t.Errorf("HTTP/%s to no route: %d", name, resp.StatusCode)
		}
	}
}

// TestFallbackCredentials: the route that a breaker falls back to gets what the client shows to be let in only where that is said, whether
// the request has failed or was not sent; and where it is not sent anywhere else after all, its own upstream has it.
func TestFallbackCredentials(t *testing.T) {
	good := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Join([]string{r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("X-Else")}, " "))
	})
	s := newStand(t, withBuiltin)
	s.list("good", good.Addr().String())
	s.list("gone", "127.0.0.1:1")
	for name, config := range map[string]string{
		"failed": `{"window":10000,"minimum":10000,"fallback":{"path":"/instead"}}`, "open": `{"window":1,"open":"1h","fallback":{"path":"/instead"}}`,
		"failed-all": `{"window":10000,"minimum":10000,"fallback":{"path":"/instead","credentials":true}}`, "open-all": `{"window":1,"open":"1h","fallback":{"path":"/instead","credentials":true}}`,
	} {
		s.route(name, "/"+name, "gone", having("circuit-breaker "+config))
	}
	s.route("whole", "/whole", "good", having(`circuit-breaker {"fallback":{"path":"/instead"}}`))
	s.route("again", "/again", "good", having(`reroute {"path":"/instead"}`))
	s.route("instead", "/instead", "good")
	s.publish()
	c := http1Client(t, s.addr("front"))
	for path, shown := range map[string]bool{"/failed": false, "/open": false, "/failed-all": true, "/open-all": true, "/whole": true, "/again": true} {
		want := "/instead   else"
		if path == "/whole" {
			want = "/whole me a=b else"
		} else if shown {
			want = "/instead me a=b else"
		}
		for range 2 {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://shop.test"+path, nil)
			req.Header = http.Header{"Authorization": {"me"}, "Cookie": {"a=b"}, "X-Else": {"else"}}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(body) != want {
				t.Errorf("%s: %d %q, want %q", path, resp.StatusCode, body, want)
			}
		}
	}
}

// TestCircuitOpens: an upstream that fails is left alone.
func TestCircuitOpens(t *testing.T) {
	var asked atomic.Int32
	bad := newServer(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(503)
	})
	s := newStand(t, withBuiltin)
	s.list("u", bad.Addr().String())
	s.route("all", "/", "u", having(`circuit-breaker {"window":5,"open":"1h"}`))
	s.publish()
	c := http1Client(t, s.addr("front"))
	for i := range 10 {
		resp, _ := do(t, c, "GET", "http://shop.test/", nil)
		if open := resp.Header.Get("X-Paifang-Reason") == "circuit-open"; resp.StatusCode != 503 || open != (i >= 5) {
			t.Errorf("request %d: %d %v", i, resp.StatusCode, resp.Header)
		}
	}
	if n := asked.Load(); n != 5 {
		t.Errorf("it was asked %d times", n)
	}
}
