package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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
		err := l.probe(ctx, h)
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

// retry brings an endpoint without an active health check back once it takes connections again. No request pays for
// the attempt. It ends with ctx: when the endpoint ends, or comes back because its source said something new.
func (l *live) retry(ctx context.Context) {
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
		err := l.probe(within, model.HealthCheck{Kind: model.HealthTCP})
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

// probe makes one probe. Its connection begins with a LOCAL PROXY header where the upstream's connections have one.
func (l *live) probe(ctx context.Context, h model.HealthCheck) error {
	tcp, err := l.connect(ctx)
	if err != nil {
		return err
	}
	defer tcp.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := tcp.SetDeadline(deadline); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { tcp.Close() })
	defer stop()
	var out []byte
	if l.key.Dial.Proxy == model.ProxyV2 {
		if out, err = localHeader(); err != nil {
			return err
		}
	}
	if h.Kind != model.HealthHTTP {
		_, err := tcp.Write(out)
		return err
	}
	if l.key.Protocol.Shared() {
		return l.probeHTTP2(ctx, tcp, h.Path, out)
	}
	out = fmt.Appendf(out, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: paifang-probe\r\nConnection: close\r\n\r\n", h.Path, l.key.Addr)
	if _, err := tcp.Write(out); err != nil {
		return err
	}
	// "HTTP/1.1 200 OK": RFC 9112, section 4. What follows is of no interest.
	line, err := bufio.NewReaderSize(tcp, 512).ReadSlice('\n')
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
