package upstream

import (
	"container/heap"
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Of turns: how many connects to one endpoint are under way, for each processor, while others wait; how many more may begin each time
// that widenEach has passed; and how many there are at most.
const (
	fewConnects  = 4
	widenEach    = time.Millisecond
	mostConnects = 128
)

// sweepEach is how often those are looked for who have waited too long. A timer for each of thousands would be memory for each.
const sweepEach = 100 * time.Millisecond

// Of turns too: where those stand who are one of a crowd, which is a client that is new or has other requests under way; how many connects for
// crowds begin in each millisecond, for each processor, at first, at least and at most, besides those in place of connections that were closed; and
// how many at once.
const (
	crowd      = 1
	firstPace  = 0.5
	leastPace  = 0.25
	mostPace   = 2.0
	crowdSpare = 8
)

// lateTimer is by how much a timer is late where processors are wanted by others. Each time the pace is halved, and each time that it is
// not late, the pace grows by a tenth.
const lateTimer = 300 * time.Microsecond

// turns bounds the connects to one endpoint that are under way, and says who is next. To begin one costs processor time and the rest is
// waiting, for microseconds on one machine and for long across the world. So a few are under way, and further ones begin slowly where
// those do not end. Thousands at a time would be a stack each, and more than endpoints let wait to be accepted, which is taken for an
// endpoint that is down; and everybody else would have to wait until the processors are through with all of them.
//
// For clients that are new, or have other requests under way, they begin at a pace that leaves time for others, which is found by how late
// timers are: no client that asks one thing after the other waits for one that holds thousands of requests open, or for a thousand that
// begin. Who waits takes a connection that somebody else is through with, where that comes first.
type turns struct {
	mu      sync.Mutex
	under   int
	waiting line
	waits   atomic.Int64 // how many, for those who have not the lock
	order   uint64       // of who comes next
	widens  bool         // a timer runs
	due     time.Time    // when it should end
	pace    float64      // of connects for crowds, in each millisecond and for each processor
	spare   float64      // connects for crowds that may begin
	counted time.Time
	swept   time.Time // when last looked for who waits too long
}

// dialler is who waits for a turn.
type dialler struct {
	behind int
	order  uint64
	at     int // in the line; -1 = its turn has come
	late   time.Time
	come   chan struct{}
	takes  string // the name that a kept connection for it has
	fresh  bool   // none will do
	// Valid once come is closed: a connection in place of a turn, or why there is neither.
	kept *Conn
	err  error
}

// enter waits for a turn, which leave ends, or for a kept connection in its place. Once w is late, or soon after, it returns errNoTurn;
// and why ctx ended.
func (t *turns) enter(ctx context.Context, w *dialler) (kept *Conn, err error) {
	t.mu.Lock()
	if t.under < atOnce() && (len(t.waiting) == 0 || w.behind < t.waiting[0].behind) && t.pays(w.behind) {
		t.under++
		t.mu.Unlock()
		return nil, nil
	}
	w.order, w.come = t.order, make(chan struct{})
	t.order++
	heap.Push(&t.waiting, w)
	t.waits.Add(1)
	t.widenLater()
	t.mu.Unlock()
	select {
	case <-w.come:
		return w.kept, w.err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.at < 0 { // it has come meanwhile
		return w.kept, w.err
	}
	t.take(w.at)
	return nil, ctx.Err()
}

// take has somebody no longer wait. The lock is held.
func (t *turns) take(i int) *dialler {
	t.waits.Add(-1)
	return heap.Remove(&t.waiting, i).(*dialler)
}

// gives hands a connection that somebody is through with to who is next, if that one can use it.
func (t *turns) gives(c *Conn) bool {
	if t.waits.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 || t.waiting[0].fresh || t.waiting[0].takes != c.name {
		return false
	}
	w := t.take(0)
	w.kept = c
	close(w.come)
	return true
}

// leave ends a turn. Who is next has it.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.under--
	if t.under < atOnce() {
		t.next()
	}
}

// next gives who is next a turn, if somebody waits and it is not too early for a crowd. The lock is held.
func (t *turns) next() {
	if len(t.waiting) == 0 || !t.pays(t.waiting[0].behind) {
		return
	}
	w := t.take(0)
	t.under++
	close(w.come)
}

// pays tells whether a connect may begin at once, and counts it. The lock is held.
func (t *turns) pays(behind int) bool {
	if t.pace == 0 {
		t.pace = firstPace
	}
	now, each := time.Now(), float64(runtime.GOMAXPROCS(0))
	if most := crowdSpare * each; t.spare < most {
		t.spare = min(t.spare+now.Sub(t.counted).Seconds()*1000*t.pace*each, most)
	}
	t.counted = now
	if behind >= crowd && t.spare < 1 {
		return false
	}
	t.spare = max(t.spare-1, 0)
	return true
}

// freed lets one more connect begin, for a connection that is closed: what is paced is how their number grows.
func (t *turns) freed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spare = min(t.spare+1, max(t.spare, float64(mostConnects*runtime.GOMAXPROCS(0))))
	if t.under < atOnce() {
		t.next()
	}
}

// widenLater has more turns begin after a while. The lock is held.
func (t *turns) widenLater() {
	if !t.widens {
		t.widens = true
		t.due = time.Now().Add(widenEach)
		time.AfterFunc(widenEach, t.widen)
	}
}

func (t *turns) widen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.widens = false
	t.heed(time.Since(t.due))
	for i := 0; i < atOnce() && t.under < mostConnects; i++ {
		t.next()
	}
	if now := time.Now(); now.Sub(t.swept) >= sweepEach {
		t.sweep(now)
	}
	if len(t.waiting) > 0 {
		t.widenLater()
	}
}

// heed fits the pace of crowds to how late a timer is: late ones mean that processors have more to do than they can. The lock is held.
func (t *turns) heed(late time.Duration) {
	if late > lateTimer {
		t.pace = max(t.pace/2, leastPace)
		return
	}
	t.pace = min(t.pace*1.1, mostPace)
}

// sweep sends away who has waited too long. One that a removal moves past it is found the next time. The lock is held.
func (t *turns) sweep(now time.Time) {
	t.swept = now
	for i := len(t.waiting) - 1; i >= 0; i-- {
		if i >= len(t.waiting) || t.waiting[i].late.After(now) {
			continue
		}
		w := t.take(i)
		w.err = errNoTurn
		close(w.come)
	}
}

func atOnce() int { return fewConnects * runtime.GOMAXPROCS(0) }

// line is a heap of those who wait.
type line []*dialler

var _ heap.Interface = (*line)(nil)

// Len is how many wait.
func (q line) Len() int { return len(q) }

// Less has who has fewer requests under way in front, and who came first among those with as many.
func (q line) Less(i, j int) bool {
	a, b := q[i], q[j]
	return a.behind < b.behind || a.behind == b.behind && a.order < b.order
}

// Swap swaps two.
func (q line) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push appends a *dialler.
func (q *line) Push(x any) {
	w := x.(*dialler)
	w.at = len(*q)
	*q = append(*q, w)
}

// Pop removes the last.
func (q *line) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	w.at = -1
	return w
}
