package nacos

import (
	"context"
	"net"
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

// Source logs in; who may not read is told so.
func TestLogin(t *testing.T) {
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
	s := nacosapi.New(nacosapi.Config{Auth: a}, &h)
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

	src := New(Config{All: true, Servers: []string{gl.Addr().String()}, Login: login})
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
	nobody := New(Config{Servers: []string{gl.Addr().String()}})
	if err := nobody.Run(ctx, out); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("%v", err)
	}
}
