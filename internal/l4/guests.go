package l4

import (
	"context"
	"sync"
)

// guests are the open sessions of a service or a lane, which ends once they have left. Make them with newGuests.
type guests[S comparable] struct {
	mu    sync.Mutex
	in    map[S]struct{}
	over  bool          // nobody else comes in
	empty chan struct{} // closed when over and the last one has left
}

func newGuests[S comparable]() guests[S] {
	return guests[S]{in: map[S]struct{}{}, empty: make(chan struct{})}
}

// enter counts one in; false = it is over.
func (g *guests[S]) enter(s S) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return false
	}
	g.in[s] = struct{}{}
	return true
}

func (g *guests[S]) leave(s S) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.in, s)
	if g.over && len(g.in) == 0 {
		close(g.empty)
	}
}

// open is how many there are.
func (g *guests[S]) open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.in)
}

// dismiss lets nobody else in and waits until all have left. Those that are there when ctx ends have end called, which must not
// wait, and then leave. It is called once.
func (g *guests[S]) dismiss(ctx context.Context, end func(S)) {
	g.mu.Lock()
	g.over = true
	if len(g.in) == 0 {
		close(g.empty)
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
	case <-ctx.Done():
		g.mu.Lock()
		for s := range g.in {
			end(s)
		}
		g.mu.Unlock()
		<-g.empty
	}
}
