package interop

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// Thousands of connections that say nothing disturb nobody and are closed.
func TestIdleConnections(t *testing.T) {
	v := newServer(t, settings{})
	const n = 10_000
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range n {
		at := fmt.Sprintf("127.0.0.1:%d", v.port+1000*(i%2))
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(1+i%200))}}).Dial("tcp", at)
		if err != nil {
			t.Skipf("this machine has no room for %d connections: %v", n, err)
		}
		conns = append(conns, c)
	}
	c := openGo2(t, access{host: "127.0.0.1", port: v.port, namespace: "public", dir: scratch(t)})
	must(t, c.register("order", at("127.0.0.1", 8081)))
	must(t, c.subscribe("order"))
	sees(t, c, "order", at("127.0.0.1", 8081))
	for _, c := range conns {
		must(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
		for buf := make([]byte, 1024); ; { // what a server says before it closes
			if _, err := c.Read(buf); err != nil {
				if e, ok := err.(net.Error); ok && e.Timeout() {
					t.Fatal("a connection that says nothing is not closed")
				}
				break
			}
		}
	}
	v.call(t, "GET", "/v1/ns/operator/metrics")
}
