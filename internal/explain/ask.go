package explain

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"paifang/internal/dnsserver"
)

// askTimeout bounds a question to our own DNS server.
const askTimeout = 2 * time.Second

// dnsAnswer is what our DNS server said.
type dnsAnswer struct {
	outcome string // dnsserver.Outcome
	kind    string // A or AAAA
	addrs   []netip.Addr
	ms      float64
	err     string
}

// ask asks a server for the addresses of a name, over UDP, and over TCP where the answer was cut: A first, then AAAA.
func ask(ctx context.Context, server netip.AddrPort, name string) *dnsAnswer {
	began := time.Now()
	d := &dnsAnswer{}
	for _, t := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		*d = dnsAnswer{kind: dnsserver.Type(t).String()}
		m, err := question(ctx, "udp", server, name, t)
		if err == nil && m.Truncated {
			m, err = question(ctx, "tcp", server, name, t)
		}
		if err != nil {
			d.err = fmt.Sprintf("our DNS server at %s does not answer: %v", server, err)
			return d
		}
		d.take(m)
		if d.outcome != string(dnsserver.NoData) {
			break
		}
	}
	d.ms = float64(time.Since(began).Microseconds()) / 1000
	return d
}

func (d *dnsAnswer) take(m *dnsmessage.Message) {
	switch m.RCode {
	case dnsmessage.RCodeSuccess:
		d.outcome = string(dnsserver.NoData)
	case dnsmessage.RCodeNameError:
		d.outcome = string(dnsserver.NoName)
	case dnsmessage.RCodeRefused:
		d.outcome = string(dnsserver.Declined)
	default:
		d.outcome = m.RCode.String()
	}
	for _, r := range m.Answers {
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			d.addrs = append(d.addrs, netip.AddrFrom4(b.A))
		case *dnsmessage.AAAAResource:
			d.addrs = append(d.addrs, netip.AddrFrom16(b.AAAA))
		}
	}
	if len(d.addrs) > 0 {
		d.outcome = string(dnsserver.Found)
	}
}

// question makes one exchange with a DNS server (RFC 1035, sections 4.1 and 4.2.2).
func question(ctx context.Context, network string, server netip.AddrPort, name string, t dnsmessage.Type) (*dnsmessage.Message, error) {
	owner, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, fmt.Errorf("%q is no name: %w", name, err)
	}
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(rand.Uint32())},
		Questions: []dnsmessage.Question{{Name: owner, Type: t, Class: dnsmessage.ClassINET}}}
	packet, err := q.Pack()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if network == "tcp" {
		packet = append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	for {
		answer, err := receive(conn, network)
		if err != nil {
			return nil, err
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil {
			return nil, err
		}
		if m.ID == q.ID && m.Response {
			return &m, nil
		}
	}
}

func receive(conn net.Conn, network string) ([]byte, error) {
	if network == "udp" {
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		return buf[:n], err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(conn, buf)
	return buf, err
}
