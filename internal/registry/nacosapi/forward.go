package nacosapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"paifang/internal/registry"
)

// forwardedHeader marks a request that another registry on the same storage has passed on. It is not passed on again.
const forwardedHeader = "X-Paifang-Forwarded"

// Bounds of passing on.
const (
	forwardWithin = time.Second // a registry that takes longer is taken for gone
	forwardConns  = 64          // to one registry
)

// newForwarder makes the client that asks other registries. Over TLS they are those of whom this one's own certificate file, or the
// system, vouches.
func newForwarder(secure *tls.Config) *http.Client {
	t := &http.Transport{MaxConnsPerHost: forwardConns, MaxIdleConnsPerHost: forwardConns, IdleConnTimeout: 30 * time.Second}
	if secure != nil {
		t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			d := tls.Dialer{Config: &tls.Config{RootCAs: rootsOf(secure), MinVersion: tls.VersionTLS12}}
			return d.DialContext(ctx, network, address)
		}
	}
	return &http.Client{Transport: t, Timeout: forwardWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// rootsOf are the system's and the chain that this registry shows at the moment: others on its storage often show the same.
func rootsOf(secure *tls.Config) *x509.CertPool {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	pairs := secure.Certificates
	if secure.GetCertificate != nil {
		if pair, err := secure.GetCertificate(&tls.ClientHelloInfo{}); err == nil && pair != nil {
			pairs = []tls.Certificate{*pair}
		}
	}
	for _, pair := range pairs {
		for _, der := range pair.Certificate {
			if c, err := x509.ParseCertificate(der); err == nil {
				roots.AddCert(c)
			}
		}
	}
	return roots
}

// forward passes a request about an instance on to the registry whose client that is, and returns what it answered; false where
// there is no such registry, or it does not take it: then this one has to.
func (c call) forward(key registry.Key, addr netip.AddrPort) ([]byte, bool) {
	if c.isForwarded() {
		return nil, false
	}
	at, ok := c.Elsewhere(key, addr)
	if !ok {
		return nil, false
	}
	body, err := c.server.pass(c.r.Context(), c, at)
	if err != nil {
		c.server.log.warn("a registry does not take what is passed on, this one does", at, err)
	}
	return body, err == nil
}

func (c call) isForwarded() bool { return c.r.Header.Get(forwardedHeader) != "" }

func (s *Server) pass(ctx context.Context, c call, at string) ([]byte, error) {
	scheme := "http://"
	if s.cfg.TLS != nil {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, c.r.Method, scheme+at+c.r.URL.Path+"?"+c.q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set(forwardedHeader, "1")
	for _, name := range []string{"Authorization", "accessToken", "User-Agent"} {
		if v := c.r.Header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	resp, err := s.peers.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxForm))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("nacosapi: %s: %.200s", resp.Status, body)
	}
	return body, nil
}

// beatOf is a heartbeat of an instance of this registry's clients. One that was passed on is refused where nobody could be told that
// the instance lives, or where it is not known: who has passed it on takes the instance over then.
func (c call) beatOf(key registry.Key, addr netip.AddrPort) (time.Duration, bool, error) {
	if c.isForwarded() {
		if err := c.Alone(); err != nil {
			return 0, false, err
		}
	}
	next, known, err := c.Beat(key, addr)
	if err == nil && !known && c.isForwarded() {
		err = fmt.Errorf("nacosapi: %s of %s: %w", addr, key, errInstance)
	}
	return next, known, err
}
