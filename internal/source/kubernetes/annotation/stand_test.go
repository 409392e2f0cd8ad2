package annotation_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/certs/certstest"
	"paifang/internal/compile"
	"paifang/internal/document"
	"paifang/internal/filter/builtin"
	"paifang/internal/httpproxy"
	"paifang/internal/l4"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/source/kubernetes/installation"
	"paifang/internal/source/kubernetes/translate"
	"paifang/internal/trace"
	"paifang/internal/trace/tracetest"
	"paifang/internal/upstream"
)

// TestMain has more cases under way than there are processors: the long ones only wait for a time to pass.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// stand is the engine with what a case says: the same way from YAML to answers as in the whole program, but for the hub.
type stand struct {
	t       testing.TB
	plane   *httpproxy.Plane
	recs    map[string]*backend // by service
	said    []model.Diagnostic
	clients *tls.Config
	closers []func()
	place   netip.Addr // where TCP services listen
	ca      *certstest.Authority
	table   *upstream.Table
}

// places is how many there were: each case has an address of its own.
var places atomic.Uint32

func place() netip.Addr {
	n := places.Add(1)
	return netip.AddrFrom4([4]byte{127, 77, byte(n >> 8), byte(n)})
}

// at is where a scheme is spoken.
func (s *stand) at(scheme string) string {
	if scheme == "tcp" {
		return s.place.String()
	}
	return s.addr(model.ListenerID(scheme))
}

// close ends all of it, the last first.
func (s *stand) close() {
	for _, f := range slices.Backward(s.closers) {
		f()
	}
}

// offer says which endpoints a service has.
func (s *stand) offer(service string, endpoints []model.Endpoint) {
	list := model.EndpointSet{List: model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "shop/" + service + ":80"}, Endpoints: endpoints}
	s.table.SetContribution("test", service, []model.EndpointSet{list}, 0)
}

// scale gives a service further endpoints beside those that it has, or takes some away.
func (s *stand) scale(to service) error {
	b := s.recs[to.name]
	if to.endpoints > len(b.endpoints) {
		if err := b.grow(s.ca, to); err != nil {
			return err
		}
	}
	s.offer(to.name, b.endpoints[:to.endpoints])
	return nil
}

// revocations fills revocation lists in: one with the certificate that is "revoked", the same out of date, and one that somebody
// else has signed in the name of the CA.
func (s *stand) revocations(text string) string {
	for _, name := range []string{"crl()", "oldcrl()", "forgedcrl()"} {
		if quoted := `"` + name + `"`; strings.Contains(text, quoted) {
			text = strings.ReplaceAll(text, quoted, strconv.Quote(s.revocation(name)))
		}
	}
	return text
}

func (s *stand) revocation(name string) string {
	revoked, later := s.clients.Certificates[shownCertificates()["revoked"]].Leaf, time.Now().Add(time.Hour)
	switch name {
	case "oldcrl()":
		return s.ca.Revocations(time.Now().Add(-time.Minute), revoked)
	case "forgedcrl()":
		return certstest.New(s.t, s.ca.Certificate.Subject.CommonName, nil).Revocations(later)
	}
	return s.ca.Revocations(later, revoked)
}

// shownCertificates are the places of what clients show in the configuration that clientsOf makes.
func shownCertificates() map[string]int {
	return map[string]int{"good": 0, "other": 1, "revoked": 2, "expired": 3, "other-expired": 4, "server": 5}
}

// clientsOf is what clients of a case show, and whom they believe.
func clientsOf(t testing.TB, ca *certstest.Authority) *tls.Config {
	t.Helper()
	other := certstest.New(t, "other CA", nil)
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	server := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	return &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{
		ca.Client("ann"), other.Client("bob"), ca.Client("eve"), ca.Client("dan", expired), other.Client("cat", expired), ca.Client("web", server)}}
}

// newStand serves a case.
func newStand(t testing.TB, ca *certstest.Authority, c *testCase) (*stand, error) {
	t.Helper()
	s := &stand{t: t, ca: ca, recs: map[string]*backend{}, clients: clientsOf(t, ca)}
	table := upstream.NewTable(upstream.Config{WaitTime: 100 * time.Millisecond})
	s.table = table
	sockets := listener.NewSet(listener.Config{DrainDelay: time.Millisecond})
	s.closers = append(s.closers, table.Close, sockets.Close)
	for _, x := range c.allServices() {
		b, err := newBackend(ca, x)
		if err != nil {
			s.close()
			return nil, err
		}
		s.closers = append(s.closers, b.stop)
		s.recs[x.name] = b
		if x.how == "otlp" {
			b.collector = tracetest.Listen(t, "127.0.0.1:0")
			continue
		}
		if x.how == "cluster" { // its endpoints are not known: only its own address leads there
			c.ports = map[string]uint16{x.name: b.endpoints[0].Addr.Port()}
			continue
		}
		if x.how != "missing" {
			s.offer(x.name, b.endpoints)
		}
	}
	options := translate.Options{Attach: "ingress", Loopback: true}
	if c.taken {
		flags, found := installation.Args(append([]string{"/nginx-ingress-controller"}, c.flags...), "shop")
		if len(c.config) > 0 {
			flags.ConfigMap = "shop/settings"
		}
		s.place = place()
		options.Installed = &translate.Installed{Flags: flags, Findings: found, Places: []translate.Place{{Node: "node-1", Addr: s.place}}}
	}
	store := translate.New(options)
	text := c.manifests()
	text = strings.ReplaceAll(text, "ca()", strings.ReplaceAll(ca.PEM(), "\n", "\\n"))
	text = s.revocations(text)
	if strings.Contains(text, "clientcert()") {
		chain, key := certstest.Text(t, ca.Client("gateway"))
		text = strings.ReplaceAll(text, "clientcert()", strings.ReplaceAll(chain, "\n", "\\n"))
		text = strings.ReplaceAll(text, "clientkey()", strings.ReplaceAll(key.Reveal(), "\n", "\\n"))
	}
	for name, b := range s.recs {
		if b.collector != nil {
			host, port, _ := net.SplitHostPort(b.collector.Addr)
			text = strings.NewReplacer("host("+name+")", host, "port("+name+")", port).Replace(text)
		}
		if len(b.endpoints) > 0 {
			text = strings.ReplaceAll(text, "addr("+name+")", b.endpoints[0].Addr.String())
		}
	}
	if slices.ContainsFunc(c.ingresses, func(g ingress) bool { return g.tls }) {
		text += "---\n" + secretFor(t, ca, c)
	}
	if err := put(store, text); err != nil {
		s.close()
		return nil, err
	}
	for _, g := range store.All() {
		if sets := g.Endpoints(); strings.HasPrefix(g.Key, "ingress/") && len(sets) > 0 {
			table.SetContribution("kubernetes", g.Key, sets, 0)
		}
	}
	connections := l4.New(l4.Config{Sockets: sockets, Upstreams: table, DrainTimeout: 50 * time.Millisecond})
	traces := trace.NewExporters(nil, nil)
	s.closers = append(s.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		traces.Close(ctx)
	})
	plane, err := httpproxy.New(httpproxy.Config{Traces: traces, Passthrough: connections, Upstreams: table, Listeners: sockets, Filters: builtin.Kinds(), Timeouts: httpproxy.Timeouts{Drain: 50 * time.Millisecond}})
	if err != nil {
		s.close()
		return nil, err
	}
	s.plane = plane
	snapshots := snapshot.NewStore(plane, connections)
	s.closers = append(s.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		plane.Close(ctx)
		connections.Close(ctx)
	}, snapshots.Close)
	e := shard.Map[*model.Objects]{}.Edit()
	e.Set("test/listeners", &model.Objects{Listeners: listeners(c)})
	for _, g := range store.All() {
		if rules := g.Rules(); rules != nil {
			e.Set("kubernetes/"+g.Key, rules)
		}
	}
	snap := compile.Compile(nil, compile.Input{Groups: e.Map()}, builtin.Kinds().CheckRoute)
	s.said = snap.Diagnostics()
	if refused := snapshots.Publish(context.Background(), snap); len(refused) > 0 {
		s.close()
		return nil, fmt.Errorf("refused: %v", snapshots.Planes())
	}
	return s, nil
}

// listeners are one in clear text and one with TLS. Its parsing is what ingress-nginx' is; where an installation is taken over,
// what that says of listeners fills it in.
func listeners(c *testCase) []model.Listener {
	any := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	parsing := model.Parsing{Underscores: model.UnderscoresDrop, Slashes: model.SlashesMerge, EncodedSlashes: model.EncodedSlashesDecode}
	if c.taken {
		parsing.Underscores = ""
	}
	var trust model.Trust
	if slices.Contains(c.option, "trusted") {
		trust.ForwardedFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	return []model.Listener{
		{ID: "http", Class: "ingress", Protocol: model.HTTP, Bind: any, Parsing: parsing, Trust: trust},
		{ID: "https", Class: "ingress", Protocol: model.HTTPS, Bind: any, Parsing: parsing, Trust: trust},
	}
}

// put reads manifests into a store.
func put(store *translate.Store, text string) error {
	docs, problems := document.Split("case.yaml", []byte(text))
	for _, d := range docs {
		if document.IsOurs(d) {
			o, p := document.Parse(d, "manifest")
			problems = append(problems, p...)
			store.PutOwn(d.Text("kind")+"/"+d.Text("metadata.name"), o)
			continue
		}
		o, p, known := translate.NewReader().Read(d)
		problems = append(problems, p...)
		if !known {
			return fmt.Errorf("a kind that is not read: %s", d.Text("kind"))
		}
		if err := store.Put(o); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%v", problems[0])
	}
	return nil
}

// secretFor is the certificate of all hosts with TLS, as a Secret named front.
func secretFor(t testing.TB, ca *certstest.Authority, c *testCase) string {
	t.Helper()
	var hosts []string
	for _, g := range c.ingresses {
		if g.tls {
			hosts = append(hosts, g.host)
		}
	}
	chain, key := certstest.Text(t, ca.Server(hosts...))
	indent := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") }
	var b bytes.Buffer
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: front\n  namespace: shop\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n    %s\n  tls.key: |\n    %s\n", indent(chain), indent(key.Reveal()))
	return b.String()
}

// addr is where a listener is bound.
func (s *stand) addr(id model.ListenerID) string {
	for _, l := range s.plane.Listeners() {
		if l.ID == id && len(l.Bound) > 0 {
			return l.Bound[0].String()
		}
	}
	return ""
}
