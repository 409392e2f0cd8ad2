package nacos

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// A client that is given a TLS configuration speaks TLS, and to nobody whose certificate it does not know.
func TestTLS(t *testing.T) {
	h := httptest.NewTLSServer(http.NotFoundHandler()) // it has a certificate for 127.0.0.1
	h.Close()
	known := x509.NewCertPool()
	known.AddCert(h.Certificate())
	s := serve(t)
	s.stop()
	s.secure = &tls.Config{Certificates: h.TLS.Certificates, MinVersion: tls.VersionTLS12}
	s.start()
	options := func(secure *tls.Config) Options {
		return Options{Servers: []string{s.http}, GRPC: []string{s.grpc}, TLS: secure, Timeout: 2 * time.Second}
	}
	c, err := Connect(t.Context(), options(&tls.Config{RootCAs: known, MinVersion: tls.VersionTLS12}))
	must(t, err)
	defer c.Close()
	must(t, c.Register(t.Context(), order, one(81)))
	var list last[[]Instance]
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Follow(ctx, order, list.set) }()
	eventually(t, "it is told of itself", func() bool {
		got, _ := list.get()
		return slices.ContainsFunc(got, func(in Instance) bool { return in.Addr == one(81).Addr })
	})
	cancel()
	<-ended
	for name, secure := range map[string]*tls.Config{"clear text": nil, "a certificate that is not known": {MinVersion: tls.VersionTLS12}} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		other, err := Connect(ctx, options(secure))
		if err == nil {
			err = other.Register(ctx, order, one(82))
			other.Close()
		}
		cancel()
		if err == nil {
			t.Errorf("%s: it is let in", name)
		}
	}
}
