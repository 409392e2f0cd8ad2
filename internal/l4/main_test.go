package l4

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ownAddresses tells whether any address of 127.0.0.0/8 may be used here.
var ownAddresses = runtime.GOOS == "linux"

var nodes = model.EndpointsID{Keeper: model.KeeperStatic, Name: "nodes"}

// records keeps what the plane says of connections.
type records struct {
	mu  sync.Mutex
	all []telemetry.Access
}

func (r *records) Record(a *telemetry.Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, *a)
}

func (r *records) last(t *testing.T, n int) telemetry.Access {
	t.Helper()
	var out telemetry.Access
	eventually(t, "the record", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.all) < n {
			return false
		}
		out = r.all[n-1]
		return true
	})
	return out
}

// balancer is a plane with what it stands on.
type balancer struct {
	t        *testing.T
	plane    *Plane
	store    *snapshot.Store
	table    *upstream.Table
	sockets  *listener.Set
	records  records
	listener model.Listener
	up       model.Upstream
	tries    int // of the route
	within   time.Duration
	version  uint64
}

// newBalancer is a plane that serves one listener with the upstream of the list nodes.
func newBalancer(t *testing.T, cfg Config, change func(*balancer)) *balancer {
	b := &balancer{
		t: t, table: upstream.NewTable(upstream.Config{RetryFirst: 50 * time.Millisecond}), sockets: listener.NewSet(listener.Config{}),
		listener: model.Listener{ID: "slb/http", Protocol: model.TCP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}},
		up:       model.Upstream{ID: "slb", Endpoints: []model.EndpointsID{nodes}},
	}
	if change != nil {
		change(b)
	}
	cfg.Sockets, cfg.Upstreams, cfg.Recorder = b.sockets, b.table, &b.records
	b.plane = New(cfg)
	b.store = snapshot.NewStore(b.plane)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		b.plane.Close(ctx)
		b.store.Close()
		b.sockets.Close()
		b.table.Close()
	})
	b.publish()
	return b
}

// snapshot is the rules as they are in b now.
func (b *balancer) snapshot() *snapshot.Snapshot {
	b.version++
	var ups shard.Map[*model.Upstream]
	e := ups.Edit()
	up := b.up
	e.Set(string(up.ID), &up)
	return snapshot.New(snapshot.Contents{
		Version: b.version, Listeners: []model.Listener{b.listener}, Upstreams: e.Map(),
		L4Routes: []model.L4Route{{ID: "slb", Attach: []model.Class{b.listener.EffectiveClass()}, Upstream: up.ID, Tries: b.tries, Within: b.within}},
	})
}

func (b *balancer) publish() {
	b.t.Helper()
	if refused := b.store.Publish(b.t.Context(), b.snapshot()); len(refused) > 0 {
		b.t.Fatalf("refused: %+v", b.store.Planes())
	}
}

func (b *balancer) endpoints(addrs ...netip.AddrPort) {
	set := model.EndpointSet{List: nodes}
	for _, a := range addrs {
		set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: a, Name: "node-" + a.Addr().String()})
	}
	b.table.SetContribution("test", "nodes", []model.EndpointSet{set}, 0)
}

func (b *balancer) addr() netip.AddrPort { return b.plane.Status()[0].Addrs[0] }

func (b *balancer) status() ListenerStatus { return b.plane.Status()[0] }

// state is how the upstream stands for an endpoint.
func (b *balancer) state(addr netip.AddrPort) upstream.EndpointStatus {
	h, ok := b.table.Find("slb")
	if !ok {
		b.t.Fatal("no upstream")
	}
	for _, e := range h.Snapshot().Endpoints {
		if e.Addr == addr {
			return e
		}
	}
	return upstream.EndpointStatus{}
}

// node is a machine that greets with its name and the client it sees, and then says back what it hears.
type node struct {
	name   string
	set    *listener.Set
	handle *listener.Handle
	addr   netip.AddrPort
	served atomic.Int64

	mu    sync.Mutex
	conns map[*listener.Conn]bool
}

// servers are the addresses that the clients of open connections are said to have connected to.
func (n *node) servers() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for c := range n.conns {
		out = append(out, c.Server.String())
	}
	return out
}

func newNode(t *testing.T, name string, at string, trust ...netip.Prefix) *node {
	t.Helper()
	n := &node{name: name, set: listener.NewSet(listener.Config{DrainDelay: 1500 * time.Millisecond}), conns: map[*listener.Conn]bool{}}
	l := model.Listener{ID: model.ListenerID(name), Protocol: model.HTTP, Trust: model.Trust{ProxyFrom: trust}}
	var err error
	if n.handle, err = n.set.Acquire(t.Context(), l, netip.MustParseAddrPort(at)); err != nil {
		t.Fatal(err)
	}
	n.addr = n.handle.Addr()
	n.handle.Serve(func(c *listener.Conn) {
		defer c.Close()
		n.served.Add(1)
		n.keep(c, true)
		defer n.keep(c, false)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, n.name+" "+c.Client.Addr().String()+"\n")
		io.Copy(c, struct{ io.Reader }{c})
		c.CloseWrite()
	})
	t.Cleanup(n.kill)
	return n
}

func (n *node) keep(c *listener.Conn, yes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if yes {
		n.conns[c] = true
	} else {
		delete(n.conns, c)
	}
}

// kill is kill -9: the port closes and every connection is reset.
func (n *node) kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n.handle.Release(ctx)
	n.mu.Lock()
	for c := range n.conns {
		c.TCP().SetLinger(0)
		c.Close()
	}
	n.mu.Unlock()
	n.set.Close()
}

// dial connects from an address of our own, or from whatever the system takes.
func dial(t *testing.T, to netip.AddrPort, from string) *net.TCPConn {
	t.Helper()
	d := net.Dialer{Timeout: 2 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c.(*net.TCPConn)
}

// greeting reads the first line.
func greeting(c net.Conn) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(c, b); err != nil {
			return string(line), err
		}
		if b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[0])
	}
}

func greeted(t *testing.T, c net.Conn, want string) {
	t.Helper()
	if got, err := greeting(c); err != nil || !strings.HasPrefix(got, want) {
		t.Fatalf("greeted with %q, %v; want %q", got, err, want)
	}
}

// says sends a word and expects it back.
func says(t *testing.T, c net.Conn, word string) {
	t.Helper()
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(word))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != word {
		t.Fatalf("got %q, %v back; want %q", b, err, word)
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

func freeAddr(t *testing.T) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// refused connects and expects the connection to be reset, at once or when something is read.
func refused(t *testing.T, to netip.AddrPort) {
	t.Helper()
	c, err := net.DialTimeout("tcp", to.String(), 2*time.Second)
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = io.ReadAll(c)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}
}

// isBroken tells a reset from an orderly end.
func isBroken(err error) bool { return err != nil && !errors.Is(err, io.EOF) }
