package nacos

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/nacosconn"
	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/nacosapi"
	"paifang/internal/registry/storage"
	"paifang/internal/source"
)

// Source logs in, over TLS where it is given a configuration of it; who may not read is told so.
func TestLogin(t *testing.T) {
	t.Run("clear text", func(t *testing.T) { logsIn(t, nil, nil) })
	h := httptest.NewTLSServer(http.NotFoundHandler()) // it has a certificate for 127.0.0.1
	h.Close()
	known := x509.NewCertPool()
	known.AddCert(h.Certificate())
	server := &tls.Config{Certificates: h.TLS.Certificates, MinVersion: tls.VersionTLS12}
	t.Run("TLS", func(t *testing.T) { logsIn(t, server, &tls.Config{RootCAs: known, MinVersion: tls.VersionTLS12}) })
}

func logsIn(t *testing.T, server, client *tls.Config) {
	t.Helper()
	ctx, kv := t.Context(), storage.NewMemory()
	a, err := auth.Open(ctx, kv, auth.Options{Cost: 4})
	must(t, err)
	defer a.Close()
	must(t, a.CreateUser(ctx, "gateway", "the gateway's"))
	must(t, a.GiveRole(ctx, "gateway", "GATEWAY"))
	must(t, a.Permit(ctx, auth.Permission{Role: "GATEWAY", Namespace: "public", Actions: "rw"}))
	var h registry.Handle
	must(t, h.Start(registry.Options{}))
	defer h.Stop()
	s := nacosapi.New(nacosapi.Config{Auth: a, TLS: server}, &h)
	hl, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	gl, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s.Start(hl, gl)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		must(t, s.Close(ctx))
	}()
	login := &nacosconn.Login{Servers: []string{hl.Addr().String()}, Username: "gateway", Password: "the gateway's"}
	reg, _ := h.Current()
	must(t, reg.Register(order, registry.Instance{Addr: netip.MustParseAddrPort("10.0.0.1:80"), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}))

	src := New(Config{All: true, Servers: []string{gl.Addr().String()}, Login: login, TLS: client})
	out, done := make(chan source.Update), make(chan error, 1)
	running, cancel := context.WithCancel(ctx)
	go func() { done <- src.Run(running, out) }()
	select {
	case u := <-out:
		if len(u.Groups) != 1 || u.Groups[0].Objects.Endpoints[0].List != (model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/order"}) {
			t.Errorf("%+v", u)
		}
	case err := <-done:
		t.Fatal(err)
	}
	cancel()
	<-done
	nobody := New(Config{Servers: []string{gl.Addr().String()}, TLS: client})
	if err := nobody.Run(ctx, out); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("%v", err)
	}
	if client == nil {
		return
	}
	for name, secure := range map[string]*tls.Config{"clear text": nil, "a certificate that is not known": {MinVersion: tls.VersionTLS12}} {
		other := New(Config{Servers: []string{gl.Addr().String()}, Login: login, TLS: secure, Timeout: time.Second})
		if err := other.Run(ctx, out); err == nil {
			t.Errorf("%s: it is let in", name)
		}
	}
}
