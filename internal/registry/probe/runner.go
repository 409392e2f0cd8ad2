package probe

import (
	"cmp"
	"container/heap"
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Options are what a runner may be told. The zero value is usable.
type Options struct {
	Every   time.Duration // between two questions to one instance; default 2 s
	Fall    int           // bad answers in a row until it counts as not well; default DefaultFall
	Rise    int           // good ones until it counts as well again; default 2
	Workers int           // questions at one time; default 16
}

// DefaultFall is that of Options.Fall.
const DefaultFall = 3

// Runner asks any number of instances, with a bounded number of questions on their way. Make it with New.
type Runner[ID comparable] struct {
	opt  Options
	tell func(ID, bool)

	cancel context.CancelFunc
	wake   chan struct{}
	work   chan *target[ID]
	all    sync.WaitGroup

	mu      sync.Mutex
	targets map[ID]*target[ID]
	queue   queue[ID]
}

// target is one instance that is asked.
type target[ID comparable] struct {
	id    ID
	check Check
	addr  netip.AddrPort
	at    time.Time // of the next question
	index int       // in the queue; -1: it is being asked, or is gone
	gone  bool
	well  bool
	row   int // answers in a row that say otherwise
}

// New starts a runner. It calls tell when an instance that was well is so no more, or again. Its owner closes it.
func New[ID comparable](opt Options, tell func(id ID, well bool)) *Runner[ID] {
	opt.Every = cmp.Or(opt.Every, 2*time.Second)
	opt.Fall = cmp.Or(opt.Fall, DefaultFall)
	opt.Rise = cmp.Or(opt.Rise, 2)
	opt.Workers = cmp.Or(opt.Workers, 16)
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runner[ID]{opt: opt, tell: tell, cancel: cancel, wake: make(chan struct{}, 1), work: make(chan *target[ID]), targets: map[ID]*target[ID]{}}
	r.all.Go(func() { r.schedule(ctx) })
	for range opt.Workers {
		r.all.Go(func() {
			for t := range r.work {
				r.ask(ctx, t)
			}
		})
	}
	return r
}

// Set begins to ask an instance, or changes how and where; well is what it counts as until its answers say otherwise.
func (r *Runner[ID]) Set(id ID, c Check, a netip.AddrPort, well bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.targets[id]; t != nil {
		t.check, t.addr = c, a
		return
	}
	t := &target[ID]{id: id, check: c, addr: a, well: well}
	t.at = time.Now().Add(time.Duration(rand.Int64N(int64(r.opt.Every)))) //nolint:gosec // spreads the questions
	r.targets[id] = t
	heap.Push(&r.queue, t)
	r.nudge()
}

// Remove ends asking an instance. A question may be on its way; nobody is told of its answer.
func (r *Runner[ID]) Remove(id ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.targets[id]; t != nil {
		t.gone = true
		delete(r.targets, id)
		if t.index >= 0 {
			heap.Remove(&r.queue, t.index)
		}
	}
}

// Close ends all questions. It returns when nobody is told of anything any more.
func (r *Runner[ID]) Close() {
	r.cancel()
	r.all.Wait()
}

func (r *Runner[ID]) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// schedule hands out what is due. When all workers are busy it waits, and everybody is asked less often.
func (r *Runner[ID]) schedule(ctx context.Context) {
	defer close(r.work)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		t, wait := r.due()
		if t != nil {
			select {
			case r.work <- t:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-r.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Runner[ID]) due() (*target[ID], time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(r.queue[0].at); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&r.queue).(*target[ID]), 0
}

func (r *Runner[ID]) ask(ctx context.Context, t *target[ID]) {
	r.mu.Lock()
	check, addr := t.check, t.addr
	r.mu.Unlock()
	inner, cancel := context.WithTimeout(ctx, Timeout)
	err := check.Do(inner, addr)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if r.answered(t, err == nil) {
		r.tell(t.id, err == nil)
	}
}

// answered notes an answer and tells whether it changes what the instance counts as.
func (r *Runner[ID]) answered(t *target[ID], well bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.gone {
		return false
	}
	t.at = time.Now().Add(r.opt.Every)
	heap.Push(&r.queue, t)
	r.nudge()
	if well == t.well {
		t.row = 0
		return false
	}
	t.row++
	if well && t.row < r.opt.Rise || !well && t.row < r.opt.Fall {
		return false
	}
	t.well, t.row = well, 0
	return true
}

// queue is a heap of targets, the next one first (container/heap).
type queue[ID comparable] []*target[ID]

func (q queue[ID]) Len() int           { return len(q) }
func (q queue[ID]) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue[ID]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is called by container/heap.
func (q *queue[ID]) Push(x any) {
	t := x.(*target[ID])
	t.index = len(*q)
	*q = append(*q, t)
}

// Pop is called by container/heap.
func (q *queue[ID]) Pop() any {
	old := *q
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	t.index = -1
	return t
}
