package listener

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
)

// Config is what a Set works with. Every zero field has a default.
type Config struct {
	Log *slog.Logger // default: none
	// MaxPerSocket and MaxTotal bound open connections; one too many is closed at once and counted as refused. The default
	// of MaxTotal is 50,000, but at most two fifths of the descriptors that the process may have: each connection may
	// have one to an upstream behind it, and files, probes and the admin API need some too. The default of MaxPerSocket is a
	// fifth of MaxTotal, so that nobody who floods one address closes the others.
	MaxPerSocket, MaxTotal int
	// HeaderTimeout bounds the wait for a PROXY header and for a probe's request. Default 5 s.
	HeaderTimeout time.Duration
	// DrainDelay is how long a socket behind a balancer goes on accepting after its probe began to fail: above the
	// time in which the balancer sees that. Default 1 s.
	DrainDelay time.Duration
	// Overloaded tells whether new connections are refused because the process has no room for them. It is asked for each
	// connection and must not block. May be nil.
	Overloaded func() bool
}

// Handler serves one connection in a goroutine of its own and closes it. It may return before that if it calls Conn.Keep.
type Handler func(*Conn)

// Set owns every socket of the process.
type Set struct {
	cfg     Config
	mu      sync.Mutex
	sockets map[key]*socket
	total   atomic.Int64
	unready atomic.Int64 // when probes began to fail, in nanoseconds since 1970; 0: they do not
	closed  chan struct{}
	wg      sync.WaitGroup
}

// key is an address. Where the system chooses the port, each listener has a socket of its own.
type key struct {
	at    netip.AddrPort
	owner model.ListenerID // only with port 0
}

// roomMost bounds the descriptors that room is made for at the start.
const roomMost = 1<<16 - 1

// NewSet returns a set without sockets. Close ends it.
func NewSet(cfg Config) *Set {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxTotal == 0 {
		cfg.MaxTotal = total(descriptors())
	}
	if cfg.MaxPerSocket == 0 {
		cfg.MaxPerSocket = max(cfg.MaxTotal/5, 1)
	}
	if cfg.HeaderTimeout == 0 {
		cfg.HeaderTimeout = 5 * time.Second
	}
	if cfg.DrainDelay == 0 {
		cfg.DrainDelay = time.Second
	}
	s := &Set{cfg: cfg, sockets: map[key]*socket{}, closed: make(chan struct{})}
	s.wg.Go(func() { widenTable(min(2*cfg.MaxTotal, roomMost)) }) // takes milliseconds, and nobody has to wait for it
	return s
}

// maxTotal is the default of Config.MaxTotal where descriptors are plenty.
const maxTotal = 50_000

// total is the default of Config.MaxTotal for a process that may have so many descriptors, 0 = any number.
func total(descriptors int) int {
	if descriptors == 0 {
		return maxTotal
	}
	return min(maxTotal, max(descriptors*2/5, 1))
}

// ErrClosed is what Acquire returns after Close.
var ErrClosed = errors.New("listener: closed")

// Acquire binds an address of a listener, or shares the socket that is bound to it. Nothing is accepted before Serve.
// Release must follow. The error of the system says why an address cannot be bound.
func (s *Set) Acquire(ctx context.Context, l model.Listener, at netip.AddrPort) (*Handle, error) {
	k := key{at: at}
	if at.Port() == 0 {
		k.owner = l.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		select {
		case <-s.closed:
			return nil, ErrClosed
		default:
		}
		sock := s.sockets[k]
		if sock == nil || !sock.closing {
			break
		}
		s.mu.Unlock()
		<-sock.ended // in a moment, see backlog
		s.mu.Lock()
		if s.sockets[k] == sock {
			delete(s.sockets, k)
		}
	}
	sock := s.sockets[k]
	if sock == nil {
		network := "tcp"
		if at.Addr().Is4() {
			network = "tcp4" // keeps 0.0.0.0 to IPv4
		}
		l, err := (&net.ListenConfig{KeepAlive: 30 * time.Second}).Listen(ctx, network, at.String())
		if err != nil {
			return nil, fmt.Errorf("listener: bind: %w", err)
		}
		sock = &socket{set: s, key: k, tcp: l.(*net.TCPListener), ended: make(chan struct{})}
		s.sockets[k] = sock
	}
	sock.refs++
	sock.draining.Store(false)
	return &Handle{socket: sock, listener: l}, nil
}

// Unready makes every probe fail from now on: the first step of a shutdown.
func (s *Set) Unready() { s.unready.CompareAndSwap(0, time.Now().UnixNano()) }

// sinceUnready is how long probes have failed.
func (s *Set) sinceUnready() time.Duration {
	at := s.unready.Load()
	if at == 0 {
		return 0
	}
	return time.Since(time.Unix(0, at))
}

// Close stops accepting everywhere and waits until every handler has returned and every place that is kept was left; ending
// their connections is up to those who serve them.
func (s *Set) Close() {
	s.mu.Lock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	for _, sock := range s.sockets {
		if !sock.closing {
			sock.close()
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Handle is one user's share of a socket.
type Handle struct {
	socket   *socket
	listener model.Listener
	served   bool
	released bool
}

// Addr is where the socket is bound, with the port that the system chose where none was given.
func (h *Handle) Addr() netip.AddrPort {
	return h.socket.tcp.Addr().(*net.TCPAddr).AddrPort()
}

// Serve makes handler take every connection accepted from now on, by the settings of this handle's listener. Call it
// from one goroutine.
func (h *Handle) Serve(handler Handler) {
	h.served = true
	s := h.socket
	s.serving.Store(&serving{listener: h.listener, handler: handler})
	s.start.Do(func() { s.set.wg.Go(s.accept) })
}

// Release gives the share back; a second call does nothing. The last release of a socket that was served drains it:
// its probe fails at once, if it did not before; from then on, behind a balancer, it still accepts for Config.DrainDelay, or until
// ctx ends; then it closes.
// When somebody acquires the address meanwhile the socket stays.
func (h *Handle) Release(ctx context.Context) {
	s := h.socket
	s.set.mu.Lock()
	if h.released {
		s.set.mu.Unlock()
		return
	}
	h.released = true
	s.refs--
	last := s.refs == 0
	if last {
		s.draining.Store(true)
		s.last++
	}
	drain := s.last
	s.set.mu.Unlock()
	if !last {
		return
	}
	if h.served && len(h.listener.Trust.ProxyFrom) > 0 {
		t := time.NewTimer(s.set.cfg.DrainDelay - s.set.sinceUnready())
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		case <-s.set.closed:
		}
	}
	s.set.mu.Lock()
	if s.refs > 0 || s.last != drain || s.closing {
		s.set.mu.Unlock()
		return
	}
	s.close()
	s.set.mu.Unlock()
	<-s.ended
	s.set.mu.Lock()
	defer s.set.mu.Unlock()
	if s.set.sockets[s.key] == s {
		delete(s.set.sockets, s.key)
	}
}

// Status is how one socket stands.
type Status struct {
	Listener model.ListenerID `json:"listener"`
	Address  netip.AddrPort   `json:"address"`
	Draining bool             `json:"draining"`
	Open     int64            `json:"open"`     // connections now
	Accepted int64            `json:"accepted"` // connections ever
	Refused  int64            `json:"refused"`  // closed at once, whatever the cause
	Causes   [Causes]int64    `json:"causes"`   // of refusals, by Cause
}

// Cause is why a connection was refused.
type Cause int

// The causes.
const (
	OverSocket Cause = iota // Config.MaxPerSocket
	OverTotal               // Config.MaxTotal
	NoHeader                // it had no PROXY header and needed one
	Overloaded              // Config.Overloaded
	Causes                  // how many there are
)

// String is the cause in kebab case, for logs and metrics.
func (c Cause) String() string {
	return [...]string{"listener-limit", "total-limit", "no-proxy-header", "overload"}[c]
}

// Status returns how the socket stands.
func (h *Handle) Status() Status {
	return h.socket.status(h.listener.ID)
}

func (s *socket) status(id model.ListenerID) Status {
	out := Status{
		Listener: id, Address: s.tcp.Addr().(*net.TCPAddr).AddrPort(), Draining: s.draining.Load() || s.set.unready.Load() != 0,
		Open: s.open.Load(), Accepted: s.accepted.Load(),
	}
	for c := range s.refused {
		out.Causes[c] = s.refused[c].Load()
		out.Refused += out.Causes[c]
	}
	return out
}

// Sockets returns how every socket stands that is served, by listener and address.
func (s *Set) Sockets() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Status
	for _, sock := range s.sockets {
		if now := sock.serving.Load(); now != nil {
			out = append(out, sock.status(now.listener.ID))
		}
	}
	slices.SortFunc(out, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), a.Address.Compare(b.Address))
	})
	return out
}

// Limits are the greatest numbers of open connections: of one socket, and of all together.
func (s *Set) Limits() (socket, total int) { return s.cfg.MaxPerSocket, s.cfg.MaxTotal }
