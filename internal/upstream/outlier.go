package upstream

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// streak counts bad results in a row, in three ways that share a word: failures, failures with gateway errors, failures with
// answers 5xx. It is written only by bad results and by the good one after them.
type streak struct{ word atomic.Uint64 }

const streakBits = 20

// add counts a bad result and returns the three counts.
func (s *streak) add(r Result) (failures, gateway, server int) {
	for {
		old := s.word.Load()
		f, g, v := split(old)
		v++
		if g++; r == ServerError {
			g = 0
		}
		if f++; r != Failed {
			f = 0
		}
		if s.word.CompareAndSwap(old, uint64(f)|uint64(g)<<streakBits|uint64(v)<<(2*streakBits)) {
			return f, g, v
		}
	}
}

func split(w uint64) (f, g, v int) {
	const mask = 1<<streakBits - 1
	return int(w & mask), int(w >> streakBits & mask), int(w >> (2 * streakBits) & mask)
}

// end is a good result, or the end of what was counted.
func (s *streak) end() {
	if s.word.Load() != 0 {
		s.word.Store(0)
	}
}

// withEjectionDefaults fills in what an ejection leaves open; one that is off is nothing else.
func withEjectionDefaults(e model.Ejection) model.Ejection {
	if e.Off {
		return model.Ejection{Off: true}
	}
	setDefault(&e.Failures, 5)
	setDefault(&e.Interval, 10*time.Second)
	setDefault(&e.Base, 30*time.Second)
	setDefault(&e.Most, 300*time.Second)
	setDefault(&e.Percent, 10)
	if e.SuccessRate.On {
		setDefault(&e.SuccessRate.Deviations, 1900)
		setDefault(&e.SuccessRate.Requests, 100)
		setDefault(&e.SuccessRate.Endpoints, 5)
	}
	return e
}

// bad notes a bad result and ejects the endpoint if it was one too many.
func (l *live) bad(r Result) {
	l.badResults.Add(1)
	e := &l.conduct.ejection
	// One that is down was taken out by a probe or a connect, and comes back by one.
	if e.Off || l.down.Load() {
		return
	}
	f, g, v := l.streak.add(r)
	reached := func(n, most int) bool { return most > 0 && n >= most }
	var why model.Code
	switch {
	case reached(f, e.Failures):
		why = CodeEjectedFailures
	case reached(g, e.GatewayErrors):
		why = CodeEjectedGateway
	case reached(v, e.ServerErrors):
		why = CodeEjectedServer
	default:
		return
	}
	l.streak.end() // where it may not be ejected, it takes as many again until that is looked at again
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.table.eject(l, why)
}

// eject takes an endpoint out for a while, unless too many are out already. The lock is held.
func (t *Table) eject(l *live, why model.Code) {
	if l.ejected != "" || l.reason != "" || l.gone || t.closed {
		return
	}
	for h := range l.users.All {
		if !h.spares() {
			return
		}
	}
	now := time.Now()
	l.ejected = why
	l.ejections++
	if l.times > 0 {
		// For each interval of good conduct since, one ejection is forgotten.
		l.times = max(0, l.times-int(now.Sub(l.back)/l.conduct.ejection.Interval))
	}
	l.times++
	l.until = now.Add(min(time.Duration(l.times)*l.conduct.ejection.Base, l.conduct.ejection.Most))
	t.ejected[l] = struct{}{}
	if l.conduct.health.Kind == model.HealthNone {
		ctx, cancel := context.WithCancel(l.context())
		l.stopRetry = cancel
		t.owned.Go(func() { l.confirm(ctx) })
	}
	t.news(l)
	t.poke()
}

// spares tells whether one more endpoint of the handle may be ejected: the ready with a weight count. The lock is held.
func (h *Handle) spares() bool {
	n, out := 0, 0
	for _, e := range h.picker.Load().members {
		if e.State != model.Ready || e.Weight.Thousandths() == 0 {
			continue
		}
		n++
		if e.live.ejected != "" {
			out++
		}
	}
	most := n * withEjectionDefaults(h.up.Ejection).Percent / 100
	if n > 1 {
		most = max(most, 1)
	}
	return out < most
}

// confirm finds out whether an ejected endpoint, of which nothing is known but requests, is gone altogether: then it is down,
// and comes back as soon as it takes connections again.
func (l *live) confirm(ctx context.Context) {
	for {
		within, cancel := context.WithTimeout(ctx, retryTimeout)
		err := l.probe(within, model.HealthCheck{Kind: model.HealthTCP}, false)
		cancel()
		if ctx.Err() != nil {
			return
		}
		l.noteProbe(err)
		if err != nil {
			l.note(true, dialCode(ctx, err))
			return
		}
		timer := time.NewTimer(l.table.cfg.RetryFirst)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// readmit ends an ejection. The lock is held.
func (t *Table) readmit(l *live) {
	if l.ejected == "" {
		return
	}
	l.ejected, l.until = "", time.Time{}
	delete(t.ejected, l)
	l.streak.end()
	if l.stopRetry != nil && l.reason == "" {
		l.stopRetry()
		l.stopRetry = nil
	}
	t.news(l)
}

// readmitDue ends the ejections whose time is over and returns how long it is until the next one's is. The lock is held.
func (t *Table) readmitDue(now time.Time) time.Duration {
	next := time.Hour
	for l := range t.ejected {
		if left := l.until.Sub(now); left > 0 {
			next = min(next, left)
			continue
		}
		t.readmit(l)
	}
	return next
}

// rating compares the success rates of a handle's endpoints once in each interval.
type rating struct {
	due    time.Time
	before map[*live][2]uint64 // requests and bad results at the last comparison
}

// rate compares where it is time and returns how long it is until the next comparison. The lock is held.
func (t *Table) rate(now time.Time) time.Duration {
	next := time.Hour
	for h, r := range t.rated {
		e := withEjectionDefaults(h.up.Ejection)
		if left := r.due.Sub(now); left > 0 {
			next = min(next, left)
			continue
		}
		r.due = now.Add(e.Interval)
		next = min(next, e.Interval)
		for _, l := range r.worse(h, e.SuccessRate) {
			t.eject(l, CodeEjectedRate)
		}
	}
	return next
}

// worse returns the endpoints whose success rate is out of line, and begins a new interval.
func (r *rating) worse(h *Handle, s model.SuccessRate) []*live {
	type rated struct {
		l    *live
		good float64
	}
	var all []rated
	after := make(map[*live][2]uint64, len(r.before))
	sum := 0.0
	for _, e := range h.picker.Load().members {
		l := e.live
		now := [2]uint64{l.requests.Load(), l.badResults.Load()}
		was, known := r.before[l]
		after[l] = now
		n := now[0] - was[0]
		if !known || n < uint64(s.Requests) || n == 0 || l.down.Load() {
			continue
		}
		good := max(0, 1-float64(now[1]-was[1])/float64(n))
		all = append(all, rated{l, good})
		sum += good
	}
	r.before = after
	if len(all) < s.Endpoints {
		return nil
	}
	mean := sum / float64(len(all))
	variance := 0.0
	for _, x := range all {
		variance += (x.good - mean) * (x.good - mean) / float64(len(all))
	}
	least := mean - math.Sqrt(variance)*float64(s.Deviations)/1000
	var out []*live
	for _, x := range all {
		if x.good < least {
			out = append(out, x.l)
		}
	}
	return out
}
