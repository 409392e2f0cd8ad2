package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"paifang/internal/dnsserver"
	"paifang/internal/filter"
	"paifang/internal/filter/builtin"
	"paifang/internal/httpproxy"
	"paifang/internal/hub"
	"paifang/internal/l4"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/source"
	"paifang/internal/upstream"
)

// chain is what lies between a source and a request, as App builds it: hub, compile, store, and the planes.
type chain struct {
	t     testing.TB
	say   chan source.Update
	table *upstream.Table
	http  *httpproxy.Plane
	dns   *dnsserver.Server
	store *snapshot.Store
	done  chan uint64 // versions that were published
	bound int         // routes
}

// scripted is a source that says what a test tells it to, and takes reports.
type scripted chan source.Update

func (scripted) Name() string                                { return "script" }
func (scripted) Report(context.Context, source.Report) error { return nil }
func (s scripted) Run(ctx context.Context, out chan<- source.Update) error {
	for {
		select {
		case u := <-s:
			select {
			case out <- u:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newChain publishes groups, and ends with the test.
func newChain(t testing.TB, groups []source.Group) *chain {
	t.Helper()
	c := &chain{t: t, say: make(chan source.Update), done: make(chan uint64, 100), table: upstream.NewTable(upstream.Config{})}
	sockets := listener.NewSet(listener.Config{Log: slog.New(slog.DiscardHandler)})
	catalog := filter.Catalog(builtin.Kinds())
	var err error
	if c.http, err = httpproxy.New(httpproxy.Config{Upstreams: c.table, Listeners: sockets, Filters: catalog}); err != nil {
		t.Fatal(err)
	}
	c.dns = dnsserver.New(dnsserver.Options{})
	balancer := l4.New(l4.Config{Upstreams: c.table, Sockets: sockets})
	c.store = snapshot.NewStore(c.dns, balancer, c.http)
	events := newEvents()
	h := hub.New(hub.Config{
		Parts: []hub.Part{{Source: scripted(c.say), Required: true, Keepers: []string{"static"}}}, Endpoints: c.table, Publisher: c.store,
		Check: catalog.CheckRoute, Log: slog.New(slog.DiscardHandler),
		Published: func(old, now *snapshot.Snapshot) {
			events.published(old, now)
			c.done <- now.Version()
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		c.store.Seal()
		c.store.Close()
		over, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.http.Close(over)
		balancer.Close(over)
		c.dns.Close()
		c.table.Close()
	})
	c.say <- source.Update{Groups: groups, Full: true}
	c.published()
	c.bound = c.http.Bound()
	return c
}

// published waits for the next generation.
func (c *chain) published() {
	select {
	case <-c.done:
	case <-time.After(time.Minute):
		c.t.Fatal("nothing is published")
	}
}

// change publishes groups and returns when nothing of the generation before is left.
func (c *chain) change(groups ...source.Group) {
	c.say <- source.Update{Groups: groups}
	c.published()
	for end := time.Now().Add(20 * time.Second); c.http.Bound() != c.bound; time.Sleep(20 * time.Microsecond) {
		if time.Now().After(end) {
			c.t.Fatalf("%d routes are bound, want %d", c.http.Bound(), c.bound)
		}
	}
}

// address is where the listener for HTTP is bound.
func (c *chain) address() string {
	for _, l := range c.http.Listeners() {
		if l.ID == "http" && len(l.Bound) == 1 {
			return l.Bound[0].String()
		}
	}
	c.t.Fatalf("not bound: %+v", c.http.Listeners())
	return ""
}

// ground is what every spread stands on: listeners for HTTP, HTTPS and DNS, a zone, upstreams, certificates.
func ground(t testing.TB, certificates int) []source.Group {
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	base := source.Group{Key: "base", Objects: &model.Objects{
		Listeners: []model.Listener{
			{ID: "http", Class: "web", Protocol: model.HTTP, Bind: at},
			{ID: "https", Class: "web", Protocol: model.HTTPS, Bind: at},
			{ID: "dns", Class: "dns", Protocol: model.DNS, Bind: at},
		},
		Zones: []model.Zone{{Name: "test", Server: "ns.test", Mail: "mail.test"}},
	}}
	for i := range 4 {
		id := fmt.Sprint("upstream-", i)
		list := model.EndpointsID{Keeper: "static", Name: id}
		base.Objects.Upstreams = append(base.Objects.Upstreams, model.Upstream{ID: model.UpstreamID(id), Endpoints: []model.EndpointsID{list}})
		base.Objects.Endpoints = append(base.Objects.Endpoints, model.EndpointSet{List: list,
			Endpoints: []model.Endpoint{{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 9, 9, byte(i)}), 80)}}})
	}
	out := []source.Group{base}
	chainPEM, keyPEM := pair(t)
	for i := range certificates {
		out = append(out, source.Group{Key: fmt.Sprint("tls/", i), Objects: &model.Objects{Certificates: []model.Certificate{{
			ID: model.CertificateID(fmt.Sprint("tls-", i)), Attach: []model.Class{"web"}, Hosts: []model.Host{hostAt(i)}, Chain: chainPEM, Key: model.NewSecret(keyPEM)}}}})
	}
	return out
}

func pair(t testing.TB) (chain, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}))
}

func hostAt(i int) model.Host { return model.Host(fmt.Sprintf("shop-%d.test", i)) }

// spread is a way in which routes lie over hosts and paths: the match and the host of number i, and a path that it takes.
type spread struct {
	name string
	at   func(i int) (model.Host, model.Match, string)
}

func spreads() []spread {
	return []spread{
		{"hosts", func(i int) (model.Host, model.Match, string) {
			return hostAt(i), model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}}, "/"
		}},
		{"paths", func(i int) (model.Host, model.Match, string) {
			m, path := model.Match{}, fmt.Sprintf("/api/service-%d/7", i/4)
			switch i % 4 { // four a service
			case 0:
				m.Path = model.PathMatch{Kind: model.PathPrefix, Value: fmt.Sprintf("/api/service-%d", i/4)}
			case 1:
				path = fmt.Sprintf("/api/service-%d", i/4)
				m.Path = model.PathMatch{Kind: model.PathExact, Value: path}
			case 2:
				path = fmt.Sprintf("/api/service-%d/7/items", i/4)
				m.Path = model.PathMatch{Kind: model.PathPattern, Value: fmt.Sprintf("/api/service-%d/{id}/items", i/4)}
			case 3:
				m.Path = model.PathMatch{Kind: model.PathPrefix, Value: fmt.Sprintf("/api/service-%d", i/4)}
				m.Methods = []string{"POST"}
				m.Headers = []model.FieldMatch{{Name: "x-version", Value: "2"}}
			}
			return "shop.test", m, path
		}},
	}
}

// route is number i of a spread, in a group of its own as an Ingress is.
func (s spread) route(i int, action model.Action) source.Group {
	host, match, _ := s.at(i)
	id := fmt.Sprintf("ingress/%s/%d", s.name, i)
	return source.Group{Key: id, Objects: &model.Objects{Routes: []model.Route{{
		ID: model.RouteID(id), Origin: model.Origin{Source: "script", Kind: "Ingress", Name: id}, Attach: []model.Class{"web"}, Hosts: []model.Host{host},
		Match: match, Action: action,
	}}}}
}

func (s spread) all(t testing.TB, n int) []source.Group {
	out := ground(t, min(n, 500))
	for i := range n {
		out = append(out, s.route(i, forward(0)))
	}
	return out
}

func forward(to int) model.Forward {
	return model.Forward{Targets: []model.Target{{Upstream: model.UpstreamID(fmt.Sprint("upstream-", to))}}}
}

// client is one connection that asks again and again.
type client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

// until asks until the answer has a body.
func (c *client) until(host model.Host, path, body string) {
	ask := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	for {
		if _, err := c.conn.Write(ask); err != nil {
			c.t.Fatal(err)
		}
		r, err := http.ReadResponse(c.in, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			c.t.Fatal(err)
		}
		if bytes.Equal(got, []byte(body)) {
			return
		}
	}
}
