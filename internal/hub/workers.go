package hub

import (
	"context"
	"errors"
	"time"

	"paifang/internal/compile"
	"paifang/internal/snapshot"
	"paifang/internal/source"
)

// errReturned is what a source that returned without an error and without being told to is charged with.
var errReturned = errors.New("hub: source returned before its time")

// runSource runs a source, again with back-off whenever it returns. A run that delivered a full set starts the
// back-off anew.
func (h *Hub) runSource(ctx context.Context, p *part) {
	wait := h.cfg.Backoff
	for {
		h.send(ctx, event{part: p, kind: eventStarted})
		full, err := h.runOnce(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errReturned
		}
		h.send(ctx, event{part: p, kind: eventFailed, err: err})
		if full {
			wait = h.cfg.Backoff
		}
		if !pause(ctx, wait) {
			return
		}
		wait = min(2*wait, 50*h.cfg.Backoff)
	}
}

func (h *Hub) runOnce(ctx context.Context, p *part) (full bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := make(chan source.Update)
	ended := make(chan error, 1)
	go func() { ended <- p.Source.Run(ctx, out) }()
	for {
		select {
		case u := <-out:
			full = full || u.Full
			h.send(ctx, event{part: p, kind: eventUpdate, update: &u})
		case err := <-ended:
			return full, err
		}
	}
}

func (h *Hub) send(ctx context.Context, e event) {
	select {
	case h.events <- e:
	case <-ctx.Done():
	}
}

// pause waits and tells whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryPlanes is the pause before planes that refused a snapshot are asked again; it doubles to 30 s.
const retryPlanes = time.Second

// compileLoop compiles and publishes what the hub hands over. While a plane refuses a generation it is asked again,
// until a newer one takes over.
func (h *Hub) compileLoop(ctx context.Context) {
	prev := snapshot.Empty()
	var refused []string
	wait := retryPlanes
	for {
		var again <-chan time.Time
		if len(refused) > 0 {
			again = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case in := <-h.work:
			began := time.Now()
			next := compile.Compile(prev, in, h.cfg.Check)
			compiled := time.Now()
			refused, wait = h.cfg.Publisher.Publish(ctx, next), retryPlanes
			h.worked(compiled.Sub(began), time.Since(compiled))
			if h.cfg.Published != nil {
				h.cfg.Published(prev, next)
			}
			prev = next
			h.report(next)
		case <-again:
			refused, wait = h.cfg.Publisher.Publish(ctx, prev), min(2*wait, 30*time.Second)
			if len(refused) > 0 {
				continue
			}
		}
		select {
		case h.done <- published{refused, prev.Contents().InUse}:
		case <-ctx.Done():
			return
		}
	}
}

// Work is what the compile worker has done.
type Work struct {
	Generations      uint64        // compiled and published
	Compile, Publish time.Duration // all of them together
	Compiled         time.Duration // how long compiling the last one took
	Published        time.Duration // how long the planes took to prepare and commit it
	Last             time.Time     // when that was done
}

// Work returns what the compile worker has done.
func (h *Hub) Work() Work { return *h.progress.Load() }

func (h *Hub) worked(compile, publish time.Duration) {
	w := h.Work()
	w.Generations++
	w.Compile, w.Publish = w.Compile+compile, w.Publish+publish
	w.Compiled, w.Published, w.Last = compile, publish, time.Now()
	h.progress.Store(&w)
}

// report leaves the newest snapshot for the report worker; one that was not fetched is replaced.
func (h *Hub) report(s *snapshot.Snapshot) {
	for {
		select {
		case h.reports <- s:
			return
		default:
		}
		select {
		case <-h.reports:
		default:
		}
	}
}

// reportTimeout bounds one Report.
const reportTimeout = 10 * time.Second

func (h *Hub) reportLoop(ctx context.Context) {
	for {
		var s *snapshot.Snapshot
		select {
		case <-ctx.Done():
			return
		case s = <-h.reports:
		}
		report := source.Report{Version: s.Version(), Diagnostics: s.Contents().Diagnostics, InUse: s.Contents().InUse}
		for _, p := range h.cfg.Parts {
			r, ok := p.Source.(source.Reporter)
			if !ok {
				continue
			}
			within, cancel := context.WithTimeout(ctx, reportTimeout)
			if err := r.Report(within, report); err != nil && ctx.Err() == nil {
				h.cfg.Log.Warn("a source could not take the report of a commit", "source", p.Source.Name(), "err", err)
			}
			cancel()
		}
	}
}

// saveJob is the addresses of a source to be saved.
type saveJob struct {
	part   *part
	heard  time.Time
	groups []source.Group
}

// saveShare is how many times as long as a save took the next one waits: where much is saved and something changes all the
// time, that bounds what it costs to a twentieth of a core.
const saveShare = 20

// saveLoop keeps the disk out of the hub's goroutine. It ends when the hub closes the channel.
func (h *Hub) saveLoop() {
	for job := range h.saves {
		began := time.Now()
		if err := h.cfg.Keep.Save(job.part.Source.Name(), job.heard, job.groups); err != nil {
			h.cfg.Log.Warn("the addresses of a source cannot be saved", "source", job.part.Source.Name(), "err", err)
		}
		now := time.Now()
		job.part.saveFrom.Store(now.Add(saveShare * now.Sub(began)).UnixNano())
	}
}
