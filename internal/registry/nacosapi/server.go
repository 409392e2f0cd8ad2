package nacosapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"

	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
)

// Config is what a server may be told. The zero value is usable.
type Config struct {
	Log *slog.Logger // default: nothing is logged

	Configs *config.Store // configurations; nil: none are kept, and requests about them are refused
	Auth    *auth.Auth    // nil: everybody may do everything
	TLS     *tls.Config   // for both ports; nil: clear text

	Console string // URL to which browsers that ask for /nacos/ are sent; default: none, they are told 404

	MaxConnections   int // of each port; more wait to be accepted; default 20,000
	MaxSubscriptions int // of one gRPC connection; default 10,000
	MaxPublished     int // services that one gRPC connection registers for; default 1,000

	Idle    time.Duration // silence of a gRPC connection until it is asked for a sign of life; default 20 s
	Detect  time.Duration // until such a question, unanswered, ends the connection; default 5 s
	Ack     time.Duration // until a push without acknowledgement has failed; default 5 s
	Retry   time.Duration // from a failed push to the next; default 1 s
	Pause   time.Duration // silence of a large form over HTTP until it is answered 408; default 5 s
	Confirm time.Duration // from a subscription to its first push, see session.subscribe; default 500 ms
}

// Server serves the registry that its provider says is the current one.
type Server struct {
	cfg      Config
	provider registry.Provider
	log      complaints
	logins   logins
	forms    chan struct{} // a place for each large form that is read
	http     *http.Server
	peers    *http.Client // other registries on the same storage
	grpc     *grpc.Server
	conns    connections
	sessions sessions
	draining atomic.Bool // clients are told to connect elsewhere, and nobody is let in
	udp      *udpPusher
	at       atomic.Pointer[string] // address of HTTP
	closing  chan struct{}
	failed   chan error
	work     sync.WaitGroup
	closeOne sync.Once
}

// New makes a server; Start starts it.
func New(cfg Config, p registry.Provider) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.MaxConnections = cmp.Or(cfg.MaxConnections, 20_000)
	cfg.MaxSubscriptions = cmp.Or(cfg.MaxSubscriptions, 10_000)
	cfg.MaxPublished = cmp.Or(cfg.MaxPublished, 1_000)
	cfg.Idle = cmp.Or(cfg.Idle, 20*time.Second)
	cfg.Detect = cmp.Or(cfg.Detect, 5*time.Second)
	cfg.Ack = cmp.Or(cfg.Ack, 5*time.Second)
	cfg.Retry = cmp.Or(cfg.Retry, time.Second)
	cfg.Pause = cmp.Or(cfg.Pause, 5*time.Second)
	cfg.Confirm = cmp.Or(cfg.Confirm, 500*time.Millisecond)
	s := &Server{
		cfg:      cfg,
		provider: p,
		log:      complaints{log: cfg.Log},
		conns:    connections{open: map[string]*trackedConn{}, places: make(chan struct{}, maxPlaces)},
		forms:    make(chan struct{}, maxForms),
		sessions: sessions{all: map[*session]peer{}},
		udp:      newUDPPusher(),
		closing:  make(chan struct{}),
		failed:   make(chan error, 2),
	}
	s.conns.log = &s.log
	s.http, s.peers = s.newHTTP(), newForwarder(cfg.TLS)
	s.grpc = s.newGRPC()
	return s
}

// Start serves on two listeners, which belong to the server from now on. It is called once.
func (s *Server) Start(httpListener, grpcListener net.Listener) {
	at := httpListener.Addr().String()
	s.at.Store(&at)
	if err := s.udp.listen(httpListener.Addr()); err != nil {
		s.cfg.Log.Warn("nacosapi: clients of HTTP v1 have to poll: there is no port to push from", "error", err)
	} else {
		s.work.Go(func() { s.udp.run(s.closing) })
		s.work.Go(s.udp.read)
	}
	s.work.Go(func() {
		l := netutil.LimitListener(httpListener, s.cfg.MaxConnections)
		if s.cfg.TLS != nil {
			l = tls.NewListener(l, s.http.TLSConfig)
		}
		err := s.http.Serve(l)
		if !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("nacosapi: serve HTTP on %s: %w", httpListener.Addr(), err)
		}
	})
	s.work.Go(func() {
		err := s.grpc.Serve(s.conns.listen(netutil.LimitListener(grpcListener, s.cfg.MaxConnections)))
		if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			s.failed <- fmt.Errorf("nacosapi: serve gRPC on %s: %w", grpcListener.Addr(), err)
		}
	})
}

// Failed tells of a listener that stopped working while the server runs.
func (s *Server) Failed() <-chan error { return s.failed }

// Close stops accepting, ends the streams, lets requests that run finish until ctx ends, and cuts off the rest. It
// returns when every goroutine of the server has ended; the error is that of ctx when something was cut off.
func (s *Server) Close(ctx context.Context) error {
	var err, late error
	s.closeOne.Do(func() {
		close(s.closing)
		var both sync.WaitGroup
		both.Go(func() {
			if err = s.http.Shutdown(ctx); err != nil {
				_ = s.http.Close() // it was asked nicely
			}
		})
		both.Go(func() {
			cut := context.AfterFunc(ctx, s.conns.cut)
			s.conns.cutMute()
			s.grpc.GracefulStop()
			if !cut() {
				late = context.Cause(ctx)
			}
		})
		both.Wait()
		s.peers.CloseIdleConnections()
		err = errors.Join(err, late)
	})
	s.work.Wait()
	if err != nil {
		return fmt.Errorf("nacosapi: close: %w", err)
	}
	return nil
}

// complaints logs what clients do wrong, at most one line a second.
type complaints struct {
	log     *slog.Logger
	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (c *complaints) warn(what, client string, err error) {
	c.mu.Lock()
	if now := time.Now(); now.Sub(c.last) < time.Second {
		c.skipped++
		c.mu.Unlock()
		return
	} else {
		c.last = now
	}
	skipped := c.skipped
	c.skipped = 0
	c.mu.Unlock()
	c.log.Warn("nacosapi: "+what, "client", client, "error", err, "skipped", skipped)
}
