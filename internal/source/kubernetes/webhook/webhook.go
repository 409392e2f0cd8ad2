// Package webhook tells who applies an Ingress what is wrong with it, before it is stored: a validating admission webhook
// (admission.k8s.io/v1). It judges by what the process serves and keeps nothing of what it is asked.
package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
	"paifang/internal/source"
)

// Path is where reviews are sent, and PathOfIngressNginx where an installation of ingress-nginx has them sent.
const (
	Path               = "/validate"
	PathOfIngressNginx = "/networking/v1/ingresses"
)

// The bounds of the server. The API server waits 10 s at most by default, and a body is an object, of 1.5 MiB at most.
const (
	reviewTimeout = 5 * time.Second
	mostBody      = 4 << 20
	atOnce        = 16 // reviews
	certPause     = 10 * time.Second
)

// Config is what a Server works with.
type Config struct {
	Address   netip.AddrPort
	Cert, Key string // files in PEM, read again when they change
	// Register has a certificate made here, shared with other replicas and trusted, in place of the files. nil: the files.
	Register Register
	// ClientCA is a file in PEM with the authorities that vouch for who may ask, read again when it changes. Empty: whoever reaches
	// the address may.
	ClientCA string
	// Deny says that an Ingress with a fault of its own is refused: one that cannot be served, whatever else is there or comes
	// later. Otherwise faults are warnings.
	Deny   bool
	Source Source
	// Judge returns the diagnostics that groups of the source bring, were they served. It fails while that cannot be told.
	Judge func([]source.Group) ([]model.Diagnostic, error)
	Log   *slog.Logger
}

// Source translates; kubernetes.Source is one.
type Source interface {
	// Try returns the groups that would come out if an Ingress were applied.
	Try(v *networkingv1.Ingress) ([]source.Group, error)
}

// Server answers reviews.
type Server struct {
	cfg      Config
	listener net.Listener
	own      *registered // nil: the certificate is in files
	callers  *callers    // nil: whoever reaches it is answered
	get      func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	tokens   chan struct{}
}

// Listen binds the address and reads the certificate, if it is in files.
func Listen(c Config) (*Server, error) {
	s := &Server{cfg: c, tokens: make(chan struct{}, atOnce)}
	if c.Register != nil {
		s.own = &registered{at: c.Register}
		s.get = s.own.get
	} else {
		p := &pair{cert: c.Cert, key: c.Key}
		if _, err := p.get(nil); err != nil {
			return nil, err
		}
		s.get = p.get
	}
	if c.ClientCA != "" {
		s.callers = &callers{file: c.ClientCA}
		if _, err := s.callers.get(); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("tcp", c.Address.String())
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	s.listener = l
	return s, nil
}

// Address is where it listens.
func (s *Server) Address() net.Addr { return s.listener.Addr() }

// Close lets go of the address, where Run was never called.
func (s *Server) Close() { _ = s.listener.Close() }

// Run answers until ctx ends, and then what is in flight.
func (s *Server) Run(ctx context.Context) error {
	h := &http.Server{
		Handler: s, ReadHeaderTimeout: reviewTimeout, ReadTimeout: reviewTimeout, WriteTimeout: 2 * reviewTimeout, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.get},
	}
	if s.callers != nil {
		h.TLSConfig.NextProtos = []string{"h2", "http/1.1"} // what net/http sets itself is not in what each client gets
		s.callers.required(h.TLSConfig)
	}
	ctx, end := context.WithCancel(ctx)
	var ended sync.WaitGroup
	defer ended.Wait()
	defer end()
	if s.own != nil {
		ended.Go(func() { s.follow(ctx, s.own) })
	}
	ended.Go(func() {
		<-ctx.Done()
		within, cancel := context.WithTimeout(context.Background(), reviewTimeout)
		defer cancel()
		if h.Shutdown(within) != nil {
			_ = h.Close()
		}
	})
	err := h.ServeTLS(s.listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("webhook: %w", err)
}

// pair is a certificate in files that are replaced from time to time.
type pair struct {
	cert, key string

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // of the file
	looked  time.Time
}

// get returns the certificate, the last one that could be read.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded != nil && time.Since(p.looked) < certPause {
		return p.loaded, nil
	}
	p.looked = time.Now()
	info, err := os.Stat(p.cert)
	if err == nil && p.loaded != nil && info.ModTime().Equal(p.changed) {
		return p.loaded, nil
	}
	var c tls.Certificate
	if err == nil {
		c, err = tls.LoadX509KeyPair(p.cert, p.key)
	}
	if err != nil {
		if p.loaded != nil {
			return p.loaded, nil
		}
		return nil, fmt.Errorf("webhook: read the certificate: %w", err)
	}
	p.loaded, p.changed = &c, info.ModTime()
	return p.loaded, nil
}
