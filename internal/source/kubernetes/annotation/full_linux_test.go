package annotation_test

import (
	"net"
	"net/netip"
	"syscall"
	"time"
)

// fullListener is an address whose queue of connections is full, so that a further one is neither taken nor refused.
func fullListener() (end func(), addr netip.AddrPort, err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, addr, err
	}
	end = func() { _ = syscall.Close(fd) }
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		end()
		return nil, addr, err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		end()
		return nil, addr, err
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		end()
		return nil, addr, err
	}
	addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port))
	var kept []net.Conn
	for range 4 {
		c, err := net.DialTimeout("tcp", addr.String(), 100*time.Millisecond)
		if err != nil {
			break
		}
		kept = append(kept, c)
	}
	return func() {
		for _, c := range kept {
			_ = c.Close()
		}
		_ = syscall.Close(fd)
	}, addr, nil
}
