package trace

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// Exporters are the senders of a process: one for each way in which listeners have spans sent. Make them with NewExporters and
// Close them. A nil one traces nothing.
type Exporters struct {
	log    *slog.Logger
	hide   func(path string) string
	totals totals
	ctx    context.Context // ends when nothing is worth waiting for any more
	cancel context.CancelFunc

	mu      sync.Mutex
	senders map[destination]*sender
	ending  sync.WaitGroup // senders that nobody uses any more
}

// destination is what spans are sent by.
type destination struct {
	collector, service string
	queue, batch       int
	delay              time.Duration
}

// totals are what all senders have counted, those that are gone too.
type totals struct{ sent, dropped, failed atomic.Uint64 }

// NewExporters returns senders for whoever asks. hide takes secrets out of a path before it is told; nil: there are none.
func NewExporters(log *slog.Logger, hide func(path string) string) *Exporters {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if hide == nil {
		hide = func(path string) string { return path }
	}
	e := &Exporters{log: log, hide: hide, senders: map[destination]*sender{}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Acquire returns what traces by these settings; nil where they name no collector, or none that can be asked. Release must follow.
func (e *Exporters) Acquire(set model.Tracing) *Tracer {
	if e == nil || set.Collector == "" {
		return nil
	}
	at, err := model.ParseCollector(set.Collector)
	if err != nil { // compile has refused it before
		e.log.Error("no traces are sent", "err", err)
		return nil
	}
	set = set.Effective()
	to := destination{set.Collector, set.Service, set.Queue, set.Batch, set.Delay}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.senders[to]
	if s == nil {
		s = newSender(e, to, at)
		e.senders[to] = s
	}
	s.users++
	return newTracer(set, s)
}

// Release gives a tracer back; nil is none. Once nobody uses its sender, what waits is sent and the sender ends. Spans that end
// after that are dropped and counted.
func (e *Exporters) Release(t *Tracer) {
	if t == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := t.sender
	if s.users--; s.users > 0 {
		return
	}
	delete(e.senders, s.to)
	close(s.quit)
	e.ending.Go(func() { s.end(closeIn) })
}

// closeIn is how long a sender that is not used any more has for what waits.
const closeIn = 5 * time.Second

// Close waits until the senders of all tracers, which must have been released, have sent what waits. When ctx ends they drop it.
func (e *Exporters) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, e.cancel)
	e.ending.Wait()
	stop()
	e.cancel()
}

// Counts is what became of spans.
type Counts struct {
	Sent    uint64 // and accepted
	Dropped uint64 // more waited than there is room for, or nobody has taken them in time
	Failed  uint64 // messages that a collector has not taken, each of one batch
}

// Counts are those of the whole process, ever.
func (e *Exporters) Counts() Counts {
	if e == nil {
		return Counts{}
	}
	return Counts{e.totals.sent.Load(), e.totals.dropped.Load(), e.totals.failed.Load()}
}

// Trouble is a collector that does not take spans.
type Trouble struct {
	Collector string
	Since     time.Time
	Err       error
}

// Troubles are those that hold now.
func (e *Exporters) Troubles() []Trouble {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Trouble
	for _, s := range e.senders {
		if t := s.trouble.Load(); t != nil {
			out = append(out, *t)
		}
	}
	return out
}
