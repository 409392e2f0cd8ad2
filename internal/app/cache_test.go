package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
)

// TestCacheOfACrowd: of requests for one address that come at once the upstream gets one, whichever version of HTTP the clients speak; and
// where the client of that one leaves, the others have their answers all the same.
func TestCacheOfACrowd(t *testing.T) {
	for _, version := range versions() {
		t.Run(fmt.Sprintf("%q", version), func(t *testing.T) {
			var asked atomic.Int32
			began, release := make(chan struct{}, 100), make(chan struct{})
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				began <- struct{}{}
				select {
				case <-release:
				case <-r.Context().Done():
				}
				fmt.Fprint(w, "text")
			}))
			t.Cleanup(up.Close)
			c := cachedRoad(t, up.Listener.Addr().String(), model.Fallback{})
			tr := &http.Transport{Protocols: new(http.Protocols)}
			tr.Protocols.SetHTTP1(version == model.HTTP1)
			tr.Protocols.SetUnencryptedHTTP2(version == model.H2C)
			t.Cleanup(tr.CloseIdleConnections)
			client := &http.Client{Transport: tr, Timeout: 30 * time.Second}
			ask := func(ctx context.Context, path string, written func()) (string, error) {
				ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { written() }})
				r, err := http.NewRequestWithContext(ctx, "GET", "http://"+c.address()+path, nil)
				if err != nil {
					return "", err
				}
				resp, err := client.Do(r)
				if err != nil {
					return "", err
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				return fmt.Sprint(resp.StatusCode, " ", string(b)), err
			}
			crowd := func(path string, n int) (all *sync.WaitGroup) {
				all = &sync.WaitGroup{}
				var written sync.WaitGroup
				written.Add(n)
				for range n {
					all.Go(func() {
						if got, err := ask(context.Background(), path, written.Done); err != nil || got != "200 text" {
							t.Errorf("%s: %q, %v", path, got, err)
						}
					})
				}
				written.Wait()
				return all
			}
			leaves, leave := context.WithCancel(context.Background())
			var left sync.WaitGroup
			left.Go(func() { _, _ = ask(leaves, "/left", func() {}) })
			<-began
			behind := crowd("/left", 5)
			leave()
			left.Wait()
			<-began // one of those behind is sent on
			first := crowd("/a", 20)
			before := asked.Load()
			close(release)
			first.Wait()
			behind.Wait()
			if got, err := ask(context.Background(), "/a", func() {}); err != nil || got != "200 text" {
				t.Errorf("%q, %v", got, err)
			}
			t.Logf("the upstream was asked %d times, %d of them before it answered", asked.Load(), before)
			if n := asked.Load(); n > 7 { // one for /a, one that was left and five behind it
				t.Errorf("the upstream was asked %d times", n)
			}
		})
	}
}

// TestCacheKeepsNoFallback: what a fallback says in place of a failure is not given again once the service is well.
func TestCacheKeepsNoFallback(t *testing.T) {
	var asked atomic.Int32
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/sorry":
			fmt.Fprint(w, "sorry")
		case asked.Add(1) == 1:
			w.WriteHeader(500)
		default:
			fmt.Fprint(w, "text")
		}
	}))
	t.Cleanup(up.Close)
	c := cachedRoad(t, up.Listener.Addr().String(), model.Fallback{Upstream: "order", Path: "/sorry", Statuses: []model.StatusRange{{From: 500, To: 500}}})
	for _, want := range []string{"sorry", "text", "text"} {
		resp, err := http.Get("http://" + c.address() + "/a")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(b) != want {
			t.Errorf("%q, %v, want %q", b, err, want)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the service was asked %d times", n)
	}
}

// cachedRoad is a road to one address, whose answers are kept.
func cachedRoad(t *testing.T, at string, instead model.Fallback) *chain {
	t.Helper()
	return newChain(t, []source.Group{{Key: "all", Objects: &model.Objects{
		Listeners: []model.Listener{{ID: "http", Class: "web", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}},
		Upstreams: []model.Upstream{{ID: "order", Endpoints: []model.EndpointsID{{Keeper: "static", Name: "order"}}}},
		Endpoints: []model.EndpointSet{{List: model.EndpointsID{Keeper: "static", Name: "order"}, Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort(at)}}}},
		Routes: []model.Route{{ID: "r", Attach: []model.Class{"web"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}},
			Filters: []model.FilterSpec{{Kind: "response-cache"}}, Action: model.Forward{Targets: []model.Target{{Upstream: "order"}}, Fallback: instead}}},
	}}})
}
