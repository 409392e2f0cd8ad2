package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
)

// secure makes a connection one of TLS, or closes it.
func (e *Endpoint) secure(within, ctx context.Context, c *Conn, o DialOptions) (*Conn, error) {
	config := &tls.Config{}
	if t := e.live.table.cfg.TLS; t != nil {
		config = t.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = e.Addr.Addr().String()
	}
	if config.NextProtos = o.Protocols; o.Protocols == nil {
		config.NextProtos = []string{"http/1.1"}
	}
	t := tls.Client(c.TCP, config)
	err := t.HandshakeContext(within)
	if got := t.ConnectionState().NegotiatedProtocol; err == nil && o.Protocols != nil && !slices.Contains(o.Protocols, got) {
		err = fmt.Errorf("the endpoint speaks %q, not %q", got, o.Protocols)
	}
	if err != nil {
		c.Close()
		code := CodeTLS
		if ctx.Err() != nil {
			code = CodeConnectCancelled
		}
		return nil, &Error{Code: code, msg: "TLS with " + e.live.key.Addr.String(), err: err}
	}
	c.Stream = t
	return c, nil
}
