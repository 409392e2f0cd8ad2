package httpproxy

import (
	"errors"
	"sync/atomic"
)

// errHeadsFull is why a head is not read to its end.
var errHeadsFull = errors.New("httpproxy: no room for a long head")

// crowdedShare is how much less of Timeouts.RequestBody a client with a long head has for the next part of its body where the
// budget is half used: 5 s of the usual 60.
const crowdedShare = 12

// headBudget bounds the memory of all request heads that are too long for a usual block, so that many clients who send much and
// then wait cannot use up what all have. Usual heads are not counted, and never refused for it.
type headBudget struct {
	limit int64
	used  atomic.Int64
}

// crowded tells whether half of it is used.
func (b *headBudget) crowded() bool { return b.used.Load() > b.limit/2 }

// takeHeavy counts bytes for the head that the connection reads, and returns whether there is room.
func (c *conn) takeHeavy(n int) bool {
	b := &c.plane.heads
	if b.used.Add(int64(n)) > b.limit {
		b.used.Add(-int64(n))
		return false
	}
	c.heavy.Add(int64(n))
	return true
}

// giveHeavy gives back what was counted for it.
func (c *conn) giveHeavy() {
	if n := c.heavy.Swap(0); n > 0 {
		c.plane.heads.used.Add(-n)
	}
}

// hurryHeavy ends the wait for a body whose head is needed for others. c.mu is held.
func (c *conn) hurryHeavy(now int64) {
	if c.heavy.Load() == 0 || !c.plane.heads.crowded() {
		return
	}
	// One that has waited for so long has that much less left.
	whole := c.clients().Body.Milliseconds()
	until := now + whole - whole/crowdedShare
	if c.upload.due(readingBody, until) || c.watch.due(readingBody, until) {
		c.kick(readingBody)
	}
}
