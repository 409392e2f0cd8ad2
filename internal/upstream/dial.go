package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"paifang/internal/fastcgi"
	"paifang/internal/model"
)

// DialOptions says how one connection is made.
type DialOptions struct {
	// Timeout bounds connecting and sending the PROXY header. Default 1 s. Where it passes, the endpoint is down.
	Timeout time.Duration
	// Client and Server are what a PROXY header says: the client's address, and the address that it connected to.
	// Both are needed where the upstream sends one.
	Client, Server netip.AddrPort
	// Handshake bounds the TLS handshake, which follows. Default 5 s.
	Handshake time.Duration
	// Name is the host that the route sends as its own: the server name where the upstream's settings have none.
	Name string
	// Protocols are offered by ALPN, the preferred first. Default: http/1.1.
	Protocols []string
	// Raw leaves TLS to those whose bytes are passed on.
	Raw bool
	// Behind is how many requests the client has under way besides this one, and one more if it is new. Of those that wait for their turn
	// in DialApart who has the fewest is next, so that a client with thousands of them is in nobody's way; and who has any is paced.
	Behind int
	// Fresh has DialApart return no kept connection.
	Fresh bool
}

// dialTimeout is the default of DialOptions.Timeout.
const dialTimeout = time.Second

// Dial makes a new connection to the endpoint, from the upstream's own address and with the client's address in a
// PROXY protocol header where the upstream says so. A failure that is the endpoint's own takes it out at once, for
// everybody. When ctx ends first, that is the caller's doing, and says nothing about the endpoint.
//
// Where TLS is spoken to the endpoint, the connection is secured. A certificate that is not good takes nobody out.
//
// Errors are *Error with CodeConnectRefused, CodeConnectTimeout, CodeConnectFailed (the endpoint's own), CodeTLS,
// CodeTLSTimeout, CodeConnectLocal or CodeConnectCancelled, and ErrConnectionLimit.
func (e *Endpoint) Dial(ctx context.Context, o DialOptions) (*Conn, error) {
	l := e.live
	over := l.key.Secure && !o.Raw
	if over && l.security.err != nil {
		return nil, &Error{Code: CodeTLS, msg: "TLS with " + l.key.Addr.String(), err: l.security.err}
	}
	setDefault(&o.Timeout, dialTimeout)
	var g *gate
	if e.handle.up.Limits.Connections > 0 {
		g = e.handle.gate
	}
	if !e.handle.connect() {
		return nil, ErrConnectionLimit
	}
	if !l.pool.enter(e.conns) {
		if g != nil {
			g.conns.Add(-1)
		}
		return nil, ErrConnectionLimit
	}
	within, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	tcp, err := l.connect(within, l.key.Addr)
	if err == nil && l.key.Dial.Proxy != model.ProxyNone {
		err = l.sendProxy(tcp, within, o)
	}
	if err == nil {
		var c *Conn
		if c, err = newConn(l, tcp); err == nil {
			c.gate = g
			if over {
				return e.secure(ctx, c, o)
			}
			if f := e.handle.fastCGI; f != nil && !o.Raw {
				c.Stream = fastcgi.Client(tcp, f)
			}
			return c, nil
		}
	}
	l.leave(g)
	if tcp != nil {
		tcp.Close()
	}
	code := dialCode(ctx, err)
	if code == CodeConnectRefused || code == CodeConnectTimeout || code == CodeConnectFailed {
		l.connectFailed(code)
	}
	return nil, &Error{Code: code, msg: "connect to " + l.key.Addr.String(), err: err}
}

// errNoTurn says that others connect for too long.
var errNoTurn = errors.New("too many connects are under way")

// DialApart is Dial on a stack of its own. Connecting takes a deep one, and who waits for an answer afterwards keeps what it has
// grown to. It waits for its turn where many connect, see DialOptions.Behind; where that takes longer than five times o.Timeout, and
// six times as long where o.Behind is not 0, the code is CodeConnectLocal. A connection that somebody else is through
// with meanwhile is returned in place of a new one, as GetFor would, unless o.Fresh.
func (e *Endpoint) DialApart(ctx context.Context, o DialOptions) (*Conn, error) {
	l := e.live
	setDefault(&o.Timeout, dialTimeout)
	// Those in front may need all of theirs, and more than one after the other.
	within := 5 * o.Timeout
	if o.Behind >= crowd {
		within *= 6
	}
	kept, err := l.turns.enter(ctx, &dialler{behind: o.Behind, late: time.Now().Add(within), takes: l.poolName(o.Name), fresh: o.Fresh})
	if err != nil {
		code := CodeConnectCancelled
		if errors.Is(err, errNoTurn) {
			code = CodeConnectLocal
		}
		return nil, &Error{Code: code, msg: "connect to " + l.key.Addr.String(), err: err}
	}
	if kept != nil {
		return kept, nil
	}
	defer l.turns.leave()
	var c *Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err = e.Dial(ctx, o)
	}()
	<-done
	return c, err
}

// secure makes a connection one of TLS, or closes it.
func (e *Endpoint) secure(ctx context.Context, c *Conn, o DialOptions) (*Conn, error) {
	l := e.live
	o.Name = strings.Clone(o.Name) // it may be a view, and is kept
	setDefault(&o.Handshake, handshakeTimeout)
	if o.Protocols == nil {
		o.Protocols = []string{"http/1.1"}
	}
	within, cancel := context.WithTimeout(ctx, o.Handshake)
	defer cancel()
	name := l.serverName(o.Name, e.Name)
	t, w, err := l.handshake(within, c.TCP, name, o.Protocols)
	if err != nil {
		code := l.secureFailed(ctx, within, o.Name, err)
		c.Close()
		return nil, &Error{Code: code, msg: "TLS with " + l.key.Addr.String() + " as " + name, err: err}
	}
	c.Stream, c.tls, c.wire, c.name = t, t, w, l.poolName(o.Name)
	return c, nil
}

// connect makes a TCP connection to a port of the endpoint's host, and nothing else.
func (l *live) connect(ctx context.Context, to netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}}
	tcp, err := l.dialFrom(ctx, &d, to)
	if err != nil {
		return nil, err
	}
	if meetsItself(tcp) {
		tcp.Close()
		return nil, syscall.ECONNREFUSED
	}
	return tcp, nil
}

// dialFrom has the dialler connect, from the upstream's own address where it has one. Without one DialTCP is no choice: it binds the
// socket to any address all the same, which takes a port that is free towards everybody, and the system a long search where many are in
// use.
func (l *live) dialFrom(ctx context.Context, d *net.Dialer, to netip.AddrPort) (*net.TCPConn, error) {
	if from := l.key.Dial.From; from.IsValid() {
		d.Control = lateBind
		return d.DialTCP(ctx, "tcp", netip.AddrPortFrom(from, 0), to)
	}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// meetsItself tells a connection whose two ends are one socket: dialling a free port of this machine may be given that
// port as its own (TCP's simultaneous open, RFC 9293, section 3.5). Nobody is there.
func meetsItself(tcp *net.TCPConn) bool {
	return tcp.LocalAddr().(*net.TCPAddr).AddrPort() == tcp.RemoteAddr().(*net.TCPAddr).AddrPort()
}

var errNoClient = errors.New("the upstream sends a PROXY header and the client's address is not given")

// sendProxy writes a header that names the client (PROXY protocol specification, sections 2.1 and 2.2).
func (l *live) sendProxy(tcp *net.TCPConn, ctx context.Context, o DialOptions) error {
	if !o.Client.IsValid() || !o.Server.IsValid() {
		return errNoClient
	}
	h := proxyproto.HeaderProxyFromAddrs(proxyVersion(l.key.Dial.Proxy), net.TCPAddrFromAddrPort(o.Client), net.TCPAddrFromAddrPort(o.Server))
	b, err := h.Format()
	if err != nil {
		return fmt.Errorf("format the PROXY header: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := tcp.SetWriteDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := tcp.Write(b); err != nil {
		return err
	}
	return tcp.SetWriteDeadline(time.Time{})
}

// localHeader is a header that names no client, for a connection of the balancer's own: the LOCAL command of version 2,
// UNKNOWN in version 1.
func localHeader(mode model.ProxyMode) ([]byte, error) {
	h := proxyproto.Header{Version: proxyVersion(mode), Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}
	return h.Format()
}

func proxyVersion(mode model.ProxyMode) byte {
	if mode == model.ProxyV1 {
		return 1
	}
	return 2
}

// dialCode says whose failure it was.
func dialCode(ctx context.Context, err error) model.Code {
	var timeout interface{ Timeout() bool }
	switch {
	case ctx.Err() != nil:
		return CodeConnectCancelled
	case errors.Is(err, syscall.ECONNREFUSED):
		return CodeConnectRefused
	case errors.Is(err, errNoClient), isLocal(err):
		return CodeConnectLocal
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return CodeConnectTimeout
	default:
		return CodeConnectFailed
	}
}

// isLocal tells the failures that this machine has with itself: they say nothing about the endpoint.
func isLocal(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
