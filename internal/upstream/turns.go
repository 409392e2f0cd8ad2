package upstream

import (
	"container/heap"
	"context"
	"runtime"
	"sync"
	"time"
)

// Of turns: how many connects to one endpoint are under way, for each processor, while others wait; how many more may begin each time
// that widenEach has passed; and how many there are at most.
const (
	fewConnects  = 4
	widenEach    = time.Millisecond
	mostConnects = 128
)

// turns bounds the connects to one endpoint that are under way, and says who is next. To begin one costs processor time and the rest is
// waiting, for microseconds on one machine and for long across the world. So a few are under way, and further ones begin slowly
// where those do not end. Thousands at a time would be a stack each, more than endpoints let wait to be accepted, which is taken for
// an endpoint that is down, and everybody else would have to wait until the processors are through with all of them.
type turns struct {
	mu      sync.Mutex
	under   int
	waiting line
	order   uint64 // of who comes next
	widens  bool   // a timer runs
}

// dialler is who waits for a turn.
type dialler struct {
	behind int
	order  uint64
	at     int // in the line; -1 = its turn has come
	come   chan struct{}
}

// enter waits for a turn, which leave ends. It returns errNoTurn after so long, and why ctx ended.
func (t *turns) enter(ctx context.Context, behind int, within time.Duration) error {
	t.mu.Lock()
	if len(t.waiting) == 0 && t.under < atOnce() {
		t.under++
		t.mu.Unlock()
		return nil
	}
	w := &dialler{behind: behind, order: t.order, come: make(chan struct{})}
	t.order++
	heap.Push(&t.waiting, w)
	t.widenLater()
	t.mu.Unlock()
	late := time.NewTimer(within)
	defer late.Stop()
	var err error
	select {
	case <-w.come:
		return nil
	case <-late.C:
		err = errNoTurn
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.at < 0 { // it has come meanwhile
		return nil
	}
	heap.Remove(&t.waiting, w.at)
	return err
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

// next gives who is next a turn, if somebody waits. The lock is held.
func (t *turns) next() {
	if len(t.waiting) == 0 {
		return
	}
	w := heap.Pop(&t.waiting).(*dialler)
	t.under++
	close(w.come)
}

// widenLater has more turns begin after a while. The lock is held.
func (t *turns) widenLater() {
	if !t.widens {
		t.widens = true
		time.AfterFunc(widenEach, t.widen)
	}
}

func (t *turns) widen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.widens = false
	for i := 0; i < atOnce() && t.under < mostConnects; i++ {
		t.next()
	}
	if len(t.waiting) > 0 {
		t.widenLater()
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
