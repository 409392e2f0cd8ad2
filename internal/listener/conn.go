package listener

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"paifang/internal/model"
)

// Conn is an accepted connection whose client is settled. Read gives the bytes that came with a PROXY header first;
// who reads from TCP itself takes them from Buffered before.
type Conn struct {
	net.Conn
	Client   netip.AddrPort  // who the client is: as the balancer says, or the peer
	Peer     netip.AddrPort  // the other end of the socket
	Server   netip.AddrPort  // where the client connected: as the balancer says, or this end of the socket
	Listener *model.Listener // the settings in force when it was accepted; read only

	tcp      *net.TCPConn
	socket   *socket
	buffered []byte
	local    bool // the balancer speaks for itself
	kept     bool // its handler is not all that serves it
}

// Place is what a connection takes of the limits.
type Place struct{ socket *socket }

// Keep has the connection count until Leave, whenever its handler returns. It is for the handler, once.
func (c *Conn) Keep() Place {
	c.kept = true
	c.socket.set.wg.Add(1)
	return Place{c.socket}
}

// Leave gives the place back. The connection has been closed.
func (p Place) Leave() {
	p.socket.gone()
	p.socket.set.wg.Done()
}

// TCP is the socket itself.
func (c *Conn) TCP() *net.TCPConn { return c.tcp }

// Buffered returns the bytes that were read already and forgets them.
func (c *Conn) Buffered() []byte {
	b := c.buffered
	c.buffered = nil
	return b
}

// Unread puts back bytes that were read, in front of everything that is not. The Conn keeps them.
func (c *Conn) Unread(b []byte) {
	if len(c.buffered) > 0 {
		b = append(b[:len(b):len(b)], c.buffered...)
	}
	c.buffered = b
}

// Read reads what is buffered, then from the socket.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.buffered) > 0 {
		n := copy(p, c.buffered)
		c.buffered = c.buffered[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite ends the sending half.
func (c *Conn) CloseWrite() error { return c.tcp.CloseWrite() }

// headerRoom holds the longest header: a version 2 header says its length in 16 bits, but ours carry no more than
// addresses and a few short extensions.
const headerRoom = 4 << 10

var errNoHeader = errors.New("listener: no PROXY header")

// readHeader reads the PROXY header, which the peer must send.
func (c *Conn) readHeader(timeout time.Duration) error {
	if err := c.tcp.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return fmt.Errorf("listener: read PROXY header: %w", err)
	}
	r := bufio.NewReaderSize(c.tcp, headerRoom)
	h, err := proxyproto.Read(r)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoHeader, err)
	}
	if err := c.tcp.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("listener: read PROXY header: %w", err)
	}
	if c.buffered, err = r.Peek(r.Buffered()); err != nil {
		return fmt.Errorf("listener: read PROXY header: %w", err)
	}
	c.local = h.Command.IsLocal()
	if c.local {
		return nil
	}
	src, ok := h.SourceAddr.(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("%w: it carries no TCP address", errNoHeader)
	}
	c.Client = unmapped(src.AddrPort())
	if dst, ok := h.DestinationAddr.(*net.TCPAddr); ok {
		c.Server = unmapped(dst.AddrPort())
	}
	return nil
}

const (
	probeRequest = "GET /readyz "
	probeRoom    = 4 << 10
)

// probe answers the balancer's GET /readyz and tells whether it did. What is no such request is left in the buffer
// for the handler.
func (c *Conn) probe(ready bool, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	_ = c.tcp.SetReadDeadline(deadline)
	defer func() { _ = c.tcp.SetDeadline(time.Time{}) }()
	for !bytes.Contains(c.buffered, []byte("\r\n\r\n")) {
		seen := min(len(c.buffered), len(probeRequest))
		if string(c.buffered[:seen]) != probeRequest[:seen] || len(c.buffered) > probeRoom {
			return false
		}
		more := make([]byte, 512)
		n, err := c.tcp.Read(more)
		c.buffered = append(c.buffered[:len(c.buffered):len(c.buffered)], more[:n]...)
		if err != nil {
			_ = c.tcp.Close() // connected and left, as a TCP probe does
			return true
		}
	}
	if !bytes.HasPrefix(c.buffered, []byte(probeRequest)) {
		return false
	}
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nready\n"
	if !ready {
		answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\ndraining\n"
	}
	_ = c.tcp.SetWriteDeadline(deadline)
	_, _ = c.tcp.Write([]byte(answer)) // a probe that left is no news
	_ = c.tcp.Close()
	return true
}
