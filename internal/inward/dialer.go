package inward

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// ErrForbidden is that an address is not connected to.
var ErrForbidden = errors.New("the address may not be asked")

// Dialer connects to what somebody else names, within the timeout: never to metadata services and links, and to this machine where that is
// said. It looks at addresses, so that no name leads there either.
func Dialer(loopback bool, timeout time.Duration) net.Dialer {
	return net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrForbidden, address)
		}
		if reach := Of(at.Addr()); reach != Outside && !(reach == Loopback && loopback) {
			return fmt.Errorf("%w: %s", ErrForbidden, address)
		}
		return nil
	}}
}
