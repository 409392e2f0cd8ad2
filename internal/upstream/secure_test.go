package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

// secured is a TLS server that echoes. It keeps the state of each connection.
type secured struct {
	addr   netip.AddrPort
	mu     sync.Mutex
	states []tls.ConnectionState
	ends   chan bool // whether a connection ended in words of TLS
}

func (s *secured) seen() []tls.ConnectionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]tls.ConnectionState(nil), s.states...)
}

func serveTLS(t *testing.T, config *tls.Config) *secured {
	t.Helper()
	s := &secured{ends: make(chan bool, 100)}
	var conns sync.WaitGroup
	t.Cleanup(conns.Wait)
	s.addr = serve(t, "127.0.0.1:0", func(tcp *net.TCPConn) {
		conns.Go(func() {
			defer tcp.Close()
			tcp.SetDeadline(time.Now().Add(10 * time.Second))
			below := &wire{TCPConn: tcp}
			c := tls.Server(below, config)
			if c.Handshake() != nil {
				return
			}
			s.mu.Lock()
			s.states = append(s.states, c.ConnectionState())
			s.mu.Unlock()
			_, err := io.Copy(c, c)
			s.ends <- err == nil && !below.ended
		})
	})
	return s
}

func secureOne(t *testing.T, cfg Config, e model.Endpoint, set model.UpstreamTLS) (*Table, *Handle, *Endpoint) {
	t.Helper()
	table := newTable(t, cfg)
	up := upstreamOf(orders)
	up.TLS = set
	h := acquire(t, table, up)
	table.give("a", orders, e)
	return table, h, pick(t, h)
}

// talk sends a word and reads it back.
func talk(c *Conn) error {
	c.Stream.SetDeadline(time.Now().Add(5 * time.Second))
	defer c.Stream.SetDeadline(time.Time{})
	if _, err := io.WriteString(c.Stream, "word"); err != nil {
		return err
	}
	b := make([]byte, 4)
	_, err := io.ReadFull(c.Stream, b)
	return err
}

func TestTLSIsVerified(t *testing.T) {
	ca, other := certstest.New(t, "ca", nil), certstest.New(t, "other", nil)
	expired := ca.Pair(x509.Certificate{DNSNames: []string{"order.test"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	good := ca.Server("order.test", "127.0.0.1")
	for _, c := range []struct {
		name   string
		server tls.Certificate
		set    model.UpstreamTLS
		roots  *x509.CertPool
		dial   string
		good   bool
	}{
		{"CA and name", good, model.UpstreamTLS{CA: ca.PEM(), Name: "order.test"}, nil, "", true},
		{"CA and address", good, model.UpstreamTLS{CA: ca.PEM()}, nil, "", true},
		{"CA and the route's name", good, model.UpstreamTLS{CA: ca.PEM()}, nil, "order.test", true},
		{"roots of the process", good, model.UpstreamTLS{Name: "order.test"}, ca.Pool(), "", true},
		{"another name", good, model.UpstreamTLS{CA: ca.PEM(), Name: "pay.test"}, nil, "", false},
		{"another name of the route's", good, model.UpstreamTLS{CA: ca.PEM()}, nil, "pay.test", false},
		{"the settings' name comes first", good, model.UpstreamTLS{CA: ca.PEM(), Name: "order.test"}, nil, "pay.test", true},
		{"another CA", good, model.UpstreamTLS{CA: other.PEM(), Name: "order.test"}, nil, "", false},
		{"a CA in place of the roots", good, model.UpstreamTLS{CA: other.PEM(), Name: "order.test"}, ca.Pool(), "", false},
		{"the system's roots", good, model.UpstreamTLS{Name: "order.test"}, nil, "", false},
		{"expired", expired, model.UpstreamTLS{CA: ca.PEM(), Name: "order.test"}, nil, "", false},
		{"not verified", expired, model.UpstreamTLS{SkipVerify: true, Name: "pay.test"}, nil, "", true},
		{"no address in it", ca.Server("order.test"), model.UpstreamTLS{CA: ca.PEM()}, nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{c.server}})
			_, h, e := secureOne(t, Config{Roots: c.roots}, model.Endpoint{Addr: server.addr, Secure: true}, c.set)
			conn, err := e.Dial(t.Context(), DialOptions{Name: c.dial})
			if c.good {
				if err != nil || talk(conn) != nil {
					t.Fatalf("%v", err)
				}
				conn.Close()
				return
			}
			if code(err) != CodeTLS {
				t.Errorf("%v", err)
			}
			if !e.Up() || h.Snapshot().Endpoints[0].OpenConns != 0 {
				t.Error("a certificate took the endpoint out, or a connection is left")
			}
		})
	}
}

func TestWhichEndpointsAreSecured(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("order.test", "127.0.0.1")}})
	for _, c := range []struct {
		listed bool
		mode   model.UpstreamTLSMode
		raw    bool
		want   bool
	}{
		{true, model.TLSAsListed, false, true}, {false, model.TLSAsListed, false, false}, {false, model.TLSAlways, false, true},
		{true, model.TLSNever, false, false}, {true, model.TLSAsListed, true, false},
	} {
		_, _, e := secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: c.listed}, model.UpstreamTLS{Mode: c.mode, CA: ca.PEM()})
		conn, err := e.Dial(t.Context(), DialOptions{Raw: c.raw})
		if err != nil {
			t.Fatal(err)
		}
		state, is := conn.TLS()
		if is != c.want || e.TLS() != (c.want || c.raw) || is && !state.HandshakeComplete || !is && conn.Stream != conn.TCP {
			t.Errorf("%+v: TLS %t", c, is)
		}
		conn.Close()
	}
}

func TestServerNames(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("x")}, NextProtos: []string{"h2", "http/1.1"}})
	for _, c := range []struct {
		endpoint, setting, route, want string
	}{
		{"", "", "", ""}, // an address is never sent (RFC 6066 section 3)
		{"order-7f9c", "", "", ""},
		{"10.0.0.1", "", "", ""},
		{"order.test", "", "", "order.test"},
		{"order.test", "", "literal.test", "literal.test"},
		{"order.test", "set.test", "literal.test", "set.test"},
		{"", "10.0.0.1", "", ""},
		{"", "", "[::1]", ""},
	} {
		_, _, e := secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: true, Name: c.endpoint}, model.UpstreamTLS{Name: c.setting, SkipVerify: true})
		conn, err := e.Dial(t.Context(), DialOptions{Name: c.route})
		if err != nil {
			t.Fatal(err)
		}
		if talk(conn) != nil {
			t.Fatal("no answer")
		}
		states := server.seen()
		if got := states[len(states)-1]; got.ServerName != c.want || got.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%+v: sent %q, protocol %q", c, got.ServerName, got.NegotiatedProtocol)
		}
		conn.Close()
	}
	_, _, e := secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: true}, model.UpstreamTLS{SkipVerify: true})
	conn, err := e.Dial(t.Context(), DialOptions{Protocols: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	if state, _ := conn.TLS(); state.NegotiatedProtocol != "h2" {
		t.Errorf("protocol %q", state.NegotiatedProtocol)
	}
	conn.Close()
}

// TestConnectionsAreKeptByWhatTheyAre: pools are told apart by settings and by server name.
func TestConnectionsAreKeptByWhatTheyAre(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("a.test", "b.test", "127.0.0.1")}})
	table, h, e := secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
	dial := func(e *Endpoint, name string) *Conn {
		t.Helper()
		c, err := e.Dial(t.Context(), DialOptions{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if err := talk(c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b, none := dial(e, "a.test"), dial(e, "b.test"), dial(e, "")
	for _, c := range []*Conn{a, b, none} {
		e.Put(c)
	}
	if e.GetFor("c.test") != nil || e.GetFor("a.test") != a || e.GetFor("a.test") != nil || e.Get() != none || e.GetFor("b.test") != b {
		t.Error("a connection is used for another server name")
	}
	for _, c := range []*Conn{a, b, none} {
		if c.Stale() {
			t.Error("it is stale")
		}
		e.Put(c)
	}
	// Other settings: other observation, other connections, and keys count.
	chain, key := certstest.Text(t, ca.Client("one"))
	_, key2 := certstest.Text(t, ca.Client("two"))
	lives := map[*live]bool{e.live: true}
	for i, set := range []model.UpstreamTLS{
		{CA: ca.PEM(), SkipVerify: true}, {CA: ca.PEM(), Name: "a.test"}, {CA: ca.PEM() + ca.PEM()}, {CA: ca.PEM(), MinVersion: model.TLS13},
		{CA: ca.PEM(), MaxVersion: model.TLS12}, {CA: ca.PEM(), Chain: chain, Key: key}, {CA: ca.PEM(), Chain: chain, Key: key2}, {Mode: model.TLSNever},
	} {
		up := upstreamOf(orders)
		up.TLS = set
		g := acquire(t, table, up)
		other := pick(t, g)
		if g == h || lives[other.live] || other.Get() != nil {
			t.Errorf("%d: shares what it must not", i)
		}
		lives[other.live] = true
	}
	same := upstreamOf(orders)
	same.ID, same.TLS = "other", model.UpstreamTLS{CA: ca.PEM(), Mode: model.TLSAlways}
	if again := pick(t, acquire(t, table, same)); again.live != e.live {
		t.Error("equal settings do not share")
	}
	named := upstreamOf(orders)
	named.TLS = model.UpstreamTLS{CA: ca.PEM(), Name: "a.test"}
	e = pick(t, acquire(t, table, named))
	c := dial(e, "whatever.test")
	e.Put(c)
	if e.GetFor("else.test") != c {
		t.Error("where the settings have the name, the route's divides the connections")
	}
	c.Close()
}

func TestClientCertificateIsShown(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), MaxVersion: version})
		chain, key := certstest.Text(t, ca.Client("gateway"))
		_, _, e := secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM(), Chain: chain, Key: key})
		c, err := e.Dial(t.Context(), DialOptions{})
		if err != nil || talk(c) != nil {
			t.Fatal(err)
		}
		c.Close()
		if s := server.seen(); s[0].PeerCertificates[0].Subject.CommonName != "gateway" {
			t.Errorf("%v", s[0].PeerCertificates[0].Subject)
		}
		_, _, e = secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
		c, err = e.Dial(t.Context(), DialOptions{})
		if version == tls.VersionTLS12 {
			if code(err) != CodeTLS || !IsAlert(err) {
				t.Errorf("without: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := talk(c); !IsAlert(err) {
			t.Errorf("without: %v", err)
		}
		c.Close()
		if !e.Up() {
			t.Error("a refusal took the endpoint out")
		}
	}
}

func TestSessionsAreResumedPerEndpointAndSettings(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("a.test", "b.test", "127.0.0.1")}})
	table, _, e := secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
	resumed := func(e *Endpoint, name string) bool {
		t.Helper()
		c, err := e.Dial(t.Context(), DialOptions{Name: name})
		if err != nil || talk(c) != nil {
			t.Fatal(err)
		}
		state, _ := c.TLS()
		c.Close()
		return state.DidResume
	}
	if resumed(e, "a.test") || !resumed(e, "a.test") || resumed(e, "b.test") || !resumed(e, "b.test") {
		t.Error("sessions are not resumed, or at another name")
	}
	up := upstreamOf(orders)
	up.TLS = model.UpstreamTLS{CA: ca.PEM(), MinVersion: model.TLS13}
	if resumed(pick(t, acquire(t, table, up)), "a.test") {
		t.Error("a session of other settings is resumed")
	}
}

// TestTLSFailuresAreTheirsAlone: what goes wrong with TLS takes out those who speak it in this way, and nobody else.
func TestTLSFailuresAreTheirsAlone(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	var mu sync.Mutex
	how := "silent"
	var conns sync.WaitGroup
	t.Cleanup(conns.Wait)
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		conns.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			mu.Lock()
			now := how
			mu.Unlock()
			switch now {
			case "silent":
				io.Copy(io.Discard, c)
			case "clear":
				io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
				io.Copy(io.Discard, c)
			case "closes":
			case "TLS":
				if s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}}); s.Handshake() == nil {
					io.Copy(s, s)
				}
			}
		})
	})
	for _, c := range []struct {
		how  string
		want model.Code
	}{{"silent", CodeTLSTimeout}, {"clear", CodeTLS}, {"closes", CodeTLS}} {
		mu.Lock()
		how = c.how
		mu.Unlock()
		table, h, e := secureOne(t, Config{RetryFirst: time.Millisecond, RetryMax: 5 * time.Millisecond}, model.Endpoint{Addr: addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
		up := upstreamOf(orders)
		up.ID, up.TLS.Mode = "plain", model.TLSNever
		plain := pick(t, acquire(t, table, up))
		_, err := e.Dial(t.Context(), DialOptions{Handshake: 50 * time.Millisecond})
		if code(err) != c.want || e.Up() || !plain.Up() {
			t.Errorf("%s: %v, up %t, plain up %t", c.how, err, e.Up(), plain.Up())
		}
		if c2, err := plain.Dial(t.Context(), DialOptions{}); err == nil {
			c2.Close()
		} else {
			t.Errorf("%s: in clear text: %v", c.how, err)
		}
		if st := h.Snapshot().Endpoints[0]; st.Down != c.want || st.OpenConns != 0 {
			t.Errorf("%s: %+v", c.how, st)
		}
		mu.Lock()
		how = "TLS"
		mu.Unlock()
		eventually(t, "it is back once it speaks TLS", e.Up)
	}
	mu.Lock()
	how = "closes"
	mu.Unlock()
	_, _, e := secureOne(t, Config{}, model.Endpoint{Addr: addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
	if _, err := e.Dial(t.Context(), DialOptions{Name: "pay.test"}); code(err) != CodeTLS || !e.Up() {
		t.Errorf("a name of one route alone: %v, up %t", err, e.Up())
	}
	mu.Lock()
	how = "silent"
	mu.Unlock()
	_, _, e = secureOne(t, Config{}, model.Endpoint{Addr: addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.Dial(ctx, DialOptions{}); code(err) != CodeConnectCancelled || !e.Up() {
		t.Errorf("who gives up: %v, up %t", err, e.Up())
	}
	_, _, e = secureOne(t, Config{}, model.Endpoint{Addr: freeAddr(t), Secure: true}, model.UpstreamTLS{})
	if _, err := e.Dial(t.Context(), DialOptions{}); code(err) != CodeConnectRefused && code(err) != CodeConnectFailed || e.Up() {
		t.Errorf("a refused connection: %v", err)
	}
}

func TestSettingsThatCannotBeUsedSendNothing(t *testing.T) {
	accepted := make(chan struct{}, 1)
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) { c.Close(); accepted <- struct{}{} })
	for _, set := range []model.UpstreamTLS{{CA: "x"}, {CASecret: "shop/gone"}, {ClientSecret: "shop/gone"}, {Chain: "x", Key: model.NewSecret("very secret")}, {MinVersion: "1.1"}} {
		_, _, e := secureOne(t, Config{}, model.Endpoint{Addr: addr, Secure: true}, set)
		_, err := e.Dial(t.Context(), DialOptions{})
		if code(err) != CodeTLS || strings.Contains(err.Error(), "very secret") || !e.Up() {
			t.Errorf("%+v: %v", set, err)
		}
	}
	select {
	case <-accepted:
		t.Error("somebody was asked")
	default:
	}
}

// TestStaleTLS: what TLS has read beyond the last answer is seen, though the socket does not show it.
func TestStaleTLS(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	conns := make(chan *tls.Conn, 1)
	together := &gather{}
	addr := serve(t, "127.0.0.1:0", func(tcp *net.TCPConn) {
		tcp.SetDeadline(time.Now().Add(10 * time.Second))
		together.reset(tcp)
		c := tls.Server(together, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}})
		if c.Handshake() != nil {
			tcp.Close()
			return
		}
		conns <- c
	})
	_, _, e := secureOne(t, Config{}, model.Endpoint{Addr: addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
	ask := func(then func(s *tls.Conn)) *Conn {
		t.Helper()
		c, err := e.Dial(t.Context(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		s := <-conns
		t.Cleanup(func() { s.NetConn().(*gather).Conn.Close() })
		c.Stream.SetDeadline(time.Now().Add(5 * time.Second))
		together.hold()
		io.WriteString(s, "answer")
		then(s)
		together.release(t)
		b := make([]byte, 6)
		if _, err := io.ReadFull(c.Stream, b); err != nil || string(b) != "answer" {
			t.Fatal(string(b), err)
		}
		c.Stream.SetDeadline(time.Time{})
		return c
	}
	if c := ask(func(*tls.Conn) {}); c.Stale() {
		t.Error("a good one is stale")
	} else if _, err := io.WriteString(c.Stream, "x"); err != nil {
		t.Errorf("after looking, it is of no use: %v", err)
	}
	if c := ask(func(s *tls.Conn) { io.WriteString(s, "another answer") }); !c.Stale() {
		t.Error("an answer to nothing, in one segment with the last, is not seen")
	}
	if c := ask(func(s *tls.Conn) { s.CloseWrite() }); !c.Stale() {
		t.Error("an end, in one segment with the answer, is not seen")
	}
	c := ask(func(*tls.Conn) {})
	e.Put(c)
	if e.Get() != c || c.Stale() {
		t.Error("it was not kept")
	}
	if n := testing.AllocsPerRun(100, func() { _ = c.Stale() }); n > 1 { // of crypto/tls
		t.Errorf("%v allocations", n)
	}
}

// gather holds back what is written, to send it as one segment.
type gather struct {
	net.Conn
	mu   sync.Mutex
	held []byte
	on   bool
}

func (g *gather) reset(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Conn, g.held, g.on = c, nil, false
}

func (g *gather) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.on = true
}

func (g *gather) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.on {
		return g.Conn.Write(p)
	}
	g.held = append(g.held, p...)
	return len(p), nil
}

func (g *gather) release(t *testing.T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.on = false
	g.Conn.SetWriteDeadline(time.Now().Add(5 * time.Second)) // CloseWrite has set one
	if _, err := g.Conn.Write(g.held); err != nil {
		t.Error(err)
	}
	g.held = nil
}

// TestEndsAreTold: idle connections end in words of TLS, those in use at once.
func TestEndsAreTold(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}})
	table, _, e := secureOne(t, Config{}, model.Endpoint{Addr: server.addr, Secure: true}, model.UpstreamTLS{CA: ca.PEM()})
	dial := func() *Conn {
		c, err := e.Dial(t.Context(), DialOptions{})
		if err != nil || talk(c) != nil {
			t.Fatal(err)
		}
		return c
	}
	e.Put(dial())
	table.give("a", orders) // the endpoint goes
	if !<-server.ends {
		t.Error("the end of an idle one is not told")
	}
	table.give("a", orders, model.Endpoint{Addr: server.addr, Secure: true})
	e = pick(t, mustFind(t, table))
	dial().Close()
	if <-server.ends {
		t.Error("the end of one in use is told: it may have had to wait for that")
	}
}

func mustFind(t *testing.T, table *Table) *Handle {
	t.Helper()
	h, ok := table.Find("order")
	if !ok {
		t.Fatal("no handle")
	}
	return h
}

func TestHealthOverTLS(t *testing.T) {
	ca, other := certstest.New(t, "ca", nil), certstest.New(t, "other", nil)
	answer := func(config *tls.Config) netip.AddrPort {
		var conns sync.WaitGroup
		t.Cleanup(conns.Wait)
		return serve(t, "127.0.0.1:0", func(tcp *net.TCPConn) {
			conns.Go(func() {
				defer tcp.Close()
				tcp.SetDeadline(time.Now().Add(5 * time.Second))
				c := tls.Server(tcp, config)
				b := make([]byte, 1000)
				if n, err := c.Read(b); err == nil && strings.HasPrefix(string(b[:n]), "GET /healthz HTTP/1.1\r\n") {
					io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
				}
			})
		})
	}
	config := &tls.Config{Certificates: []tls.Certificate{ca.Server("order.test")}}
	for _, c := range []struct {
		name string
		kind model.HealthKind
		set  model.UpstreamTLS
		up   bool
	}{
		{"verified", model.HealthHTTP, model.UpstreamTLS{CA: ca.PEM(), Name: "order.test"}, true},
		{"the name is the routes' business", model.HealthHTTP, model.UpstreamTLS{CA: ca.PEM()}, true},
		{"another name", model.HealthHTTP, model.UpstreamTLS{CA: ca.PEM(), Name: "pay.test"}, false},
		{"another CA", model.HealthHTTP, model.UpstreamTLS{CA: other.PEM()}, false},
		{"another CA, TCP", model.HealthTCP, model.UpstreamTLS{CA: other.PEM()}, false},
		{"TCP", model.HealthTCP, model.UpstreamTLS{CA: ca.PEM()}, true},
		{"not verified", model.HealthTCP, model.UpstreamTLS{SkipVerify: true}, true},
		{"settings that cannot be used", model.HealthTCP, model.UpstreamTLS{CA: "x"}, false},
	} {
		table := newTable(t, Config{})
		up := upstreamOf(orders)
		up.TLS = c.set
		up.Health = model.HealthCheck{Kind: c.kind, Path: "/healthz", Interval: 5 * time.Millisecond, Timeout: time.Second, Rise: 1, Fall: 1}
		h := acquire(t, table, up)
		table.give("a", orders, model.Endpoint{Addr: answer(config), Secure: true})
		probed := func() bool { table.mu.Lock(); defer table.mu.Unlock(); return pickLive(h).probes >= 2 }
		eventually(t, "probed", probed)
		if st := h.Snapshot().Endpoints[0]; st.Up != c.up {
			t.Errorf("%s: up %t, %s", c.name, st.Up, st.Probe)
		}
	}
}

func pickLive(h *Handle) *live { return h.picker.Load().members[0].live }
