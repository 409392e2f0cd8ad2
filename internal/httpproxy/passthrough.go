package httpproxy

import (
	"time"

	"paifang/internal/clienthello"
	"paifang/internal/listener"
)

// passesOn reads the ClientHello of a connection where its listener passes any on, and has it carried where it is for such a
// name. False: the connection is served here, with every byte that was read put back, also where these are no ClientHello, for
// which the handshake has the right alert. until bounds the reading.
func (c *conn) passesOn(lc *listener.Conn, until time.Time) bool {
	p := c.plane.cfg.Passthrough
	id := c.port.site.Load().listener.ID
	if p == nil || !p.Passes(id) || lc.SetReadDeadline(until) != nil {
		return false
	}
	name := readServerName(lc)
	if name == "" {
		return false
	}
	carry := p.Pass(lc, id, name)
	if carry == nil {
		return false
	}
	// From here on the connection is no longer the port's, whose drain would cut it.
	c.port.forget(c)
	if c.cut.Load() || lc.SetDeadline(time.Time{}) != nil {
		_ = lc.Close() // whoever carries it finds that at once
	}
	carry()
	c.place.Leave()
	return true
}

// readServerName reads a ClientHello, puts back what it read, and returns the server name; "" where there is none.
func readServerName(lc *listener.Conn) string {
	var hello clienthello.Reader
	defer func() { lc.Unread(hello.Bytes()) }()
	for {
		n, err := lc.Read(hello.Room())
		whole, wrong := hello.Take(n)
		if whole {
			name, err := hello.ServerName()
			if err != nil {
				return ""
			}
			return name
		}
		if err != nil || wrong != nil {
			return ""
		}
	}
}

// passedOn tells whether a request came over a connection that is served here, for a host whose connections are passed on. Who
// asks for it over the connection of another host shall ask its own server.
func (w *work) passedOn() bool {
	p := w.c.plane.cfg.Passthrough
	return p != nil && p.Passes(w.site.listener.ID) && p.Passed(w.site.listener.ID, w.x.Request.Host)
}
