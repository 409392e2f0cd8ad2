package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// taken is an address that somebody else listens on.
type taken struct {
	address
	at      netip.AddrPort
	network string
	err     error
	holder  string // "process 4711 (nginx)", as far as the system tells
}

// CheckPorts reports every address of the plan that cannot be bound, all in one error, each with the piece, the process
// that holds it and the flag that moves it. Nothing is left bound.
func (p *Plan) CheckPorts(ctx context.Context) error {
	var all []taken
	for _, a := range p.listened() {
		at := p.where(a)
		if err := tryTCP(ctx, at); err != nil {
			all = append(all, taken{address: a, at: at, network: "tcp", err: err})
		}
		if a.UDP {
			if err := tryUDP(ctx, at); err != nil {
				all = append(all, taken{address: a, at: at, network: "udp", err: err})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("these addresses cannot be used:\n")
	for _, t := range all {
		at := t.at.String()
		if t.UDP {
			at += "/" + t.network
		}
		fmt.Fprintf(&b, "  %-15s %-21s %s", t.Piece, at, t.reason())
		if t.holder = holder(t.network, t.at); t.holder != "" {
			fmt.Fprintf(&b, " by %s", t.holder)
		}
		fmt.Fprintf(&b, "; --%s ADDRESS:PORT moves it\n", t.Piece)
	}
	b.WriteString("--port-offset 100 moves all of them")
	return errors.New(b.String())
}

// listened is every address of the plan, with those of the processes that pieces have of their own.
func (p *Plan) listened() []address {
	out := addresses()
	if p.Split {
		for _, name := range splitPieces() {
			out = append(out, address{Piece: "admin", Says: "admin API of " + name, of: name})
		}
	}
	return out
}

func (t taken) reason() string {
	switch {
	case errors.Is(t.err, syscall.EADDRINUSE):
		return "in use"
	case errors.Is(t.err, syscall.EACCES):
		return "not allowed for this user"
	case errors.Is(t.err, syscall.EADDRNOTAVAIL):
		return "this machine has no such address"
	default:
		return t.err.Error()
	}
}

func tryTCP(ctx context.Context, at netip.AddrPort) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
	if err != nil {
		return err
	}
	return l.Close()
}

func tryUDP(ctx context.Context, at netip.AddrPort) error {
	l, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", at.String())
	if err != nil {
		return err
	}
	return l.Close()
}
