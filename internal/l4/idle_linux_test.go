package l4

import (
	"net"
	"os"
	"testing"
	"time"
)

// Whoever connects and is silent costs a descriptor for each of the two connections, and no more.
func TestIdleConnectionsHoldNoPipes(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{IdleTimeout: 10 * time.Second}, nil)
	b.endpoints(n.addr)
	first := dial(t, b.addr(), "")
	greeted(t, first, "node-1")
	before := descriptors(t)
	const clients = 50
	conns := make([]net.Conn, 0, clients)
	for range clients {
		c := dial(t, b.addr(), "")
		greeted(t, c, "node-1")
		says(t, c, "hello")
		conns = append(conns, c)
	}
	// Both ends of both connections are in this process.
	if held := descriptors(t) - before; held > 4*clients+clients/2 {
		t.Errorf("%d idle connections hold %d descriptors, want 4 each", clients, held)
	}
	for _, c := range conns {
		says(t, c, "again")
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(all)
}
