package trace

import (
	"context"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// The patience of a sender. Tests have less.
const (
	sendWithin = 10 * time.Second // one try of a batch
	giveUp     = 30 * time.Second // all tries of it
	firstPause = time.Second      // between two tries; each is twice as long as the one before
)

// sender sends spans to a collector. Its queue is all that requests see of it; one goroutine owns the rest.
type sender struct {
	exporters *Exporters
	to        destination
	out       client
	users     int // tracers; guarded by the lock of exporters

	queue   chan *finished
	quit    chan struct{} // closed once nobody uses it
	done    chan struct{} // closed when the goroutine has ended
	ctx     context.Context
	cancel  context.CancelFunc
	closed  atomic.Bool
	trouble atomic.Pointer[Trouble]
}

func newSender(e *Exporters, to destination, at model.Collector) *sender {
	s := &sender{exporters: e, to: to, out: newClient(at), queue: make(chan *finished, to.queue), quit: make(chan struct{}), done: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(e.ctx)
	go s.run()
	return s
}

// take has a span sent. It does not wait.
func (s *sender) take(f *finished) {
	if !s.closed.Load() {
		select {
		case s.queue <- f:
			return
		default:
		}
	}
	s.exporters.totals.dropped.Add(1)
}

// end waits until everything that waits is sent, or this long. quit is closed.
func (s *sender) end(within time.Duration) {
	t := time.AfterFunc(within, s.cancel)
	<-s.done
	t.Stop()
	s.cancel()
}

// run collects spans and sends them, when there are enough for a message or the first has waited long enough.
func (s *sender) run() {
	defer close(s.done)
	defer func() { _ = s.out.Close() }()
	batch := make([]*finished, 0, s.to.batch)
	due := time.NewTimer(s.to.delay)
	defer due.Stop()
	for {
		select {
		case f := <-s.queue:
			if batch = append(batch, f); len(batch) == 1 {
				due.Reset(s.to.delay)
			}
			if len(batch) < cap(batch) {
				continue
			}
		case <-due.C:
		case <-s.quit:
			s.rest(batch)
			return
		}
		s.send(batch)
		clear(batch)
		batch = batch[:0]
	}
}

// rest sends what waits at the end. What comes later is dropped by who brings it.
func (s *sender) rest(batch []*finished) {
	s.closed.Store(true)
	for {
		select {
		case f := <-s.queue:
			if batch = append(batch, f); len(batch) < cap(batch) {
				continue
			}
			s.send(batch)
			batch = batch[:0]
			continue
		default:
		}
		s.send(batch)
		return
	}
}

// send sends a batch, again and again while that makes sense. A collector that is away is told of once, and when it is back.
func (s *sender) send(batch []*finished) {
	if len(batch) == 0 {
		return
	}
	e := s.exporters
	message := request(&s.to, batch, e.hide)
	began := time.Now()
	for pause := firstPause; ; pause *= 2 {
		ctx, cancel := context.WithTimeout(s.ctx, sendWithin)
		rejected, err := s.out.send(ctx, message)
		cancel()
		if err == nil {
			rejected = min(max(rejected, 0), int64(len(batch)))
			e.totals.sent.Add(uint64(int64(len(batch)) - rejected))
			e.totals.dropped.Add(uint64(rejected))
			if was := s.trouble.Swap(nil); was != nil {
				e.log.Info("the collector takes traces again", "collector", s.to.collector, "away", time.Since(was.Since).Round(time.Second))
			}
			return
		}
		e.totals.failed.Add(1)
		now := &Trouble{s.to.collector, time.Now(), err}
		if was := s.trouble.Load(); was != nil {
			now.Since = was.Since
		} else {
			e.log.Warn("the collector does not take traces: requests go on, and spans are dropped once too many wait", "collector", s.to.collector, "err", err)
		}
		s.trouble.Store(now)
		if !lasting(err) && time.Since(began)+pause < giveUp && s.waits(pause) {
			continue
		}
		e.totals.dropped.Add(uint64(len(batch)))
		return
	}
}

// waits waits before another try. It is false where nothing is worth it: the sender ends.
func (s *sender) waits(pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.quit:
		return false
	}
}
