package registry

import (
	"container/heap"
	"time"
)

// lapse is a moment at which something may be over: a publication's lease, an override without an instance, or a
// service without any. Heartbeats do not move it; when it comes, what it is about is asked again.
type lapse struct {
	at          time.Time
	index       int // in the heap
	service     *service
	publication *publication
	override    slot
}

const notQueued = -1

func (l *lapse) queued() bool { return l.index != notQueued }

// leases is a heap of lapses, the next one first.
type leases struct{ queue lapseQueue }

func (h *leases) put(l *lapse, at time.Time) {
	l.at = at
	if l.queued() {
		heap.Fix(&h.queue, l.index)
		return
	}
	heap.Push(&h.queue, l)
}

func (h *leases) remove(l *lapse) {
	if l.queued() {
		heap.Remove(&h.queue, l.index)
	}
}

func (h *leases) first() *lapse {
	if len(h.queue) == 0 {
		return nil
	}
	return h.queue[0]
}

// The goroutine looks at least this often while there is something to wait for, and takes a longer silence for a
// process that was stopped: heartbeats it could not hear do not count as missed.
const (
	lookEvery = time.Second
	stopped   = 3 * time.Second
)

// expire waits for lapses until the registry is closed.
func (r *Registry) expire() {
	defer close(r.ended)
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		r.mu.Lock()
		wait, some := r.look(time.Now())
		r.mu.Unlock()
		var tick <-chan time.Time
		if some {
			timer.Reset(wait)
			tick = timer.C
		}
		select {
		case <-tick:
		case <-r.rearm:
		case <-r.done:
			return
		}
		if !some {
			r.mu.Lock()
			r.awake = time.Now()
			r.mu.Unlock()
		}
	}
}

// look handles what has lapsed and returns the time until it has to look again, and false for never.
func (r *Registry) look(now time.Time) (time.Duration, bool) {
	if gap := now.Sub(r.awake); gap > stopped {
		r.forgive(gap, now)
	}
	r.awake = now
	for {
		l := r.leases.first()
		if l == nil {
			return 0, false
		}
		if wait := l.at.Sub(now); wait > 0 {
			return min(wait, lookEvery), true
		}
		r.lapsed(l, now)
	}
}

// forgive moves the last heartbeats by the time in which none could be heard.
func (r *Registry) forgive(gap time.Duration, now time.Time) {
	for _, s := range r.services {
		for _, p := range s.beating {
			p.beat = p.beat.Add(gap)
			if p.beat.After(now) {
				p.beat = now
			}
		}
	}
}

func (r *Registry) lapsed(l *lapse, now time.Time) {
	s := l.service
	switch {
	case l.publication != nil:
		p := l.publication
		if p.unconfirmed {
			r.confirm(s, p.in.slot())
			r.orphan(s, p.in.slot())
			r.changed(s)
			return
		}
		if s.moving[p.in.slot()] == p {
			r.lost(s, p.in.slot())
			return
		}
		switch silent := now.Sub(p.beat); {
		case silent >= p.lease.remove:
			r.drop(s, p)
			return
		case silent >= p.lease.unhealthy && p.in.Healthy:
			p.in.Healthy = false
			r.announce(s.key, p.in.slot(), false)
			r.changed(s)
		}
		r.leases.put(l, p.next())
	case l == &s.cleanup:
		r.leases.remove(l)
		if s.count() == 0 && s.settings == nil {
			r.clean(s)
		}
	default:
		r.leases.remove(l)
		if o := s.overrides[l.override]; o != nil && !s.holds(l.override) {
			delete(s.overrides, l.override)
			r.forget(patchRoot+slotText(s.key, l.override), o.revision)
		}
	}
}

// next is when the lease has to be looked at again.
func (p *publication) next() time.Time {
	if p.in.Healthy && p.lease.unhealthy < p.lease.remove {
		return p.beat.Add(p.lease.unhealthy)
	}
	return p.beat.Add(p.lease.remove)
}

// clean removes an empty service. A later one of the same name begins above what was told of this one.
func (r *Registry) clean(s *service) {
	for at, o := range s.overrides {
		r.leases.remove(&o.lapse)
		r.forget(patchRoot+slotText(s.key, at), o.revision)
	}
	r.leases.remove(&s.cleanup)
	r.discard(s)
	delete(r.services, s.key)
	r.revision++
	r.lastRef = max(r.lastRef, s.lastRef)
	r.cameOrWent(s.key)
}

// nudge has the goroutine look again; the first lapse may be another one now.
func (r *Registry) nudge() {
	select {
	case r.rearm <- struct{}{}:
	default:
	}
}

// lapseQueue is the heap's slice (container/heap).
type lapseQueue []*lapse

func (q lapseQueue) Len() int           { return len(q) }
func (q lapseQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q lapseQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is called by container/heap.
func (q *lapseQueue) Push(x any) {
	l := x.(*lapse)
	l.index = len(*q)
	*q = append(*q, l)
}

// Pop is called by container/heap.
func (q *lapseQueue) Pop() any {
	old := *q
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	l.index = notQueued
	return l
}
