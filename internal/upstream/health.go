package upstream

import (
	"context"
	"math/rand/v2"
	"time"

	"paifang/internal/model"
)

// retryTimeout bounds one probe of an endpoint that has no active health check.
const retryTimeout = time.Second

// withDefaults fills in what a health check leaves open; no check stays no check.
func withDefaults(h model.HealthCheck) model.HealthCheck {
	switch h.Kind {
	case model.HealthNone:
		return model.HealthCheck{}
	case model.HealthHTTP:
		setDefault(&h.Path, "/")
		if len(h.Expect) == 0 {
			h.Expect = []model.StatusRange{{From: 200, To: 399}}
		}
	case model.HealthTCP, model.HealthGRPC:
	}
	setDefault(&h.Interval, 2*time.Second)
	setDefault(&h.Jitter, 10)
	setDefault(&h.Timeout, time.Second)
	setDefault(&h.Rise, 2)
	setDefault(&h.Fall, 2)
	return h
}

// watch probes an endpoint, the first time at once, until it ends. The interval counts from the start of one probe to
// the start of the next.
func (l *live) watch(life context.Context) {
	h := l.conduct.health
	rises, falls := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-next.C:
		}
		next.Reset(jittered(h))
		was := l.out()
		ctx, cancel := context.WithTimeout(life, h.Timeout)
		err := l.probe(ctx, h, l.key.Secure)
		cancel()
		if life.Err() != nil {
			return
		}
		l.noteProbe(err)
		switch now := l.out(); {
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
	}
}

// jittered is the time to the next probe. Processes that started together do not go on probing together.
func jittered(h model.HealthCheck) time.Duration {
	if h.Jitter <= 0 {
		return h.Interval
	}
	part := float64(h.Jitter) / 100 * (2*rand.Float64() - 1)
	return h.Interval + time.Duration(part*float64(h.Interval))
}

// out tells whether a probe or a connect says that the endpoint is down.
func (l *live) out() bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return l.reason != ""
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
