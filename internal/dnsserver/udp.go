package dnsserver

import (
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// maxQuestion is the longest question read over UDP in bytes; a longer one is cut and then no message.
const maxQuestion = 4096

// replies reads packets and sends answers from the address that the question was sent to, which on a socket bound to all
// addresses is not a matter of course.
type replies struct {
	conn net.PacketConn
	v4   *ipv4.PacketConn // set on a socket bound to 0.0.0.0
	v6   *ipv6.PacketConn // set on a socket bound to [::]
}

func newReplies(c net.PacketConn, at netip.AddrPort) *replies {
	r := &replies{conn: c}
	if _, ok := c.(*net.UDPConn); !ok || !at.Addr().IsUnspecified() {
		return r
	}
	// Where the system cannot tell the destination (Windows), answers leave from the address it chooses.
	if at.Addr().Is4() {
		if p := ipv4.NewPacketConn(c); p.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true) == nil {
			r.v4 = p
		}
	} else if p := ipv6.NewPacketConn(c); p.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true) == nil {
		r.v6 = p
	}
	return r
}

// read returns the length of a packet, its sender and how to answer it.
func (r *replies) read(buf []byte) (n int, from net.Addr, send func([]byte) error, err error) {
	switch {
	case r.v4 != nil:
		var cm *ipv4.ControlMessage
		n, cm, from, err = r.v4.ReadFrom(buf)
		return n, from, func(out []byte) error {
			var back *ipv4.ControlMessage
			if cm != nil {
				back = &ipv4.ControlMessage{Src: cm.Dst}
			}
			_, err := r.v4.WriteTo(out, back, from)
			return err
		}, err
	case r.v6 != nil:
		var cm *ipv6.ControlMessage
		n, cm, from, err = r.v6.ReadFrom(buf)
		return n, from, func(out []byte) error {
			var back *ipv6.ControlMessage
			if cm != nil && cm.Dst.To4() == nil {
				back = &ipv6.ControlMessage{Src: cm.Dst, IfIndex: cm.IfIndex}
			}
			_, err := r.v6.WriteTo(out, back, from)
			return err
		}, err
	default:
		n, from, err = r.conn.ReadFrom(buf)
		return n, from, func(out []byte) error {
			_, err := r.conn.WriteTo(out, from)
			return err
		}, err
	}
}

func (b *binding) readPackets(r *replies) {
	buf := make([]byte, maxQuestion)
	failures := 0
	for {
		n, from, send, err := r.read(buf)
		if err != nil {
			if !b.pause(err, &failures) {
				return
			}
			continue
		}
		failures = 0
		client, ok := from.(*net.UDPAddr)
		if !ok || client.Port == 0 {
			continue
		}
		out := b.counted(buf[:n], limit(client.AddrPort().Addr().Unmap(), n), true)
		if out == nil {
			continue
		}
		_ = b.udp.SetWriteDeadline(time.Now().Add(time.Second))
		if err := send(out); err != nil { // the client may have gone: it asks again
			b.s.o.Log.Debug("dns: answer could not be sent", "client", client, "error", err)
		}
	}
}
