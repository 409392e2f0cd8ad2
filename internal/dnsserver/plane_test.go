package dnsserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

func dnsListener(id string, bind ...string) model.Listener {
	l := model.Listener{ID: model.ListenerID(id), Protocol: model.DNS, Origin: model.Origin{Name: id}}
	for _, b := range bind {
		l.Bind = append(l.Bind, netip.MustParseAddrPort(b))
	}
	return l
}

func publish(t *testing.T, s *Server, snap *snapshot.Snapshot) {
	t.Helper()
	c, err := s.Prepare(t.Context(), snap)
	if err != nil {
		t.Fatal(err)
	}
	c.Commit()
	c.Retire(t.Context())
}

func started(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s := New(o)
	t.Cleanup(s.Close)
	publish(t, s, testSnapshot(1, dnsListener("dns", "127.0.0.1:0")))
	return s, s.Bound()[0].String()
}

func exchange(t *testing.T, network, addr string, q *dns.Msg) *dns.Msg {
	t.Helper()
	r, err := tryExchange(network, addr, q)
	if err != nil {
		t.Fatalf("%s %s: %v", network, addr, err)
	}
	return r
}

func tryExchange(network, addr string, q *dns.Msg) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: 2 * time.Second}
	r, _, err := c.Exchange(q, addr)
	return r, err
}

func TestBothTransports(t *testing.T) {
	_, addr := started(t, Options{})
	for _, network := range []string{"udp", "tcp"} {
		r := exchange(t, network, addr, question("shop.test.", dns.TypeA))
		if len(r.Answer) != 1 || r.Answer[0].(*dns.A).A.String() != "127.0.0.10" {
			t.Errorf("%s: %v", network, r)
		}
	}
	if r := exchange(t, "udp", addr, question("many.test.", dns.TypeA)); !r.Truncated {
		t.Errorf("not truncated: %v", r)
	}
	if r := exchange(t, "tcp", addr, question("many.test.", dns.TypeA)); r.Truncated || len(r.Answer) != 100 {
		t.Errorf("over TCP: %d answers", len(r.Answer))
	}
}

func TestSystemResolverOfGo(t *testing.T) {
	_, addr := started(t, Options{})
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if ips, err := r.LookupHost(ctx, "many.test."); err != nil || len(ips) != 100 {
		t.Errorf("many.test: %d addresses, %v", len(ips), err)
	}
	var notFound *net.DNSError
	if _, err := r.LookupHost(ctx, "none.test."); !errors.As(err, &notFound) || !notFound.IsNotFound {
		t.Errorf("none.test: %v", err)
	}
}

func TestSocketBoundToAllAddressesAnswersFromTheOneAsked(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	publish(t, s, testSnapshot(1, dnsListener("dns", "0.0.0.0:0")))
	port := s.Bound()[0].Port()
	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.77:%d", port)) // connected: it takes answers from 127.0.0.77 alone
	if err != nil {
		t.Skip("this system has no 127.0.0.77")
	}
	c.Close()
	r := exchange(t, "udp", fmt.Sprintf("127.0.0.77:%d", port), question("shop.test.", dns.TypeA))
	if len(r.Answer) != 1 {
		t.Errorf("%v", r)
	}
}

func TestSwitchOver(t *testing.T) {
	s, addr := started(t, Options{})
	first := s.Bound()[0]
	// The same listener keeps its sockets; another address is added; questions see the new snapshot.
	publish(t, s, testSnapshot(2, dnsListener("dns", "127.0.0.1:0"), dnsListener("more", "127.0.0.1:0")))
	if b := s.Bound(); len(b) != 2 || b[0] != first && b[1] != first {
		t.Fatalf("bound %v, before %v", b, first)
	}
	if r := exchange(t, "udp", addr, question("test.", dns.TypeSOA)); r.Answer[0].(*dns.SOA).Serial != 2 {
		t.Errorf("%v", r)
	}
	// What is aborted changes nothing.
	c, err := s.Prepare(t.Context(), testSnapshot(3, dnsListener("other", "127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	c.Abort()
	if r := exchange(t, "udp", addr, question("test.", dns.TypeSOA)); r.Answer[0].(*dns.SOA).Serial != 2 {
		t.Errorf("%v", r)
	}
	// A listener that goes gives its address back, at the commit: the next Prepare may want it.
	publish(t, s, testSnapshot(4))
	if b := s.Bound(); len(b) != 0 {
		t.Fatalf("bound %v", b)
	}
	publish(t, s, testSnapshot(5, dnsListener("again", first.String())))
	if r := exchange(t, "tcp", addr, question("test.", dns.TypeSOA)); r.Answer[0].(*dns.SOA).Serial != 5 {
		t.Errorf("%v", r)
	}
}

func TestNoAnswerIsLostDuringSwaps(t *testing.T) {
	s, addr := started(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				if r, err := tryExchange("udp", addr, question("shop.test.", dns.TypeA)); err != nil || len(r.Answer) != 1 {
					t.Errorf("%v %v", r, err)
					return
				}
			}
		})
	}
	swapped := make(chan struct{})
	go func() {
		defer close(swapped)
		for v := uint64(2); ctx.Err() == nil; v++ {
			c, err := s.Prepare(context.Background(), testSnapshot(v, dnsListener("dns", "127.0.0.1:0")))
			if err != nil {
				t.Error(err)
				return
			}
			c.Commit()
			c.Retire(context.Background())
		}
	}()
	wg.Wait()
	cancel()
	<-swapped
}

func TestAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0") // UDP would be free
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	s := New(Options{})
	defer s.Close()
	if _, err := s.Prepare(t.Context(), testSnapshot(1, dnsListener("dns", at))); err == nil {
		t.Fatal("no error with nothing bound")
	}
	if d := s.Diagnostics(); len(d) != 1 || d[0].Code != model.CodeListenerFailed || d[0].Origin.Name != "dns" || d[0].Field != "bind[0]" {
		t.Errorf("diagnostics: %v", d)
	}
	// With one that is bound the other is a diagnostic, and is tried again.
	two := dnsListener("dns", "127.0.0.1:0", at)
	publish(t, s, testSnapshot(2, two))
	if d := s.Diagnostics(); len(d) != 1 || d[0].Field != "bind[1]" || len(s.Bound()) != 1 {
		t.Errorf("diagnostics: %v, bound %v", d, s.Bound())
	}
	taken.Close()
	publish(t, s, testSnapshot(3, two))
	if d := s.Diagnostics(); len(d) != 0 || len(s.Bound()) != 2 {
		t.Errorf("diagnostics: %v, bound %v", d, s.Bound())
	}
}

func TestGarbageDoesNotStopTheServer(t *testing.T) {
	_, addr := started(t, Options{})
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 500 {
		b := make([]byte, n%300)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if len(b) > 5 && n%2 == 0 {
			copy(b[2:], []byte{0, 0, 0, 1})
		}
		if _, err := c.Write(b); err != nil {
			continue // an ICMP error of before
		}
	}
	for _, b := range [][]byte{{0, 3, 1, 2, 3}, {0xff, 0xff}, {0, 0}, []byte("GET / HTTP/1.1\r\n\r\n")} {
		tcp, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = tcp.Write(b)
		tcp.Close()
	}
	if r := exchange(t, "tcp", addr, question("shop.test.", dns.TypeA)); len(r.Answer) != 1 {
		t.Errorf("%v", r)
	}
	r, err := tryExchange("udp", addr, question("shop.test.", dns.TypeA))
	for range 4 { // the garbage may have filled what the system keeps for the socket, and it drops the rest
		if err == nil {
			break
		}
		r, err = tryExchange("udp", addr, question("shop.test.", dns.TypeA))
	}
	if err != nil || len(r.Answer) != 1 {
		t.Errorf("%v, %v", r, err)
	}
}

func TestTCPPipelineInPieces(t *testing.T) {
	_, addr := started(t, Options{})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	var stream []byte
	for id := range 3 {
		q := question("shop.test.", dns.TypeA)
		q.Id = uint16(id)
		b := wire(t, q)
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(b))), b...)
	}
	for _, b := range stream {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	for id := range 3 {
		head := make([]byte, 2)
		if _, err := io.ReadFull(c, head); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, binary.BigEndian.Uint16(head))
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		if got := binary.BigEndian.Uint16(b); got != uint16(id) {
			t.Errorf("answer %d has ID %d", id, got)
		}
	}
}

// isClosed tells whether the server closes a connection within two seconds.
func isClosed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestTCPBounds(t *testing.T) {
	_, addr := started(t, Options{Idle: 100 * time.Millisecond, ConnsOfClient: 2})
	dial := func(from string) net.Conn {
		t.Helper()
		d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	// A client over its bound is closed at once, another one is served.
	a, b := dial("127.0.0.1"), dial("127.0.0.1")
	deadline := time.Now().Add(time.Second)
	third := dial("127.0.0.1")
	if !isClosed(third) || time.Now().After(deadline) {
		t.Error("the third connection is not closed")
	}
	if !isClosed(a) || !isClosed(b) {
		t.Error("idle connections are not closed")
	}
	if r := exchange(t, "tcp", addr, question("shop.test.", dns.TypeA)); len(r.Answer) != 1 {
		t.Errorf("%v", r)
	}
}

func TestCloseWithOpenConnections(t *testing.T) {
	s, addr := started(t, Options{})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte{0, 40, 1}); err != nil { // a message that does not end
		t.Fatal(err)
	}
	begin := time.Now()
	s.Close()
	if d := time.Since(begin); d > time.Second {
		t.Errorf("Close took %v", d)
	}
	if !isClosed(c) {
		t.Error("the connection is open")
	}
	if _, err := s.Prepare(t.Context(), testSnapshot(2)); err == nil {
		t.Error("a closed server prepares")
	}
}
