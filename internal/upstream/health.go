package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"paifang/internal/model"
)

// retryTimeout bounds one probe of an endpoint that has no active health check.
const retryTimeout = time.Second

// withDefaults fills in what a health check leaves open; no check stays no check.
func withDefaults(h model.HealthCheck) model.HealthCheck {
	if h.Kind == model.HealthNone {
		return model.HealthCheck{}
	}
	if h.Kind == model.HealthHTTP {
		setDefault(&h.Path, "/")
	}
	setDefault(&h.Interval, 2*time.Second)
	setDefault(&h.Timeout, time.Second)
	setDefault(&h.Rise, 2)
	setDefault(&h.Fall, 2)
	return h
}

// watch probes an endpoint, the first time at once, until it ends. The interval counts from the start of one probe to
// the start of the next.
func (l *live) watch() {
	h := l.key.Health
	interval := time.NewTicker(h.Interval)
	defer interval.Stop()
	rises, falls := 0, 0
	for {
		was := l.down.Load()
		ctx, cancel := context.WithTimeout(l.ctx, h.Timeout)
		err := l.probe(ctx, h, l.key.Secure)
		cancel()
		if l.ctx.Err() != nil {
			return
		}
		l.noteProbe(err)
		switch now := l.down.Load(); {
		case now && !was:
			rises, falls = 0, 0 // taken out meanwhile by a failed connect: this probe was before it
		case err != nil:
			if rises, falls = 0, falls+1; falls >= h.Fall {
				l.note(true, CodeProbeFailed)
			}
		default:
			if rises, falls = rises+1, 0; rises >= h.Rise {
				l.note(false, "")
			}
		}
		select {
		case <-l.ctx.Done():
			return
		case <-interval.C:
		}
	}
}

func (l *live) noteProbe(err error) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.probes++
	l.probeError = ""
	if err != nil {
		l.probeError = err.Error()
	}
}

// retry brings an endpoint without an active health check back once it takes connections again, or makes TLS handshakes
// where that had failed. No request pays for the attempt. It ends with ctx: when the endpoint ends, or comes back because its source said something new.
func (l *live) retry(ctx context.Context, overTLS bool) {
	wait := l.table.cfg.RetryFirst
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		within, cancel := context.WithTimeout(ctx, retryTimeout)
		err := l.probe(within, model.HealthCheck{Kind: model.HealthTCP}, overTLS)
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.noteProbe(err)
		if err == nil {
			l.note(false, "")
			return
		}
		wait = min(2*wait, l.table.cfg.RetryMax)
	}
}

// errStatus is an answer to a probe that is not 2xx or 3xx.
var errStatus = errors.New("upstream: the probe was answered with a status that is not 2xx or 3xx")

// probe makes one probe. Its connection begins with a PROXY header that names no client where the upstream's connections
// have one.
func (l *live) probe(ctx context.Context, h model.HealthCheck, overTLS bool) error {
	c, err := l.probeConn(ctx, overTLS)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if h.Kind != model.HealthHTTP {
		return nil
	}
	out := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: paifang-probe\r\nConnection: close\r\n\r\n", h.Path, l.key.Addr)
	if _, err := c.Write(out); err != nil {
		return err
	}
	// "HTTP/1.1 200 OK": RFC 9112, section 4. What follows is of no interest.
	line, err := bufio.NewReaderSize(c, 512).ReadSlice('\n')
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("upstream: a probe of %s has no answer within %v", l.key.Addr, h.Timeout)
		}
		return fmt.Errorf("upstream: read the answer to a probe of %s: %w", l.key.Addr, err)
	}
	version, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	status, _, _ := strings.Cut(rest, " ")
	if !strings.HasPrefix(version, "HTTP/1.") || len(status) != 3 || status < "200" || status > "399" {
		return fmt.Errorf("%w: %q", errStatus, strings.TrimRight(string(line), "\r\n"))
	}
	return nil
}

// probeConn connects for a probe. The connection begins with a LOCAL PROXY header where the upstream's connections have one,
// and ends with the time of ctx.
func (l *live) probeConn(ctx context.Context, overTLS bool) (net.Conn, error) {
	tcp, err := l.connect(ctx)
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
