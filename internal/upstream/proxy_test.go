package upstream

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestVersionOneHeader: the line of version 1 byte for byte, for every pair of families, and what probes send in its place.
func TestVersionOneHeader(t *testing.T) {
	got := make(chan string, 64)
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(2 * time.Second))
		r := bufio.NewReader(c)
		line, _ := r.ReadString('\n')
		next, _ := r.ReadString('\n')
		select {
		case got <- line + next:
		default:
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	})
	_, _, e := one(t, Config{}, addr, model.Dial{Proxy: model.ProxyV1})
	for _, c := range []struct{ client, server, want string }{
		{"127.0.0.99:4711", "127.0.0.10:8080", "PROXY TCP4 127.0.0.99 127.0.0.10 4711 8080\r\n"},
		{"[2001:db8::9]:1", "[2001:db8::1]:65535", "PROXY TCP6 2001:db8::9 2001:db8::1 1 65535\r\n"},
		{"9.9.9.9:1", "[2001:db8::1]:80", "PROXY TCP6 ::ffff:9.9.9.9 2001:db8::1 1 80\r\n"},
	} {
		conn, err := e.Dial(t.Context(), DialOptions{Client: netip.MustParseAddrPort(c.client), Server: netip.MustParseAddrPort(c.server)})
		if err != nil {
			t.Fatal(err)
		}
		conn.TCP.Write([]byte("hello\n"))
		if s := <-got; s != c.want+"hello\n" {
			t.Errorf("got %q, want %q", s, c.want)
		}
		e.Put(conn)
		if e.Get() != nil {
			t.Error("a connection that begins with a client's address was kept for another")
		}
	}
	table := newTable(t, Config{})
	up := upstreamOf(orders)
	up.Health = model.HealthCheck{Kind: model.HealthHTTP, Path: "/readyz", Interval: 10 * time.Millisecond}
	up.Dial.Proxy = model.ProxyV1
	table.give("a", orders, model.Endpoint{Addr: addr})
	acquire(t, table, up)
	if s := <-got; s != "PROXY UNKNOWN\r\nGET /readyz HTTP/1.1\r\n" {
		t.Errorf("a probe begins with %q", s)
	}
}
