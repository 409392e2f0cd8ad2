package dnsserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// Sockets opens what the server reads from: both on one address, as every DNS server must (RFC 7766 section 5).
type Sockets interface {
	Packet(ctx context.Context, at netip.AddrPort) (net.PacketConn, error)
	Stream(ctx context.Context, at netip.AddrPort) (net.Listener, error)
}

// System opens sockets of the operating system.
type System struct{}

// Packet binds UDP.
func (System) Packet(ctx context.Context, at netip.AddrPort) (net.PacketConn, error) {
	var lc net.ListenConfig
	return lc.ListenPacket(ctx, network("udp", at), at.String())
}

// Stream binds and listens on TCP.
func (System) Stream(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, network("tcp", at), at.String())
}

// network keeps 0.0.0.0 to IPv4; [::] takes both.
func network(proto string, at netip.AddrPort) string {
	if at.Addr().Is4() {
		return proto + "4"
	}
	return proto
}

// Options of a Server. The zero value is usable.
type Options struct {
	Sockets       Sockets       // default System
	Log           *slog.Logger  // default: discarded
	Conns         int           // TCP connections at once, of one address of a listener; default 512
	ConnsOfClient int           // of these, from one client; default 16
	Idle          time.Duration // a TCP connection without a question is closed after; default 10s
}

// Server is the DNS plane.
type Server struct {
	o       Options
	current atomic.Pointer[snapshot.Snapshot]
	counts  counts
	names   nameCounts

	mu     sync.Mutex // guards what follows; Prepare and Commit write it, the others read
	bound  map[key]*binding
	faults []model.Diagnostic
	closed bool
}

// key is an address of a listener. Where the system chooses the port, each listener has one of its own.
type key struct {
	at    netip.AddrPort
	owner model.ListenerID // only with port 0
}

var _ snapshot.Plane = (*Server)(nil)

// New returns a server that is bound to nothing and refuses nothing: it starts with its first Prepare.
func New(o Options) *Server {
	if o.Sockets == nil {
		o.Sockets = System{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Conns = cmp.Or(o.Conns, 512)
	o.ConnsOfClient = cmp.Or(o.ConnsOfClient, 16)
	o.Idle = cmp.Or(o.Idle, 10*time.Second)
	s := &Server{o: o, names: nameCounts{m: map[model.Host]*nameTally{}}, bound: map[key]*binding{}}
	s.current.Store(snapshot.Empty())
	return s
}

// Name returns "dns".
func (s *Server) Name() string { return "dns" }

// Prepare binds the addresses that are new, without reading from them. An address that cannot be bound is a diagnostic on
// its listener (see Diagnostics) and is tried again at the next Prepare; only when no address at all is bound is it an error.
func (s *Server) Prepare(ctx context.Context, next *snapshot.Snapshot) (snapshot.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("dnsserver: prepare: the server is closed")
	}
	c := &change{s: s, next: next, want: map[key]*binding{}}
	var errs []error
	for l := range next.Listeners() {
		if l.Protocol != model.DNS || l.Elsewhere {
			continue
		}
		for i, at := range l.Bind {
			k := key{at: at}
			if at.Port() == 0 {
				k.owner = l.ID
			}
			if c.want[k] != nil {
				continue
			}
			if b := s.bound[k]; b != nil {
				c.want[k] = b
				continue
			}
			b, err := open(ctx, s, at)
			if err != nil {
				errs = append(errs, err)
				c.faults = append(c.faults, model.Diagnostic{Origin: l.Origin, Field: fmt.Sprintf("bind[%d]", i), Severity: model.Error,
					Code: model.CodeListenerFailed, Message: fmt.Sprintf("listener %s does not answer DNS at %s: %v", l.ID, at, err)})
				continue
			}
			c.want[k] = b
			c.opened = append(c.opened, b)
		}
	}
	if len(errs) > 0 && len(c.want) == 0 {
		s.faults = c.faults
		return nil, fmt.Errorf("dnsserver: prepare: %w", errors.Join(errs...))
	}
	return c, nil
}

type change struct {
	s      *Server
	next   *snapshot.Snapshot
	want   map[key]*binding
	opened []*binding
	left   []*binding
	faults []model.Diagnostic
}

// Commit lets questions see the next snapshot, closes the addresses that are not wanted any more and reads from the new ones.
func (c *change) Commit() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.current.Store(c.next)
	for k, b := range c.s.bound {
		if c.want[k] != b {
			b.close()
			c.left = append(c.left, b)
		}
	}
	c.s.bound, c.s.faults = c.want, c.faults
	for _, b := range c.opened {
		if c.s.closed {
			b.close()
			continue
		}
		b.start()
	}
}

// Retire waits for what still answers on closed addresses.
func (c *change) Retire(context.Context) {
	for _, b := range c.left {
		b.wait()
	}
}

// Abort closes what Prepare opened.
func (c *change) Abort() {
	for _, b := range c.opened {
		b.close()
	}
}

// Diagnostics returns the listeners that could not be bound at the last Prepare.
func (s *Server) Diagnostics() []model.Diagnostic {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

// Bound returns the addresses that are answered at, sorted, with the ports that the system chose.
func (s *Server) Bound() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []netip.AddrPort
	for _, b := range s.bound {
		out = append(out, b.at)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}

// Close stops answering and returns when all goroutines have ended. TCP connections are closed after the answer that
// is being written.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	bound := s.bound
	s.bound = map[key]*binding{}
	s.mu.Unlock()
	for _, b := range bound {
		b.close()
	}
	for _, b := range bound {
		b.wait()
	}
}
