package dnsserver

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// messageTime is how long a client may take to send one message once its first byte is there, and to take an answer.
const messageTime = 5 * time.Second

func (b *binding) accept() {
	failures := 0
	for {
		c, err := b.tcp.Accept()
		if err != nil {
			if !b.pause(err, &failures) {
				return
			}
			continue
		}
		failures = 0
		if !b.enter(c) {
			_ = c.Close()
			continue
		}
		b.running.Go(func() {
			defer b.leave(c)
			b.converse(c)
		})
	}
}

// enter counts a connection in. Those over a bound are closed at once: the client may ask again over another one.
func (b *binding) enter(c net.Conn) bool {
	client := clientOf(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing || len(b.conns) >= b.s.o.Conns || b.clients[client] >= b.s.o.ConnsOfClient {
		return false
	}
	b.conns[c] = struct{}{}
	b.clients[client]++
	return true
}

func (b *binding) leave(c net.Conn) {
	_ = c.Close()
	client := clientOf(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
	if b.clients[client]--; b.clients[client] <= 0 {
		delete(b.clients, client)
	}
}

func clientOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// patience sets the deadline of the next read, unless the binding is being closed.
func (b *binding) patience(c net.Conn, d time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.closing && c.SetReadDeadline(time.Now().Add(d)) == nil
}

// converse answers one message after the other, each behind its length (RFC 1035 section 4.2.2), until the client is
// silent for too long. Questions that arrive together are answered in their order.
func (b *binding) converse(c net.Conn) {
	buf := make([]byte, 2+dns.MinMsgSize)
	for {
		if !b.patience(c, b.s.o.Idle) {
			return
		}
		if _, err := io.ReadFull(c, buf[:1]); err != nil {
			return
		}
		if !b.patience(c, messageTime) {
			return
		}
		if _, err := io.ReadFull(c, buf[1:2]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(buf))
		if n < headerSize {
			return // no message is this short
		}
		message := buf[2:]
		if n > len(message) {
			message = make([]byte, n)
		}
		if _, err := io.ReadFull(c, message[:n]); err != nil {
			return
		}
		out := b.counted(message[:n], dns.MaxMsgSize-1, false)
		if out == nil {
			return
		}
		framed := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(out)), uint16(len(out)))
		_ = c.SetWriteDeadline(time.Now().Add(messageTime))
		if _, err := c.Write(append(framed, out...)); err != nil {
			return
		}
	}
}
