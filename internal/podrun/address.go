package podrun

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"

	"paifang/internal/model"
)

// addresses gives out pod addresses and free ports. An address that was given back comes up again last, so that a
// client that still knows it does not reach another pod.
type addresses struct {
	mu    sync.Mutex
	last  map[string]netip.Addr   // by node
	taken map[netip.Addr]struct{} // addresses of pods
	ports map[uint16]struct{}     // free ports that were given out
	bind  func(netip.Addr, uint16) error
}

func newAddresses() *addresses {
	return &addresses{last: map[string]netip.Addr{}, taken: map[netip.Addr]struct{}{}, ports: map[uint16]struct{}{}, bind: bindable}
}

// fault is an error with its code.
type fault struct {
	code  model.Code
	field string
	text  string
}

func (f *fault) Error() string { return f.text }

func faultf(code model.Code, format string, args ...any) *fault {
	return &fault{code: code, text: fmt.Sprintf(format, args...)}
}

// take gives out the next address of a node on which all ports can be bound. Addresses with a port that another
// process holds are passed over.
func (a *addresses) take(n Node, ports []uint16) (netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	network := n.Range.Masked()
	first := network.Addr().Next().Next() // not the network, nor its first address, which is a router's by custom
	at := first
	if last, ok := a.last[n.Name]; ok {
		at = last.Next()
	}
	size := 1 << min(16, network.Addr().BitLen()-network.Bits())
	var why error
	for range size {
		if !network.Contains(at) || network.Addr().Is4() && network.Bits() < 31 && !network.Contains(at.Next()) {
			at = first // past the end, or the broadcast address
		}
		if _, used := a.taken[at]; !used {
			err := a.bind(at, 0)
			if err != nil {
				return netip.Addr{}, faultf(model.CodeAddressTaken,
					"the address %s of node %s cannot be used on this machine (%v): add it (on macOS: sudo ifconfig lo0 alias %s) or put all pods on 127.0.0.1 (--addresses single)",
					at, n.Name, err, at)
			}
			var port uint16
			if port, why = a.allBindable(at, ports); why == nil {
				a.taken[at] = struct{}{}
				a.last[n.Name] = at
				return at, nil
			}
			if errors.Is(why, fs.ErrPermission) {
				return netip.Addr{}, privileged(port)
			}
		}
		at = at.Next()
	}
	if why != nil {
		return netip.Addr{}, faultf(model.CodeAddressTaken,
			"no address of %s on node %s has its ports free (%v): a program that binds all addresses holds one; end it, or use another port",
			network, n.Name, why)
	}
	return netip.Addr{}, faultf(model.CodeWorkloadFailed, "all addresses of %s on node %s are in use by pods", network, n.Name)
}

// privileged is the fault of a port that only root may bind, as most systems have those below 1024.
func privileged(port uint16) *fault {
	hint := ""
	if runtime.GOOS == "linux" {
		hint = fmt.Sprintf(", or allow it to every user: sudo sysctl net.ipv4.ip_unprivileged_port_start=%d", port)
	}
	return faultf(model.CodeAddressTaken, "containerPort %d is one that this user may not bind on this machine: have the program take one from "+
		"1024 on and say so in the manifest%s", port, hint)
}

func (a *addresses) giveBack(ip netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.taken, ip)
}

// The range of free ports: below the ports that Linux (32768) and others (49152) give to outgoing connections, so that
// none of these takes the port between its choice and its use.
const (
	freeFrom = 20000
	freeTo   = 32000
)

// freePort gives out a port that is free on all addresses.
func (a *addresses) freePort() (uint16, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	const width = freeTo - freeFrom
	at := rand.IntN(width)
	var why error
	for i := range width {
		p := uint16(freeFrom + (at+i)%width)
		if _, used := a.ports[p]; used {
			continue
		}
		if why = free(p); why == nil {
			a.ports[p] = struct{}{}
			return p, nil
		}
	}
	return 0, faultf(model.CodeAddressTaken, "no port from %d to %d is free: %v", freeFrom, freeTo, why)
}

func (a *addresses) giveBackPort(p uint16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.ports, p)
}

// free tells whether a program could bind a port on 127.0.0.1 or on all addresses.
func free(p uint16) error {
	if err := bindable(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p); err != nil {
		return err
	}
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", p))
	if err != nil {
		return err
	}
	return l.Close()
}

// allBindable tells whether ports of an address can be bound now, and if not which one cannot.
func (a *addresses) allBindable(ip netip.Addr, ports []uint16) (uint16, error) {
	for _, p := range ports {
		if err := a.bind(ip, p); err != nil {
			return p, err
		}
	}
	return 0, nil
}

// bindable tells whether a TCP port of an address can be bound now; port 0 asks for the address alone.
func bindable(ip netip.Addr, port uint16) error {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port)))
	if err != nil {
		return err
	}
	return l.Close()
}
