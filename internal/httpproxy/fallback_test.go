package httpproxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestFallbackOfARoute: who answers in place of endpoints does so whichever version of HTTP the client, the endpoints and itself
// speak: where an answer is replaced, where nobody can be reached, and where there is no endpoint.
func TestFallbackOfARoute(t *testing.T) {
	for _, versions := range [][2]model.HTTPVersion{{model.HTTP1, model.HTTP1}, {model.HTTP1, model.H2C}, {model.H2C, model.HTTP1}, {model.H2C, model.H2C}} {
		t.Run(fmt.Sprintf("%q then %q", versions[0], versions[1]), func(t *testing.T) {
			s := fallbackStand(t, versions[0], versions[1])
			for name, c := range map[string]*http.Client{"HTTP/1.1": http1Client(t, s.addr("front")), "HTTP/2": http2Client(t, s.addr("front"))} {
				for _, x := range []struct{ method, path, body, want string }{
					{"GET", "/u/a?b=c", "", "GET /sorry?b=c 404 /u/a?b=c "},
					{"POST", "/u/a", "hello", "POST /sorry 404 /u/a hello"},
					{"POST", "/u/a", strings.Repeat("x", 70_000), "POST /sorry 404 /u/a "}, // more than is held
					{"GET", "/gone/a", "", "GET /sorry 502 /gone/a "},
					{"PUT", "/none/a?b=c", "hello", "PUT /none/a?b=c 503  hello"},
				} {
					resp, body := do(t, c, x.method, "http://shop.test"+x.path, strings.NewReader(x.body))
					if resp.StatusCode != 418 || body != x.want || resp.Header.Get("X-Paifang-Reason") != "" {
						t.Errorf("%s %s %s: %d %.100q, want %q", name, x.method, x.path, resp.StatusCode, body, x.want)
					}
				}
				if resp, _ := do(t, c, "GET", "http://shop.test/u/well", nil); resp.StatusCode != 204 {
					t.Errorf("%s: an answer that is not replaced is %d", name, resp.StatusCode)
				}
			}
		})
	}
}

// TestFallbackGetsNoCredentials: what a client shows to the endpoints is nothing for who answers in their place, unless that is said.
func TestFallbackGetsNoCredentials(t *testing.T) {
	pages := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Authorization"), r.Header.Get("Cookie"), r.Header.Get("X-Other"))
	})
	bad := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" || r.Header.Get("Cookie") == "" {
			t.Error("the endpoint gets no credentials")
		}
		w.WriteHeader(500)
	})
	s := newStand(t, nil)
	s.list("pages", pages.Addr().String())
	s.list("u", bad.Addr().String())
	for name, credentials := range map[string]bool{"u": false, "trusted": true} {
		s.route(name, "/"+name, "u")
		r := s.routes[len(s.routes)-1]
		f := r.Action.(model.Forward)
		f.Fallback = model.Fallback{Upstream: "pages", Statuses: []model.StatusRange{{From: 500, To: 500}}, Credentials: credentials}
		r.Action = f
		r.Fallback = &model.Upstream{ID: "pages", Endpoints: []model.EndpointsID{{Keeper: "static", Name: "pages"}}}
	}
	s.publish()
	for name, c := range map[string]*http.Client{"HTTP/1.1": http1Client(t, s.addr("front")), "HTTP/2": http2Client(t, s.addr("front"))} {
		for path, want := range map[string]string{"/u/a": "o", "/trusted/a": "Bearer sa=bo"} {
			_, body := do(t, c, "GET", "http://shop.test"+path, nil, func(r *http.Request) {
				r.Header = http.Header{"Authorization": {"Bearer s"}, "Cookie": {"a=b"}, "X-Other": {"o"}}
			})
			if body != want {
				t.Errorf("%s %s: %q, want %q", name, path, body, want)
			}
		}
	}
}

// TestFallbackKeepsItsClients: the cookie that a fallback binds its clients by comes back to it, and no other one with it.
func TestFallbackKeepsItsClients(t *testing.T) {
	pages := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Cookie")) })
	s := newStand(t, nil)
	s.list("pages", pages.Addr().String())
	s.list("u")
	s.route("u", "/", "u")
	r := s.routes[0]
	r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Fallback: model.Fallback{Upstream: "pages", Empty: true}}
	r.Fallback = &model.Upstream{ID: "pages", Endpoints: []model.EndpointsID{{Keeper: "static", Name: "pages"}}, Affinity: model.Affinity{Mode: model.Persistent, Cookie: "sid"}}
	s.publish()
	c := http1Client(t, s.addr("front"))
	resp, body := do(t, c, "GET", "http://shop.test/a", nil, func(*http.Request) {})
	bound, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	if !strings.HasPrefix(bound, "sid=") || body != "" {
		t.Fatalf("%d %q, body %q", resp.StatusCode, bound, body)
	}
	resp, body = do(t, c, "GET", "http://shop.test/a", nil, func(r *http.Request) { r.Header.Set("Cookie", "session=secret; "+bound) })
	if again := resp.Header.Get("Set-Cookie"); again != "" || body != bound {
		t.Errorf("it is bound anew: %q, body %q", again, body)
	}
	if _, body = do(t, c, "GET", "http://shop.test/a", nil, func(r *http.Request) { r.Header.Set("Cookie", "sid=secret") }); body != "" {
		t.Errorf("what is none of ours goes on: %q", body)
	}
}

// fallbackStand has endpoints that know nothing but /u/well, an upstream where nobody listens, one that is empty, and a fallback.
func fallbackStand(t *testing.T, endpoints, instead model.HTTPVersion) *stand {
	t.Helper()
	bad := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/u/well" {
			w.WriteHeader(204)
			return
		}
		w.WriteHeader(404)
		_, _ = io.WriteString(w, strings.Repeat("no ", 50_000))
	})
	pages := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.WriteHeader(418)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("X-Code"), r.Header.Get("X-Was"), b)
	})
	s := newStand(t, nil)
	s.list("pages", pages.Addr().String())
	s.list("u", bad.Addr().String())
	s.list("gone", "127.0.0.1:1")
	s.list("none")
	for _, name := range []string{"u", "gone", "none"} {
		s.route(name, "/"+name, name)
		s.speaks(endpoints)
		r := s.routes[len(s.routes)-1]
		f := r.Action.(model.Forward)
		f.Fallback = model.Fallback{Upstream: "pages", Statuses: []model.StatusRange{{From: 404, To: 404}, {From: 502, To: 502}}, Empty: true, Path: "/sorry",
			Fields: []model.FallbackField{{Name: "X-Code", Value: "{status}"}, {Name: "X-Was", Value: "{uri}"}}}
		r.Action = f
		r.Fallback = &model.Upstream{ID: "pages", Endpoints: []model.EndpointsID{{Keeper: "static", Name: "pages"}}, Protocol: instead}
	}
	s.publish()
	return s
}
