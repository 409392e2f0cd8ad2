package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"paifang/internal/model"
)

// errStatus is an answer to a probe that is none of those that were expected.
var errStatus = errors.New("upstream: the probe was answered with a status that is not expected")

// probe makes one probe, on a connection of its own.
func (l *live) probe(ctx context.Context, h model.HealthCheck, overTLS bool) error {
	c, err := l.probeConn(ctx, l.probed(h), overTLS)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	switch h.Kind {
	case model.HealthHTTP:
		if l.key.Protocol.Shared() {
			err = l.probeHTTP2(ctx, c, h)
		} else {
			err = l.probeHTTP(c, h)
		}
	case model.HealthGRPC:
		err = l.probeGRPC(c, h)
	case model.HealthNone, model.HealthTCP:
	}
	if err != nil && (ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		return fmt.Errorf("upstream: a probe of %s has no answer within %v", l.key.Addr, h.Timeout)
	}
	return err
}

// probed is the address that is probed.
func (l *live) probed(h model.HealthCheck) netip.AddrPort {
	if h.Port != 0 {
		return netip.AddrPortFrom(l.key.Addr.Addr(), h.Port)
	}
	return l.key.Addr
}

// probeConn connects for a probe. The connection begins with a LOCAL PROXY header where the upstream's connections have one,
// and ends with the time of ctx.
func (l *live) probeConn(ctx context.Context, to netip.AddrPort, overTLS bool) (net.Conn, error) {
	tcp, err := l.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = tcp.SetDeadline(deadline)
	}
	if mode := l.key.Dial.Proxy; err == nil && mode != model.ProxyNone {
		var header []byte
		if header, err = localHeader(mode); err == nil {
			_, err = tcp.Write(header)
		}
	}
	var c net.Conn = tcp
	if err == nil && overTLS {
		c, err = l.secureProbe(ctx, tcp)
	}
	if err != nil {
		tcp.Close()
		return nil, err
	}
	return c, nil
}

// probeHTTP asks over HTTP/1.1 and reads the status of the answer (RFC 9112, section 4). What follows is of no interest: a
// redirect is an answer, and is not followed.
func (l *live) probeHTTP(c net.Conn, h model.HealthCheck) error {
	host := h.Host
	setDefault(&host, l.probed(h).String())
	out := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: paifang-probe\r\nConnection: close\r\n", h.Path, host)
	for _, f := range h.Headers {
		out = fmt.Appendf(out, "%s: %s\r\n", f.Name, f.Value)
	}
	if _, err := c.Write(append(out, "\r\n"...)); err != nil {
		return err
	}
	read, err := bufio.NewReaderSize(c, 512).ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("upstream: read the answer to a probe of %s: %w", l.key.Addr, err)
	}
	line := strings.TrimRight(string(read), "\r\n")
	version, rest, _ := strings.Cut(line, " ")
	text, _, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(text)
	if err != nil || len(text) != 3 || !strings.HasPrefix(version, "HTTP/1.") {
		return fmt.Errorf("upstream: the answer to a probe of %s is no HTTP/1.1: %q", l.key.Addr, line)
	}
	return expected(h, status, line)
}

// expected tells whether a status is one that a probe asks for. line is what is said of one that is not.
func expected(h model.HealthCheck, status int, line string) error {
	for _, r := range h.Expect {
		if r.Contains(status) {
			return nil
		}
	}
	return fmt.Errorf("%w: %q", errStatus, line)
}
