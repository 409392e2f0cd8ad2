//go:build !linux

package up

import "net/netip"

// holder is empty: this system does not tell without a program of its own.
func holder(string, netip.AddrPort) string { return "" }
