package system

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the soak does, and what it takes at least.
const (
	soakRoutes    = 1000
	soakEndpoints = 1000
	soakKills     = 100
	soakRotations = 30
	soakRequests  = 100_000
	soakTime      = 50 * time.Second // over which that is spread
)

// soak is a gateway between loads and origins that come and go.
type soak struct {
	t             *testing.T
	p             *serving
	rules         string // directory
	clear, secure string
	origins       []*origin
	calls         *http.Transport // of the streams that are calls
	changes       sync.WaitGroup
}

// TestSoak: under constant load on both protocols, with WebSockets and calls of gRPC open, rules, endpoints and certificates
// change and endpoints die. No request fails, besides those that a dying endpoint had and that may not be sent twice; no stream
// ends; and afterwards the process holds what it held before.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	s.warmUp()
	before := s.p.footprint()
	began := time.Now()

	open := s.streams()
	loads := s.loads("")
	s.changes.Go(s.changeRoutes)
	s.changes.Go(s.changeEndpoints)
	s.changes.Go(s.rotate)
	s.changes.Go(s.kill)
	s.changes.Wait()
	enough := func() (bool, string) {
		var n int64
		for _, l := range loads {
			n += l.next.Load()
		}
		return n >= soakRequests, fmt.Sprintf("%d requests", n)
	}
	eventually(t, 2*soakTime, "enough requests were made", enough)
	all := make([][]outcome, len(loads))
	for i, l := range loads {
		all[i] = l.end()
	}
	open()
	t.Logf("the load took %v", time.Since(began).Round(time.Second))
	s.settle(before, loads)
	log := s.log(loads)
	for i, l := range loads {
		s.judge(l, all[i], log)
	}
	_, what := enough()
	t.Log(what)
	if n := s.p.metric("paifang_access_log_dropped_total"); n > 0 {
		t.Errorf("%v lines of the access log were lost", n)
	}
}

func newSoak(t *testing.T) *soak {
	s := &soak{t: t, rules: t.TempDir(), clear: freeAddress(t), secure: freeAddress(t)}
	for i := range 4 {
		s.origins = append(s.origins, newOrigin(t, fmt.Sprintf("origin-%d", i)))
	}
	steady := newOrigin(t, "steady")
	write(t, s.rules, "steady.yaml", endpoints("steady", steady.addr)+upstreamOf("tunnels", "steady", "")+upstreamOf("calls", "steady", "  protocol: h2c\n")+
		route("tunnels", "/ws", "", "tunnels")+route("calls", "/calls", "", "calls"))
	write(t, s.rules, "routes.yaml", s.routes(0))
	write(t, s.rules, "endpoints.yaml", s.endpoints(0))
	write(t, s.rules, "certificate.yaml", certificateOf(t, "gateway", "soak.test", 1))
	s.p = serve(t, t.TempDir(), fmt.Sprintf(`sources: {manifests: [%q]}
gateway: {http: %q, https: %q, service: "-"}
timeouts: {upstreamIdle: 2s}
`, s.rules, s.clear, s.secure))
	return s
}

// routes are those of the loads as of the nth change: each of them changes each time.
func (s *soak) routes(n int) string {
	filter := fmt.Sprintf("  filters: [{kind: response-headers, config: {set: [{name: X-Generation, value: %q}]}}]\n", fmt.Sprint(n))
	retried := "    retry: {on: [reset], attempts: 3, budget: {percent: 100, least: 100}}\n"
	return upstreamOf("pool", "pool", "  health: {kind: TCP, interval: 250ms}\n") +
		route("get", "/get", filter, "pool") + retried + route("post", "/post", filter, "pool") +
		fmt.Sprintf("---\napiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: generation}\nspec:\n  attach: [gateway]\n  match: {path: {kind: Exact, value: /generation-%d}}\n  respond: {status: 200, body: known}\n", n)
}

// endpoints are those of the pool as of the nth change: in turn one is missing, or all are there.
func (s *soak) endpoints(n int) string {
	var in []string
	for i, o := range s.origins {
		if n%2 == 0 || n/2%len(s.origins) != i {
			in = append(in, o.addr)
		}
	}
	return endpoints("pool", in...)
}

func endpoints(list string, addrs ...string) string {
	text := fmt.Sprintf("---\napiVersion: paifang.dev/v1\nkind: Endpoints\nmetadata: {name: %[1]s}\nspec:\n  list: {keeper: static, name: %[1]s}\n  endpoints:\n", list)
	for _, a := range addrs {
		text += fmt.Sprintf("  - {addr: %q}\n", a)
	}
	return text
}

func upstreamOf(name, list, more string) string {
	return fmt.Sprintf("---\napiVersion: paifang.dev/v1\nkind: Upstream\nmetadata: {name: %s}\nspec:\n  endpoints: [{keeper: static, name: %s}]\n%s", name, list, more)
}

func route(name, path, more, upstream string) string {
	return fmt.Sprintf("---\napiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: %s}\nspec:\n  attach: [gateway]\n  match: {path: {kind: Prefix, value: %s}}\n%s  forward:\n    targets: [{upstream: %s}]\n", name, path, more, upstream)
}

// certificateOf is a certificate for a host with a serial number, as a Secret, and its use by a role.
func certificateOf(t testing.TB, role, host string, serial int) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(int64(serial)), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{host}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: served, namespace: default}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n---\napiVersion: paifang.dev/v1\nkind: Certificate\nmetadata: {name: served}\nspec: {attach: [%s], hosts: [%s], secret: default/served}\n",
		encode("CERTIFICATE", der), encode("PRIVATE KEY", private), role, host)
}

// loads are what asks, under paths with a name of their own: GET and POST in HTTP/1.1 and HTTP/2, in clear text and over TLS, and a connection for each request.
func (s *soak) loads(name string) []*load {
	const host = "soak.test"
	pause := func(l *load) { l.pause = 8 * time.Millisecond }
	over := func(transport func() *http.Transport) func(*load) { return func(l *load) { l.http2 = transport } }
	post := func(l *load) { l.post = true }
	users := func(n int) func(*load) { return func(l *load) { l.users = n } }
	return []*load{
		begin(s.t, s.clear, host, "/get/"+name+"one/", users(16), pause),
		begin(s.t, s.clear, host, "/post/"+name+"one/", users(8), pause, post),
		begin(s.t, s.clear, host, "/get/"+name+"short/", users(2), pause, func(l *load) { l.short = true }),
		begin(s.t, s.clear, host, "/get/"+name+"two/", users(16), pause, over(clear2)),
		begin(s.t, s.clear, host, "/post/"+name+"two/", users(8), pause, over(clear2), post),
		begin(s.t, s.secure, host, "/get/"+name+"tls/", users(16), pause, over(secure2)),
	}
}

// warmUp has everything done once, so that what is made at first use is there before anything is counted.
func (s *soak) warmUp() {
	open, loads := s.streams(), s.loads("warm-")
	loads[0].wait(2 * time.Second)
	for _, l := range loads {
		none(s.t, l, l.end())
	}
	open()
	for _, o := range s.origins {
		o.mu.Lock()
		clear(o.seen)
		o.mu.Unlock()
	}
	s.quiet(loads)
}

// quiet waits until nothing is open any more. A client of HTTP/2 closes what is idle when it is told to, and a connection is
// not yet idle for a moment after its last answer: it is told again.
func (s *soak) quiet(loads []*load) {
	s.t.Helper()
	eventually(s.t, 5*time.Second, "nothing is open", func() (bool, string) {
		for _, l := range loads {
			l.end()
		}
		s.calls.CloseIdleConnections()
		clients, endpoints := s.p.metric("paifang_connections"), s.p.metric("paifang_upstream_connections")
		return clients+endpoints == 0, fmt.Sprintf("%v connections of clients, %v to endpoints", clients, endpoints)
	})
}

// streams opens tunnels and calls on routes that stay, and returns what ends them and tells of those that were cut. The connection of the
// calls is for quiet to close.
func (s *soak) streams() (end func()) {
	const each = 25
	stop := make(chan struct{})
	var running sync.WaitGroup
	s.calls = clear2()
	for i := range 2 * each {
		open := func() (*stream, error) { return webSocket(s.clear, "soak.test", "/ws") }
		if i%2 == 1 {
			open = func() (*stream, error) { return call2(s.calls, s.clear, "soak.test", "/calls") }
		}
		one, err := open()
		if err != nil {
			s.t.Fatalf("a stream cannot be opened: %v", err)
		}
		running.Go(func() {
			if n, err := one.turns(stop); err != nil {
				s.t.Errorf("a %s was cut after %d turns: %v", one.what, n, err)
			}
		})
	}
	return func() {
		close(stop)
		running.Wait()
	}
}

// spread calls f so many times over the time of the soak, or as fast as it can.
func (s *soak) spread(n int, f func(i int)) {
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(soakTime * time.Duration(i) / time.Duration(n))))
		f(i + 1)
		if s.t.Failed() {
			return
		}
	}
}

func (s *soak) changeRoutes() {
	a := asker{t: s.t, to: s.clear}
	s.spread(soakRoutes, func(n int) {
		write(s.t, s.rules, "routes.yaml", s.routes(n))
		at := fmt.Sprintf("/generation-%d", n)
		if ok, last := poll(5*time.Second, func() (bool, string) { status := a.status("soak.test", at); return status == 200, fmt.Sprint(status) }); !ok {
			s.t.Errorf("change %d of routes is not in force: %s", n, last)
		}
	})
	_ = a.c.Close()
}

func (s *soak) changeEndpoints() {
	s.spread(soakEndpoints, func(n int) {
		write(s.t, s.rules, "endpoints.yaml", s.endpoints(n))
		want := strings.Count(s.endpoints(n), "addr:")
		if ok, last := poll(5*time.Second, func() (bool, string) {
			all, err := tryGetAt[endpointRow](s.p.admin, "endpoints")
			got := 0
			for _, e := range all {
				if e.List == "pool" {
					got++
				}
			}
			return err == nil && got == want, fmt.Sprintf("%d of %d, %v: %v", got, want, err, all)
		}); !ok {
			s.t.Errorf("change %d of endpoints is not in force: %s", n, last)
		}
	})
}

func (s *soak) rotate() {
	s.spread(soakRotations, func(n int) {
		serial := int64(n + 1)
		write(s.t, s.rules, "certificate.yaml", certificateOf(s.t, "gateway", "soak.test", int(serial)))
		if ok, last := poll(5*time.Second, func() (bool, string) {
			c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", s.secure, &tls.Config{InsecureSkipVerify: true, ServerName: "soak.test"})
			if err != nil {
				return false, err.Error()
			}
			defer func() { _ = c.Close() }()
			got := c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
			return got == serial, fmt.Sprint(got)
		}); !ok {
			s.t.Errorf("certificate %d is not served: %s", serial, last)
		}
	})
}

func (s *soak) kill() {
	s.spread(soakKills, func(n int) { s.origins[n%len(s.origins)].restart(100 * time.Millisecond) })
}

// settle: five seconds after the load the process holds what it held before.
func (s *soak) settle(before footprint, loads []*load) {
	s.t.Helper()
	ended := time.Now()
	s.quiet(loads)
	var after footprint
	ok, _ := poll(time.Until(ended.Add(5*time.Second)), func() (bool, string) {
		after = s.p.footprint()
		return after.goroutines <= before.goroutines && after.files <= before.files && after.heap <= before.heap*105/100 && after.generations <= 2, ""
	})
	s.t.Logf("before %+v, %v after the load %+v", before, time.Since(ended).Round(time.Millisecond), after)
	if !ok {
		s.t.Error("the process holds more than it did: goroutines and files must be as before, the heap within 105 %, generations at most two")
	}
}

// seen is how often origins have seen a request.
func (s *soak) seen(path string) (n int) {
	for _, o := range s.origins {
		n += o.seen[path]
	}
	return n
}

// log is the access log by path, once it has every request of the loads.
func (s *soak) log(loads []*load) map[string][]access {
	s.t.Helper()
	lines, want := 0, int64(0)
	for _, l := range loads {
		want += l.next.Load()
	}
	var by map[string][]access
	eventually(s.t, 10*time.Second, "the access log has every request", func() (bool, string) {
		by, lines = map[string][]access{}, 0
		for _, a := range (&up{t: s.t, state: s.p.dir}).accessLog() {
			for _, l := range loads {
				if strings.HasPrefix(a.Path, l.prefix) {
					by[a.Path] = append(by[a.Path], a)
					lines++
				}
			}
		}
		return int64(len(by)) >= want, fmt.Sprintf("%d lines of %d requests, want %d", lines, len(by), want)
	})
	if int64(lines) != want {
		s.t.Errorf("the access log has %d lines of %d requests", lines, want)
	}
	return by
}

// judge compares a load with the access log and with what the origins saw.
func (s *soak) judge(l *load, all []outcome, log map[string][]access) {
	s.t.Helper()
	excused, wrong := 0, 0
	bad := func(format string, args ...any) {
		if wrong++; wrong <= 5 {
			s.t.Errorf(format, args...)
		}
	}
	for _, o := range all {
		lines := log[fmt.Sprint(l.prefix, o.N)]
		if len(lines) != 1 {
			bad("request %s%v: %d lines in the access log, want 1", l.prefix, o, len(lines))
			continue
		}
		a := lines[0]
		if o.Status != a.Status {
			bad("request %s%v: the access log says %d", l.prefix, o, a.Status)
		}
		seen := s.seen(fmt.Sprint(l.prefix, o.N))
		if seen > a.Tries || l.post && seen > 1 || o.Status == 200 && seen == 0 {
			bad("request %s%v: seen %d times by origins, tries %d", l.prefix, o, seen, a.Tries)
		}
		if !o.failed() {
			continue
		}
		i := slices.IndexFunc(s.origins, func(x *origin) bool { return x.addr == a.Endpoint })
		if l.post && o.Status == 502 && i >= 0 && s.origins[i].died(span{a.Time, a.end().Add(time.Millisecond)}) {
			excused++ // it was with an endpoint that died, and may not be sent twice
			continue
		}
		bad("request %s%v failed: %s", l.prefix, o, a.Line)
	}
	if wrong > 5 {
		s.t.Errorf("%s: and %d more", l.prefix, wrong-5)
	}
	if len(l.refused) > 0 {
		s.t.Errorf("%s: %d connections could not be made: %v", l.prefix, len(l.refused), first(l.refused, 3))
	}
	s.t.Logf("%s: %d requests, %d were with an endpoint that died and may not be sent twice", l.prefix, len(all), excused)
}
