package upstream

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var orders = model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "shop/order:http"}

func newTable(t *testing.T, cfg Config) *Table {
	t.Helper()
	table := NewTable(cfg)
	t.Cleanup(table.Close)
	return table
}

func upstreamOf(lists ...model.EndpointsID) *model.Upstream {
	return &model.Upstream{ID: "order", Endpoints: lists}
}

func acquire(t *testing.T, table *Table, up *model.Upstream) *Handle {
	t.Helper()
	h := table.Acquire(up)
	t.Cleanup(h.Release)
	return h
}

// at is an endpoint that nothing listens on.
func at(addr string) model.Endpoint { return model.Endpoint{Addr: netip.MustParseAddrPort(addr)} }

func weighed(e model.Endpoint, w model.Weight) model.Endpoint {
	e.Weight = w
	return e
}

func in(s model.EndpointState, e model.Endpoint) model.Endpoint {
	e.State = s
	return e
}

func (t *Table) give(group string, id model.EndpointsID, es ...model.Endpoint) {
	t.SetContribution("test", group, []model.EndpointSet{{List: id, Endpoints: es}}, 0)
}

func pick(t *testing.T, h *Handle, tried ...*Endpoint) *Endpoint {
	t.Helper()
	e, err := h.Pick(Hint{Tried: tried})
	if err != nil {
		t.Fatalf("pick: %v", err)
	}
	e.Done(Abandoned)
	return e
}

// picks returns how often each address is chosen in n picks.
func picks(t *testing.T, h *Handle, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		got[pick(t, h).Addr.String()]++
	}
	return got
}

func wantErr(t *testing.T, h *Handle, want error, tried ...*Endpoint) {
	t.Helper()
	if e, err := h.Pick(Hint{Tried: tried}); !errors.Is(err, want) {
		t.Fatalf("pick: got %v, %v; want %v", e, err, want)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("it never came to this: %s", what)
}

// serve listens and hands connections to the handler until the test ends.
func serve(t *testing.T, addr string, handle func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			handle(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// freeAddr is an address that nothing listens on.
func freeAddr(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}
