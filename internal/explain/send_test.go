package explain_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"paifang/internal/dnsserver"
	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a DNS server, an SLB and a node on real sockets, that record as the planes do.
type stage struct {
	state  *explaintest.State
	ring   *explain.Ring
	mu     sync.Mutex
	behind map[string]netip.AddrPort // the relay's connections to the node: whose they are
	silent bool                      // the node closes connections in place of an answer
	node   *httptest.Server
	slb    net.Listener
	dns    net.PacketConn
	wg     sync.WaitGroup
}

func newStage(t *testing.T) *stage {
	t.Helper()
	g := &stage{state: explaintest.New(), ring: explain.NewRing(0), behind: map[string]netip.AddrPort{}}
	g.node = httptest.NewServer(http.HandlerFunc(g.serve))
	var err error
	if g.slb, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if g.dns, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.slb.Close()
		g.dns.Close()
		g.node.CloseClientConnections()
		g.node.Close()
		g.wg.Wait()
	})
	node := netip.MustParseAddrPort(g.node.Listener.Addr().String())
	front := g.slb.Addr().(*net.TCPAddr).AddrPort()
	bootstrap := model.Objects{
		Listeners: []model.Listener{
			{ID: "dns", Protocol: model.DNS, Bind: []netip.AddrPort{g.dns.LocalAddr().(*net.UDPAddr).AddrPort()}},
			{ID: "slb/http", Class: "slb", Protocol: model.TCP, Bind: []netip.AddrPort{front}},
			{ID: "node-1/http", Class: "ingress", Protocol: model.HTTP, Node: "node-1", Advertise: []netip.Addr{front.Addr()}, Bind: []netip.AddrPort{node}},
		},
		L4Routes:  []model.L4Route{{ID: "slb", Attach: []model.Class{"slb"}, Upstream: explaintest.SLBNodes}},
		Upstreams: []model.Upstream{{ID: explaintest.SLBNodes, Endpoints: []model.EndpointsID{explaintest.Nodes}}},
		Zones:     []model.Zone{{Name: "test"}},
	}
	g.state.Snapshot = explaintest.Compile(bootstrap, explaintest.Ingress())
	g.state.ByID[explaintest.SLBNodes] = explain.Upstream{Known: true, Next: node, Endpoints: []explain.Endpoint{{Addr: node, Weight: 1000, Share: 1, Healthy: true}}}
	g.wg.Go(g.relay)
	g.wg.Go(g.answer)
	return g
}

func (g *stage) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	client, ok := g.behind[r.RemoteAddr]
	silent := g.silent
	g.mu.Unlock()
	if !ok {
		client = netip.MustParseAddrPort(r.RemoteAddr)
	}
	if silent {
		panic(http.ErrAbortHandler)
	}
	e := explain.Exchange{Client: client, Listener: "node-1/http", Node: "node-1", Route: "ingress/shop/shop/0/0", Upstream: explaintest.OrderService,
		Endpoint: netip.MustParseAddrPort("127.1.1.2:8080"), Tries: 2, Status: 200, Connect: 300 * time.Microsecond, FirstByte: 1500 * time.Microsecond}
	fmt.Fprintf(w, "%s %s", r.Host, r.Header.Get("X-Lane"))
	w.(http.Flusher).Flush()
	g.ring.AddExchange(e) // after the answer: the sender has to wait for it
}

func (g *stage) relay() {
	for {
		in, err := g.slb.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", g.node.Listener.Addr().String())
		if err != nil {
			in.Close()
			continue
		}
		client := in.RemoteAddr().(*net.TCPAddr).AddrPort()
		g.mu.Lock()
		g.behind[out.LocalAddr().String()] = client
		g.mu.Unlock()
		g.ring.AddPassage(explain.Passage{Client: client, Listener: "slb/http", Endpoint: netip.MustParseAddrPort(g.node.Listener.Addr().String()), Tries: 1, Connect: 200 * time.Microsecond})
		g.wg.Go(func() { io.Copy(out, in); out.Close() })
		g.wg.Go(func() { io.Copy(in, out); in.Close() })
	}
}

func (g *stage) answer() {
	buf := make([]byte, 2048)
	for {
		n, from, err := g.dns.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil {
			continue
		}
		q := m.Questions[0]
		found := dnsserver.Lookup(g.state.Snapshot, q.Name.String(), dnsserver.Type(q.Type))
		m.Response = true
		switch found.Outcome {
		case dnsserver.NoName:
			m.RCode = dnsmessage.RCodeNameError
		case dnsserver.Declined:
			m.RCode = dnsmessage.RCodeRefused
		}
		for _, a := range found.Addrs {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}, Body: &dnsmessage.AResource{A: a.As4()}})
		}
		if packet, err := m.Pack(); err == nil {
			g.dns.WriteTo(packet, from)
		}
	}
}

func (g *stage) send(t *testing.T, q explain.Request) (explain.Result, string) {
	t.Helper()
	r, err := explain.Send(context.Background(), g.state.World, g.ring, q)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := explain.Fprint(&b, r); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	text = strings.NewReplacer(g.slb.Addr().String(), "SLB", g.node.Listener.Addr().String(), "NODE").Replace(text)
	return r, regexp.MustCompile(`(dns .*), [0-9.]+ ms|(in) [0-9.]+ ms`).ReplaceAllString(text, "$1$2 T ms")
}

func TestSendPrintsWhatHappened(t *testing.T) {
	g := newStage(t)
	r, got := g.send(t, explain.Request{URL: "http://shop.test/order/42", Headers: []string{"X-Lane: blue"}})
	want := `http://shop.test/order/42 takes road 1: domain, SLB, ingress, service, pod
 1 client    GET http://shop.test/order/42, X-Lane: blue
 2 dns       shop.test A 127.0.0.1 (3-ingress.yaml:9) T ms
 3 slb       1 of 1 node healthy, round robin: took node-1, 0.2 ms to connect
 4 node      node-1 NODE
 5 ingress   listener http on node-1 takes it
 6 route     host shop.test, /order Prefix, to order-service:80 (3-ingress.yaml:12); lost: / (shorter)
 7 upstream  order-service:80, 2 of 2 ready (by label app=order), round robin: took 127.1.1.2:8080, 1 retry, 0.3 ms to connect
 8 pod       order-a on node-1; port 8080 is process 41230
 9 answer    200 in T ms, the first byte from the pod after 1.5 ms, 14 bytes
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !r.Sent || r.Status != 200 || r.Endpoint != "127.1.1.2:8080" || r.Hops[6].MS != 0.3 || r.Hops[8].MS <= 0 {
		t.Errorf("result is %+v", r)
	}
}

func TestSendSaysWhyThereIsNoAnswer(t *testing.T) {
	g := newStage(t)
	g.silent = true
	if _, got := g.send(t, explain.Request{URL: "http://shop.test/order/42"}); !strings.Contains(got, "answer    no answer: the connection was closed") {
		t.Errorf("got\n%s", got)
	}
	if _, got := g.send(t, explain.Request{URL: "http://shpo.test/"}); !strings.Contains(got, "NXDOMAIN: zone test has no name shpo.test; there are shop.test") ||
		!strings.Contains(got, "no connection: the name has no address; nothing was sent") {
		t.Errorf("got\n%s", got)
	}
	g.slb.Close()
	if _, got := g.send(t, explain.Request{URL: "http://shop.test/order/42"}); !strings.Contains(got, "answer    no connection: ") || !strings.Contains(got, "refused") ||
		!strings.Contains(got, "it ends at hop 3, connect") {
		t.Errorf("got\n%s", got)
	}
}

// Send must not become a way to reach what this machine reaches and its caller does not.
func TestSendConnectsToOurListenersAlone(t *testing.T) {
	g := newStage(t)
	foreign, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	_, got := g.send(t, explain.Request{URL: "http://" + foreign.Addr().String() + "/"})
	if !strings.Contains(got, "no listener of ours has") || !strings.Contains(got, "nothing was sent") {
		t.Errorf("got\n%s", got)
	}
	foreign.(*net.TCPListener).SetDeadline(time.Now().Add(50 * time.Millisecond))
	if c, err := foreign.Accept(); err == nil {
		c.Close()
		t.Error("a connection was made to what is no listener of the snapshot")
	}
}

func TestSendOverTLSToAListenerDirectly(t *testing.T) {
	ring := explain.NewRing(4)
	names := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Paifang-Reason", "no-endpoints")
		w.WriteHeader(503)
		ring.AddExchange(explain.Exchange{Client: netip.MustParseAddrPort(r.RemoteAddr), Status: 503})
	}))
	server.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil
	}}
	server.StartTLS()
	defer server.Close()
	s := explaintest.New()
	s.Snapshot = explaintest.Compile(model.Objects{Listeners: []model.Listener{{ID: "edge/https", Class: "ingress", Protocol: model.HTTPS,
		Bind: []netip.AddrPort{netip.MustParseAddrPort(server.Listener.Addr().String())}}}}, explaintest.Ingress())
	r, err := explain.Send(context.Background(), s.World, ring, explain.Request{URL: "https://" + server.Listener.Addr().String() + "/order", Headers: []string{"Host: shop.test"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 503 || r.Code != "no-endpoints" {
		t.Errorf("result is %+v", r)
	}
	if sni := <-names; sni != "" {
		t.Errorf("an address was sent as a server name: %q", sni)
	}
}

func TestRingKeepsTheNewest(t *testing.T) {
	r := explain.NewRing(2)
	client := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Loopback(), port) }
	for i := range uint16(1000) {
		r.AddExchange(explain.Exchange{Client: client(i), Status: 1})
		r.AddPassage(explain.Passage{Client: client(i)})
	}
	if _, ok := r.Exchange(client(999)); !ok {
		t.Error("the newest is missing")
	}
	r.AddPassage(explain.Passage{Client: client(2)})
	r.AddExchange(explain.Exchange{Client: client(2), Status: 2})
	if _, ok := r.Exchange(client(0)); ok {
		t.Error("the oldest is still there")
	}
	if e, ok := r.Exchange(client(2)); !ok || e.Status != 2 {
		t.Errorf("the newest is %+v", e)
	}
	if _, ok := r.Passage(client(2)); !ok {
		t.Error("the newest passage is missing")
	}
	if n := testing.AllocsPerRun(100, func() { r.AddExchange(explain.Exchange{}) }); n != 0 {
		t.Errorf("recording allocates %v times", n)
	}
}
