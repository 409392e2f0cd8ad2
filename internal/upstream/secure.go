package upstream

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"paifang/internal/model"
)

// security is how TLS to the endpoints of an upstream is spoken.
type security struct {
	mode   model.UpstreamTLSMode
	name   string      // of the settings; empty: each dial says
	hidden bool        // the name is verified and not sent
	digest [32]byte    // of all of the settings but the mode, keys included: whoever differs shares nothing
	config *tls.Config // without a server name; never changed
	err    error       // why the settings cannot be used
}

// handshakeTimeout is the default of DialOptions.Handshake.
const handshakeTimeout = 5 * time.Second

// sessionsPerEndpoint bounds the TLS sessions that are kept to one endpoint: there is one for each server name.
const sessionsPerEndpoint = 16

// securityDigest tells settings apart.
func securityDigest(t *model.UpstreamTLS) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %t %q %t %q %q %q %q", t.Name, t.HideName, t.CA, t.SkipVerify, t.Chain, t.Key.Reveal(), t.MinVersion, t.MaxVersion))
}

// securityOf is the security of an upstream with such settings. Most have none, and share one.
func (t *Table) securityOf(s *model.UpstreamTLS) *security {
	if *s == (model.UpstreamTLS{}) {
		return t.plain
	}
	return newSecurity(s, t.cfg.Roots)
}

// newSecurity never fails: settings that cannot be used fail every dial, so that nothing is sent in another way than was
// meant.
func newSecurity(t *model.UpstreamTLS, roots *x509.CertPool) *security {
	s := &security{mode: t.Mode, name: t.Name, hidden: t.HideName, digest: securityDigest(t)}
	s.config = &tls.Config{RootCAs: roots, InsecureSkipVerify: t.SkipVerify, MinVersion: tls.VersionTLS12, MaxVersion: t.MaxVersion.Number()}
	if v := t.MinVersion.Number(); v != 0 {
		s.config.MinVersion = v
	}
	if s.err = t.Validate(); s.err != nil {
		return s
	}
	if t.CA != "" {
		cas, err := model.ParseCertificates(t.CA)
		if err != nil {
			s.err = err
			return s
		}
		s.config.RootCAs = x509.NewCertPool()
		for _, c := range cas {
			s.config.RootCAs.AddCert(c)
		}
	}
	if t.Chain != "" {
		pair, err := tls.X509KeyPair([]byte(t.Chain), []byte(t.Key.Reveal()))
		if err != nil {
			s.err = err
			return s
		}
		s.config.Certificates = []tls.Certificate{pair}
	}
	return s
}

// on tells whether TLS is spoken to an endpoint, by what its list says of it.
func (s *security) on(listed bool) bool {
	switch s.mode {
	case model.TLSAlways:
		return true
	case model.TLSNever, model.TLSAsAsked: // of the latter this is the handle for clear text
		return false
	default:
		return listed
	}
}

// TLS tells whether connections to the endpoint are secured by TLS.
func (e *Endpoint) TLS() bool { return e.live.key.Secure }

// poolName is what idle connections are told apart by: a connection that was made for one server name is of no use for another.
// Where the settings have the name, or there is no TLS, all are alike.
func (l *live) poolName(literal string) string {
	if !l.key.Secure || l.security.name != "" {
		return ""
	}
	return literal
}

// serverName is the name that is sent and verified: that of the settings, else what the route sends as its literal Host, else
// the endpoint's own where it can be one on a certificate, else its address.
func (l *live) serverName(literal, endpoint string) string {
	switch {
	case l.security.name != "":
		return l.security.name
	case literal != "":
		return strings.Trim(literal, "[]")
	case isDomain(endpoint):
		return endpoint
	default:
		return l.key.Addr.Addr().Unmap().WithZone("").String()
	}
}

// isDomain tells names that a certificate may have from those of pods and instances.
func isDomain(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
		return false
	}
	shape, _ := model.Host(name).Split()
	return shape == model.HostExact && model.Host(name).Validate() == nil
}

// wire is the connection below TLS. It can pretend that nothing more has come, so that what TLS has read already can be asked
// for without waiting.
type wire struct {
	*net.TCPConn
	dry    bool
	ended  bool // the socket has, and TLS had not
	ending bool
}

// Read reads from the socket.
func (w *wire) Read(p []byte) (int, error) {
	if w.dry {
		return 0, errDry
	}
	n, err := w.TCPConn.Read(p)
	w.ended = errors.Is(err, io.EOF)
	return n, err
}

// Truncated tells whether the end that was read last may have been made by somebody on the way: the socket ended, and the
// endpoint had not said so in words of TLS. What is complete only by its end is not complete then (RFC 9112 section 9.8).
func (c *Conn) Truncated() bool { return c.wire != nil && c.wire.ended }

// byeTime bounds the wait for room in the socket for the last words. On a connection that was idle there is room.
const byeTime = 10 * time.Millisecond

// SetWriteDeadline sets the deadline, a near one for the last words, for which crypto/tls would wait for seconds.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.ending {
		if soon := time.Now().Add(byeTime); t.After(soon) {
			t = soon
		}
	}
	return w.TCPConn.SetWriteDeadline(t)
}

// holds tells whether TLS has read something that nobody asked for, or the end, beyond what it gave out. The socket does not
// show that any more. Tickets and the like, which are no data, are taken in by it.
func (c *Conn) holds() bool {
	c.wire.dry = true
	n, err := c.tls.Read(c.one[:])
	c.wire.dry = false
	return n > 0 || !errors.Is(err, errDry)
}

// TLS is the state of the TLS connection; false in clear text.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	if c.tls == nil {
		return tls.ConnectionState{}, false
	}
	return c.tls.ConnectionState(), true
}

// closeIdle is Close for a connection on which nothing is under way: its end is told (RFC 8446 section 6.1).
func (c *Conn) closeIdle() {
	if c.tls != nil {
		c.wire.ending = true
		_ = c.tls.Close() // the socket is closed, whoever has heard of it
	}
	c.Close()
}

// errDry is a timeout to those who ask: the connection goes on after it.
var errDry dryError

type dryError struct{}

func (dryError) Error() string   { return "upstream: nothing more was read" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

// handshake secures a connection. Errors are those of crypto/tls and crypto/x509, or that of ctx.
func (l *live) handshake(ctx context.Context, tcp *net.TCPConn, name string, protocols []string) (*tls.Conn, *wire, error) {
	config := l.security.config.Clone()
	config.ServerName, config.NextProtos = name, protocols
	config.ClientSessionCache = l.sessions
	l.security.hide(config)
	w := &wire{TCPConn: tcp}
	c := tls.Client(w, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	return c, w, nil
}

// hide takes the server name out of a handshake, and has it verified nevertheless.
func (s *security) hide(config *tls.Config) {
	if !s.hidden {
		return
	}
	name := config.ServerName
	config.ServerName, config.InsecureSkipVerify = "", true
	if !s.config.InsecureSkipVerify {
		config.VerifyConnection = func(cs tls.ConnectionState) error { return verifyChain(config, cs, name) }
	}
}

// secureFailed says whose failure a handshake was, and notes one that every further handshake would meet with too. What the
// certificate is to blame for is a matter of these settings, or of the server name that was asked for, and says nothing about
// the address: others may be served there. literal is a name that this route alone asks for.
func (l *live) secureFailed(ctx, within context.Context, literal string, err error) model.Code {
	code := CodeTLS
	switch {
	case ctx.Err() != nil:
		return CodeConnectCancelled
	case within.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		code = CodeTLSTimeout
	case !broke(err):
		return code
	}
	if l.poolName(literal) == "" {
		l.note(true, code)
	}
	return code
}

// broke tells a handshake that ended because no TLS is spoken, or the connection went, from one that ended in words of TLS.
func broke(err error) bool {
	var record tls.RecordHeaderError
	var network *net.OpError
	switch {
	case errors.As(err, &record), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	case errors.As(err, &network):
		return network.Op != "remote error" && network.Op != "local error"
	}
	return false
}

// IsAlert tells whether a connection ended since the endpoint refused it in words of TLS: with version 1.3 a client's certificate is
// refused after the client's end of the handshake, in place of the answer (RFC 8446 section 4.4.2.4).
func IsAlert(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "remote error"
}

// probing is the connection of a probe over TLS. Closing it does not wait for anybody.
type probing struct {
	*tls.Conn
	tcp *net.TCPConn
}

// Close closes the socket.
func (p probing) Close() error { return p.tcp.Close() }

// secureProbe secures the connection of a probe. Probes verify as requests do; which name the
// certificate must have is left open where that is for each route to say.
func (l *live) secureProbe(ctx context.Context, tcp *net.TCPConn) (net.Conn, error) {
	if l.security.err != nil {
		return nil, fmt.Errorf("upstream: TLS with %s: %w", l.key.Addr, l.security.err)
	}
	config := l.security.config.Clone()
	config.ServerName = l.security.name
	if l.key.Protocol.Shared() || l.conduct.health.Kind == model.HealthGRPC {
		config.NextProtos = []string{"h2"}
	}
	if config.ServerName == "" {
		config.InsecureSkipVerify = true
		if !l.security.config.InsecureSkipVerify {
			config.VerifyConnection = func(cs tls.ConnectionState) error { return verifyChain(config, cs, "") }
		}
	} else {
		l.security.hide(config)
	}
	c := tls.Client(tcp, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("upstream: TLS with %s: %w", l.key.Addr, err)
	}
	return probing{c, tcp}, nil
}

// verifyChain verifies a server's certificate, all of it but the name where that is empty.
func verifyChain(config *tls.Config, cs tls.ConnectionState, name string) error {
	others := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		others.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: config.RootCAs, Intermediates: others})
	return err
}
