package upstream

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"paifang/internal/http2"
	"paifang/internal/model"
)

// probeHTTP2 is probeHTTP for endpoints that speak HTTP/2.
func (l *live) probeHTTP2(ctx context.Context, nc net.Conn, h model.HealthCheck) error {
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
	if err := s.Open(l.probeFields(h), false, true); err != nil {
		return err
	}
	s.Flush()
	for {
		head, err := s.Answer()
		if err != nil {
			return fmt.Errorf("upstream: read the answer to a probe of %s: %w", l.key.Addr, err)
		}
		status, err := strconv.Atoi(head.Get(":status"))
		switch {
		case err != nil:
			return fmt.Errorf("upstream: the answer to a probe of %s has no status", l.key.Addr)
		case status < 200:
			continue
		}
		return expected(h, status, head.Get(":status"))
	}
}

// probeFields is the head of a probe.
func (l *live) probeFields(h model.HealthCheck) []http2.Field {
	scheme, host := "http", h.Host
	if l.key.Secure {
		scheme = "https"
	}
	setDefault(&host, l.probed(h).String())
	fields := []http2.Field{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: scheme}, {Name: ":authority", Value: host},
		{Name: ":path", Value: h.Path}, {Name: "user-agent", Value: "paifang-probe"},
	}
	for _, f := range h.Headers {
		fields = append(fields, http2.Field{Name: strings.ToLower(f.Name), Value: f.Value})
	}
	return fields
}
