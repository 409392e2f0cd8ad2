package app

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
	"paifang/internal/source/manifest"
)

// copies is a service that gets copies, and keeps them: line and body.
type copies struct {
	*httptest.Server
	mu   sync.Mutex
	all  []string
	hold bool
}

func newCopies(t *testing.T) *copies {
	t.Helper()
	c := &copies{}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		c.all = append(c.all, r.Method+" "+r.RequestURI+" "+string(body))
		c.mu.Unlock()
		if c.hold {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	c.Config.Protocols = bothVersions()
	c.Start()
	t.Cleanup(c.Close)
	return c
}

func bothVersions() *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// are waits until there are as many copies as wanted, and compares them in any order.
func (c *copies) are(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for end := time.Now().Add(15 * time.Second); len(got) < len(want); time.Sleep(time.Millisecond) {
		c.mu.Lock()
		got = slices.Clone(c.all)
		c.mu.Unlock()
		if time.Now().After(end) {
			break
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("copies are %.200q, want %.200q", got, want)
	}
}

// serveMirrored serves a route with a mirror and these settings, and an upstream that answers with the length of what it got. An upstream
// named next has the addresses of what else is given. What is asked for below /plain has no mirror.
func serveMirrored(t *testing.T, settings string, version model.HTTPVersion, next ...*copies) (*chain, *http.Client) {
	t.Helper()
	both := bothVersions()
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}))
	up.Config.Protocols = both
	up.Start()
	t.Cleanup(up.Close)
	text := `apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: order}
spec: {protocol: ` + fmt.Sprintf("%q", version) + `, endpoints: [{keeper: static, name: order}]}
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: next}
spec: {protocol: ` + fmt.Sprintf("%q", version) + `, endpoints: [{keeper: static, name: next}]}
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: order}
spec:
  attach: [web]
  match: {path: {kind: Prefix, value: /}}
  filters: [{kind: mirror, ` + settings + `}]
  forward: {targets: [{upstream: order}]}
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: plain}
spec:
  attach: [web]
  match: {path: {kind: Prefix, value: /plain}}
  forward: {targets: [{upstream: order}]}
`
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	groups, _, err := manifest.Load(manifest.Options{Paths: []string{file}, Translate: translate.Options{TakeUnclassed: true}})
	if err != nil {
		t.Fatal(err)
	}
	var others []model.Endpoint
	for _, n := range next {
		others = append(others, model.Endpoint{Addr: netip.MustParseAddrPort(n.Listener.Addr().String())})
	}
	groups = append(groups, source.Group{Key: "ground", Objects: &model.Objects{
		Listeners: []model.Listener{{ID: "http", Class: "web", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}},
		Endpoints: []model.EndpointSet{{List: model.EndpointsID{Keeper: "static", Name: "order"}, Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort(up.Listener.Addr().String())}}},
			{List: model.EndpointsID{Keeper: "static", Name: "next"}, Endpoints: others}},
	}})
	c := newChain(t, groups)
	tr := &http.Transport{Protocols: new(http.Protocols)}
	if version == model.H2C {
		tr.Protocols.SetUnencryptedHTTP2(true)
	} else {
		tr.Protocols.SetHTTP1(true)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return c, &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// part is a body of unknown length.
type part struct{ io.Reader }

func versions() []model.HTTPVersion { return []model.HTTPVersion{model.HTTP1, model.H2C} }

// TestMirrorBodies: bodies of all sizes, of known length and not, reach the upstream whole, and their copies do up to the bound.
func TestMirrorBodies(t *testing.T) {
	for _, version := range versions() {
		t.Run(fmt.Sprintf("%q", version), func(t *testing.T) {
			to := newCopies(t)
			c, client := serveMirrored(t, `config: {loopback: true, maxBody: 400000, targets: [{url: "`+to.URL+`"}]}`, version)
			var want []string
			for _, size := range []int{0, 1, 20_000, 70_000, 400_000, 400_001, 3_000_000} {
				for _, sized := range []bool{true, false} {
					body := bytes.Repeat([]byte{'a' + byte(size%7)}, size)
					path := fmt.Sprintf("/%d/%v?a=b", size, sized)
					var from io.Reader = bytes.NewReader(body)
					if !sized {
						from = part{from}
					}
					resp, err := client.Post("http://"+c.address()+path, "text/plain", from)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || resp.StatusCode != 200 || string(got) != fmt.Sprint(size, " <nil>") {
						t.Errorf("%s: %d %s %v", path, resp.StatusCode, got, err)
					}
					if size <= 400_000 {
						want = append(want, "POST "+path+" "+string(body))
					}
				}
			}
			to.are(t, want...)
			var results [filter.CopyResults]uint64
			for end := time.Now().Add(15 * time.Second); time.Now().Before(end) && results[filter.CopyAnswered] != 10; time.Sleep(time.Millisecond) {
				results = c.http.Copies()[0].Results
			}
			if results != [filter.CopyResults]uint64{filter.CopyAnswered: 10, filter.CopyTooLarge: 4} {
				t.Errorf("%v", results)
			}
		})
	}
}

// TestMirrorDropsWhatNobodyTakes: targets that never answer hold as many copies as they may, and requests go on.
func TestMirrorDropsWhatNobodyTakes(t *testing.T) {
	hanging := newCopies(t)
	hanging.hold = true
	deaf := newDeaf(t)
	for _, version := range versions() {
		c, client := serveMirrored(t, fmt.Sprintf(`config: {loopback: true, timeout: 60s, inFlight: 2, queue: 4, targets: [{url: "%s"}, {url: "http://%s"}]}`, hanging.URL, deaf), version)
		for range 200 {
			resp, err := client.Post("http://"+c.address()+"/", "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%d: %v", resp.StatusCode, err)
			}
		}
		for _, n := range c.http.Copies() {
			if n.Held != 6 || n.Results[filter.CopyQueueFull] != 194 {
				t.Errorf("%+v", n)
			}
		}
	}
}

// TestMirrorToUpstream: copies go to an upstream by its balancing, in its version of HTTP, and one that is not there refuses the route.
func TestMirrorToUpstream(t *testing.T) {
	for _, version := range versions() {
		one, two := newCopies(t), newCopies(t)
		c, client := serveMirrored(t, "upstreams: [next], config: {inFlight: 1, percent: 100}", version, one, two)
		var want []string
		for i := range 20 {
			body := strings.Repeat("x", i*5000)
			resp, err := client.Post(fmt.Sprintf("http://%s/%d?a=b", c.address(), i), "text/plain", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want = append(want, fmt.Sprintf("POST /%d?a=b %s", i, body))
		}
		for end := time.Now().Add(15 * time.Second); time.Now().Before(end) && c.http.Copies()[0].Results[filter.CopyAnswered] < 20; time.Sleep(time.Millisecond) {
		}
		if n := c.http.Copies()[0]; n.Target != "next" || n.Results != [filter.CopyResults]uint64{filter.CopyAnswered: 20} {
			t.Errorf("%+v", n)
		}
		if len(one.all) != 10 || len(two.all) != 10 {
			t.Errorf("%d and %d copies", len(one.all), len(two.all))
		}
		one.all = append(one.all, two.all...)
		one.are(t, want...)
	}
	c, client := serveMirrored(t, "upstreams: [none]", model.HTTP1)
	resp, err := client.Get("http://" + c.address())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("X-Paifang-Reason") != string(model.CodeUpstreamMissing) {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	c, client = serveMirrored(t, "upstreams: [next], config: {timeout: 1s}", model.HTTP1) // which has no address
	if resp, err = client.Get("http://" + c.address()); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end) && c.http.Copies()[0].Results[filter.CopyFailed] == 0; time.Sleep(time.Millisecond) {
	}
	if n := c.http.Copies()[0]; resp.StatusCode != 200 || n.Results != [filter.CopyResults]uint64{filter.CopyFailed: 1} {
		t.Errorf("%d, %+v", resp.StatusCode, n)
	}
}

// TestMirrorLoop: a copy that comes back is not copied again.
func TestMirrorLoop(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // hands everything to the gateway
	if err != nil {
		t.Fatal(err)
	}
	c, client := serveMirrored(t, `config: {loopback: true, targets: [{url: "http://`+l.Addr().String()+`"}]}`, model.HTTP1)
	tr := &http.Transport{}
	var mu sync.Mutex
	var statuses []int
	back := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host, r.RequestURI = "http", c.address(), ""
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		mu.Lock()
		statuses = append(statuses, resp.StatusCode)
		mu.Unlock()
		w.WriteHeader(resp.StatusCode)
	}))
	back.Listener.Close()
	back.Listener = l
	back.Start()
	t.Cleanup(func() { back.Close(); tr.CloseIdleConnections() })
	resp, err := client.Get("http://" + c.address() + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end) && c.http.Copies()[0].Results[filter.CopyAnswered] == 0; time.Sleep(time.Millisecond) {
	}
	mu.Lock()
	defer mu.Unlock()
	if n := c.http.Copies()[0]; resp.StatusCode != 200 || n.Results != [filter.CopyResults]uint64{filter.CopyAnswered: 1} || !slices.Equal(statuses, []int{508}) {
		t.Errorf("%d, %+v, %v", resp.StatusCode, n, statuses)
	}
}
