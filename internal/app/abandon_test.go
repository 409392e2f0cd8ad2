package app

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestNothingIsLeftOfAFailedStart: a process that cannot have its admin address gives back all that it had made before.
func TestNothingIsLeftOfAFailedStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	free := netip.MustParseAddrPort("127.0.0.1:0")
	before := goleak.IgnoreCurrent()
	_, err = New(Config{
		Admin:    Admin{Address: netip.MustParseAddrPort(l.Addr().String())},
		Gateway:  &Gateway{HTTP: free, Service: "-"},
		DNS:      &DNS{Address: free, Zones: []string{"test"}},
		Registry: &Registry{HTTP: free, GRPC: free}, Data: t.TempDir(),
	}, Options{Name: "serve"})
	if err == nil || !strings.Contains(err.Error(), "admin API") {
		t.Fatalf("%v", err)
	}
	goleak.VerifyNone(t, before)
}
