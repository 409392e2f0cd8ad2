package listener

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// socket is one bound address. Who serves on it is swapped as a whole.
type socket struct {
	set  *Set
	key  key
	tcp  *net.TCPListener
	refs int // under set.mu
	last int // counts the drains that began, under set.mu: only the newest may close
	// closing is set, under set.mu, when the socket is to be closed; ended is closed when it is.
	closing bool
	ended   chan struct{}

	serving  atomic.Pointer[serving]
	start    sync.Once
	draining atomic.Bool
	open     atomic.Int64
	accepted atomic.Int64
	refused  [Causes]atomic.Int64
}

type serving struct {
	listener model.Listener
	handler  Handler
}

// backlog is how long a socket that closes still takes what the system had accepted for it, which a close would reset.
const backlog = 20 * time.Millisecond

// close ends accepting: at once where nobody accepts, else after what waits in the backlog.
func (s *socket) close() {
	s.closing = true
	if s.serving.Load() == nil {
		_ = s.tcp.Close() // a listener that was closed already is closed
		close(s.ended)
		return
	}
	_ = s.tcp.SetDeadline(time.Now().Add(backlog))
}

// Pauses after an accept that failed because the machine is out of descriptors or memory.
const (
	acceptPauseFirst = 5 * time.Millisecond
	acceptPauseMax   = time.Second
)

func (s *socket) accept() {
	defer close(s.ended)
	pause := acceptPauseFirst
	for {
		tcp, err := s.tcp.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = s.tcp.Close()
			return
		}
		if err != nil {
			s.set.cfg.Log.Warn("a connection could not be accepted", "address", s.key.at, "err", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-s.set.closed:
				return
			}
			pause = min(2*pause, acceptPauseMax)
			continue
		}
		pause = acceptPauseFirst
		s.accepted.Add(1)
		open, total := s.open.Add(1), s.set.total.Add(1)
		if c := s.tooMany(open, total); c != Causes {
			s.refuse(tcp, c)
			s.gone()
			continue
		}
		s.set.wg.Go(func() {
			if kept := s.serve(tcp); !kept {
				s.gone()
			}
		})
	}
}

// tooMany tells why there is no room for another connection, or Causes where there is.
func (s *socket) tooMany(open, total int64) Cause {
	cfg := &s.set.cfg
	switch {
	case open > int64(s.most()):
		return OverSocket
	case total > int64(cfg.MaxTotal):
		return OverTotal
	case cfg.Overloaded != nil && cfg.Overloaded():
		return Overloaded
	}
	return Causes
}

// most is how many connections may be open.
func (s *socket) most() int {
	if now := s.serving.Load(); now.listener.Clients.Connections > 0 {
		return now.listener.Clients.Connections
	}
	return s.set.cfg.MaxPerSocket
}

// gone takes back what accept counted.
func (s *socket) gone() {
	s.open.Add(-1)
	s.set.total.Add(-1)
}

// refuse ends a connection with a reset: nothing that it sent was read by anybody.
func (s *socket) refuse(tcp *net.TCPConn, why Cause) {
	s.refused[why].Add(1)
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
}

// serve has a connection served, and tells whether it counts until it leaves its place.
func (s *socket) serve(tcp *net.TCPConn) (kept bool) {
	now := s.serving.Load()
	remote, ok := tcp.RemoteAddr().(*net.TCPAddr)
	local, here := tcp.LocalAddr().(*net.TCPAddr)
	if !ok || !here { // a connection that was reset before it was looked at
		_ = tcp.Close()
		return false
	}
	peer := unmapped(remote.AddrPort())
	c := &Conn{Conn: tcp, tcp: tcp, socket: s, Client: peer, Peer: peer, Server: unmapped(local.AddrPort()), Listener: &now.listener}
	if contains(now.listener.Trust.ProxyFrom, peer.Addr()) {
		patience := cmp.Or(now.listener.Clients.ProxyHeader, s.set.cfg.HeaderTimeout)
		if err := c.readHeader(patience); err != nil {
			s.set.cfg.Log.Debug("a connection without the PROXY header it needs", "peer", peer, "listener", now.listener.ID, "err", err)
			s.refuse(tcp, NoHeader)
			return false
		}
		http := now.listener.Protocol == model.HTTP || now.listener.Protocol == model.HTTPS
		if http && c.local && c.probe(!s.draining.Load() && s.set.unready.Load() == 0, patience) {
			return false
		}
	}
	now.handler(c)
	return c.kept
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
