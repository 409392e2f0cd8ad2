//go:build !linux

package annotation_test

import (
	"errors"
	"net/netip"
)

// fullListener needs the queue of Linux.
func fullListener() (func(), netip.AddrPort, error) {
	return nil, netip.AddrPort{}, errors.New("a full queue of connections cannot be made here")
}
