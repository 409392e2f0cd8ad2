package annotation_test

import (
	"bufio"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// either takes connections in clear text and over TLS on one port, as a pod behind AUTO_HTTP does: the first byte tells them
// apart (RFC 8446, 5.1).
type either struct {
	net.Listener
	clear, secure handedOn
	under         sync.WaitGroup
}

func newEither(ln net.Listener, config *tls.Config) *either {
	e := &either{Listener: ln}
	e.clear = handedOn{ln, make(chan net.Conn), make(chan struct{}), new(sync.Once)}
	e.secure = handedOn{ln, make(chan net.Conn), make(chan struct{}), new(sync.Once)}
	e.under.Go(func() { e.accept(config) })
	return e
}

// accept hands connections on until the listener is closed.
func (e *either) accept(config *tls.Config) {
	for {
		c, err := e.Accept()
		if err != nil {
			return
		}
		e.under.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			in := bufio.NewReader(c)
			first, err := in.Peek(1)
			if err != nil {
				_ = c.Close()
				return
			}
			_ = c.SetReadDeadline(time.Time{})
			to, conn := e.clear, net.Conn(readAhead{c, in})
			if first[0] == 22 {
				to, conn = e.secure, tls.Server(conn, config)
			}
			select {
			case to.conns <- conn:
			case <-to.closed:
				_ = c.Close()
			}
		})
	}
}

// handedOn is a listener of connections that somebody else has accepted.
type handedOn struct {
	net.Listener
	conns  chan net.Conn
	closed chan struct{}
	once   *sync.Once
}

// Accept waits for a connection.
func (h handedOn) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close closes what the connections come from, too.
func (h handedOn) Close() error {
	h.once.Do(func() { close(h.closed) })
	return h.Listener.Close()
}

// readAhead is a connection of which some bytes are read already.
type readAhead struct {
	net.Conn
	in *bufio.Reader
}

// Read reads those first.
func (r readAhead) Read(p []byte) (int, error) { return r.in.Read(p) }
