package builtin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/filter"
)

// mirrorCounts is what became of the copies for one target, from all filters and generations.
type mirrorCounts struct {
	target  string
	results [filter.CopyResults]atomic.Uint64
	held    atomic.Int64
}

var _ filter.CopyCounter = (*mirrorCounts)(nil)

func (c *mirrorCounts) add(r filter.CopyResult) { c.results[r].Add(1) }

// CopyCount returns the counts.
func (c *mirrorCounts) CopyCount() filter.CopyCount {
	out := filter.CopyCount{Target: c.target, Held: c.held.Load()}
	for i := range c.results {
		out.Results[i] = c.results[i].Load()
	}
	return out
}

// Close is for filter.Use.
func (c *mirrorCounts) Close() error { return nil }

// mirrorRoad is how copies reach a target.
type mirrorRoad interface {
	// exchange sends a copy and reads the answer, until ctx ends.
	exchange(ctx context.Context, h *mirrorHead) error
	// end gives back what is kept for further ones.
	end()
}

// mirrorSender sends copies to one target, for all filters that do so with the same bounds.
type mirrorSender struct {
	road    mirrorRoad
	counts  *mirrorCounts
	timeout time.Duration
	most    int // goroutines, a copy each
	ctx     context.Context
	cancel  context.CancelFunc
	queue   chan *mirrorHead
	workers sync.WaitGroup

	mu      sync.Mutex
	running int
	ended   bool
}

func newMirrorSender(c *Mirror, road mirrorRoad, counts *mirrorCounts) *mirrorSender {
	s := &mirrorSender{road: road, counts: counts, timeout: time.Duration(c.Timeout), most: c.InFlight, queue: make(chan *mirrorHead, c.Queue)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// full tells whether a copy that were complete now would have to be dropped.
func (s *mirrorSender) full() bool { return len(s.queue) == cap(s.queue) }

// add has a copy sent. It does not wait.
func (s *mirrorSender) add(h *mirrorHead) {
	s.counts.held.Add(1)
	s.mu.Lock()
	result := filter.CopyResults // none yet
	switch {
	case s.ended:
		result = filter.CopyEnded
	case s.running < s.most:
		s.running++
		s.workers.Go(func() { s.work(h) })
	default:
		select {
		case s.queue <- h:
		default:
			result = filter.CopyQueueFull
		}
	}
	s.mu.Unlock()
	if result != filter.CopyResults {
		s.end(h, result)
	}
}

// end gives a copy back.
func (s *mirrorSender) end(h *mirrorHead, r filter.CopyResult) {
	s.counts.held.Add(-1)
	h.ended(r)
}

// work sends a copy, and then those that wait.
func (s *mirrorSender) work(h *mirrorHead) {
	for h != nil {
		s.end(h, s.send(h))
		h = s.next()
	}
}

// next is the copy that has waited for the longest time; nil ends the worker, which nobody can miss, as the lock is held.
func (s *mirrorSender) next() *mirrorHead {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case h := <-s.queue:
		return h
	default:
		s.running--
		return nil
	}
}

// send sends a copy and reads the answer.
func (s *mirrorSender) send(h *mirrorHead) filter.CopyResult {
	if s.ctx.Err() != nil {
		return filter.CopyEnded
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	err := s.road.exchange(ctx, h)
	switch {
	case err == nil:
		return filter.CopyAnswered
	case s.ctx.Err() != nil:
		return filter.CopyEnded
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return filter.CopyLate
	}
	return filter.CopyFailed
}

// Close ends what is under way and what waits, and waits for that.
func (s *mirrorSender) Close() error {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.cancel()
	s.workers.Wait()
	s.road.end()
	return nil
}
