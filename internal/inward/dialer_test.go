package inward

import (
	"errors"
	"testing"
	"time"
)

// TestDialer: it does not connect to what leads inward, also in the forms of IPv6 that lead there.
func TestDialer(t *testing.T) {
	for _, loopback := range []bool{false, true} {
		may := Dialer(loopback, time.Second).Control
		for address, want := range map[string]bool{
			"10.0.0.1:80": true, "[2001:db8::1]:80": true, "[64:ff9b::10.0.0.1]:80": true,
			"127.0.0.1:80": loopback, "[::1]:80": loopback, "[::127.0.0.1]:80": loopback, "[64:ff9b::127.0.0.1]:80": loopback,
			"169.254.169.254:80": false, "[fe80::1%1]:80": false, "[64:ff9b::169.254.169.254]:80": false, "[2002:a9fe:a9fe::]:80": false, "100.100.100.200:80": false,
			"0.0.0.0:80": false, "[::]:80": false, "name.test:80": false,
		} {
			if got := may("tcp", address, nil); (got == nil) != want || got != nil && !errors.Is(got, ErrForbidden) {
				t.Errorf("%s, loopback %t: %v", address, loopback, got)
			}
		}
	}
}
