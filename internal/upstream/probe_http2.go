package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"paifang/internal/http2"
)

// probeHTTP2 asks for a path over HTTP/2, on a connection of its own. first is sent before everything else.
func (l *live) probeHTTP2(ctx context.Context, nc net.Conn, path string, first []byte) error {
	if _, err := nc.Write(first); err != nil {
		return err
	}
	scheme := "http"
	if l.key.Secure {
		scheme = "https"
		config := &tls.Config{}
		if t := l.table.cfg.TLS; t != nil {
			config = t.Clone()
		}
		if config.ServerName == "" {
			config.ServerName = l.key.Addr.Addr().String()
		}
		config.NextProtos = []string{"h2"}
		t := tls.Client(nc, config)
		if err := t.HandshakeContext(ctx); err != nil {
			return err
		}
		nc = t
	}
	conn := http2.Client(nc, http2.Config{Streams: 1})
	var serving sync.WaitGroup
	serving.Go(func() { _ = conn.Run() }) // the stream says what went wrong
	defer serving.Wait()
	defer conn.Kill()
	defer context.AfterFunc(ctx, conn.Kill)()
	s, err := conn.NewStream()
	if err != nil {
		return err
	}
	defer s.Close()
	fields := []http2.Field{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: scheme}, {Name: ":authority", Value: l.key.Addr.String()},
		{Name: ":path", Value: path}, {Name: "user-agent", Value: "paifang-probe"},
	}
	if err := s.Open(fields, false, true); err != nil {
		return err
	}
	s.Flush()
	for {
		head, err := s.Answer()
		if err != nil {
			return fmt.Errorf("upstream: read the answer to a probe of %s: %w", l.key.Addr, err)
		}
		switch status := head.Get(":status"); {
		case status < "200":
			continue
		case status > "399":
			return fmt.Errorf("%w: %q", errStatus, status)
		}
		return nil
	}
}
