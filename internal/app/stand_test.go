package app

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"paifang/internal/registry"
	"paifang/internal/registry/nacosapi"
)

// stand is a registry behind its wire servers.
type stand struct {
	handle     registry.Handle
	http, grpc string
}

func serveRegistry(t *testing.T) *stand {
	t.Helper()
	s := &stand{}
	if err := s.handle.Start(registry.Options{}); err != nil {
		t.Fatal(err)
	}
	var at [2]net.Listener
	for i := range at {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at[i] = l
	}
	s.http, s.grpc = at[0].Addr().String(), at[1].Addr().String()
	api := nacosapi.New(nacosapi.Config{}, &s.handle)
	api.Start(at[0], at[1])
	t.Cleanup(func() {
		s.handle.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = api.Close(ctx) // connections that are cut are an error, and no surprise
	})
	return s
}

// lists tells whether a service of the default group has an instance.
func (s *stand) lists(service, addr string) bool {
	r, ok := s.handle.Current()
	return ok && slices.ContainsFunc(r.View(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: service}).Instances,
		func(in registry.Instance) bool { return in.Addr.String() == addr })
}
