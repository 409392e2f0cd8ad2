package certs

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"paifang/internal/model"
)

// Terminator makes the handshakes of one listener. It is immutable, and follows the store.
type Terminator struct {
	store   *Store
	tickets *Tickets
	base    *tls.Config
	protos  []string
	least   uint16
	most    uint16
	ciphers []uint16
	life    time.Duration // of sessions; 0 = as long as the keys of tickets are known
	single  bool          // none is resumed
	reject  bool          // a name without a certificate
	staple  bool          // OCSP responses
}

// Terminator returns what makes handshakes with the certificates and policies of the store: TLS 1.2 and 1.3, forward
// secrecy and authenticated encryption only (RFC 9325 sections 3.1.1 and 4.2), within the bounds of the listener. protos are
// what ALPN offers, the preferred first; a client that offers others only is refused (RFC 7301 section 3.2).
func (s *Store) Terminator(l model.ListenerTLS, tickets *Tickets, protos []string) *Terminator {
	t := &Terminator{store: s, tickets: tickets, protos: protos, least: l.MinVersion.Number(), most: l.MaxVersion.Number(), ciphers: model.CipherSuites(l.Ciphers),
		life: l.SessionLife, single: l.NoSessions, reject: l.RejectUnknown, staple: l.Staple}
	if t.least == 0 {
		t.least = tls.VersionTLS12
	}
	t.base = &tls.Config{GetConfigForClient: configFor, MinVersion: t.least, MaxVersion: t.most}
	return t
}

// handshakeKey is where a handshake finds its own state.
type handshakeKey struct{}

// handshake is the state of one handshake.
type handshake struct {
	t      *Terminator
	name   string
	cert   *parsed
	rules  *rules
	proven int64 // since when the certificate of a resumed session is
}

// Handshake makes the handshake of a connection, which the caller bounds by a deadline. Where it fails, the connection is
// of no use and is closed by the caller.
func (t *Terminator) Handshake(nc net.Conn) (*tls.Conn, *Session, error) {
	h := &handshake{t: t}
	c := tls.Server(nc, t.base)
	if err := c.HandshakeContext(context.WithValue(context.Background(), handshakeKey{}, h)); err != nil {
		return nil, nil, err
	}
	return c, h.session(c.ConnectionState()), nil
}

// configFor is called with the whole ClientHello, in however many records it came.
func configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	h := hello.Context().Value(handshakeKey{}).(*handshake)
	t := h.t
	x := t.store.index.Load()
	h.name = normal(hello.ServerName)
	h.cert, h.rules = t.store.certificate(x, h.name), x.of(h.name)
	if t.reject && h.cert == t.store.fallback {
		return &tls.Config{MinVersion: t.least, MaxVersion: t.most}, nil // without a certificate crypto/tls says that the name is not known
	}
	shown := h.cert.pair
	if t.staple {
		shown = h.cert.shown(t.tickets.now())
	}
	c := &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown, nil },
		NextProtos:     t.protos, MinVersion: t.least, MaxVersion: t.most, CipherSuites: t.ciphers,
		WrapSession: h.wrap, UnwrapSession: h.unwrap, SessionTicketsDisabled: t.single,
	}
	h.rules.apply(c, t.tickets.now)
	return c, nil
}

func (h *handshake) wrap(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
	s := stamp{identity: identity(h.name, h.cert, h.rules), made: h.t.tickets.now().Unix()}
	if len(cs.PeerCertificates) > 0 {
		s.proven = h.proven
		if s.proven == 0 {
			s.proven = s.made
		}
	}
	return h.t.tickets.wrap(cs, ss, s)
}

// unwrap returns the session of a ticket, or nil for a full handshake.
func (h *handshake) unwrap(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	ss, s := h.t.tickets.unwrap(ticket, cs)
	switch {
	case ss == nil || s.identity != identity(h.name, h.cert, h.rules):
		return nil, nil
	case h.t.life > 0 && h.t.tickets.now().Sub(time.Unix(s.made, 0)) >= h.t.life:
		return nil, nil
	case h.rules.auth == model.ClientRequired && s.proven == 0:
		return nil, nil // it may have one by now
	case s.proven != 0 && h.t.tickets.now().Sub(time.Unix(s.proven, 0)) >= provenFor:
		return nil, nil
	}
	h.proven = s.proven
	return ss, nil
}
