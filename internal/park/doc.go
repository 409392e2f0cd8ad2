// Package park lets connections wait for their next bytes without a goroutine each. A goroutine that waits has a stack of
// 2 to 32 KB, as deep as it once was, and keeps it; a connection in a Lot has an entry in a table. The Lot waits for all of them in
// one goroutine of its own, and gives each a fresh one when something comes.
//
// It is for those that have waited for a while: to park and to wake cost a few microseconds more than to wait on.
//
// Only Linux has it (epoll(7)). Elsewhere New says so, and connections keep their goroutines.
package park

import "errors"

// Waker goes on once the wait is over.
type Waker interface {
	// Wake is called once for each Park, in a goroutine of its own that the Lot waits for: something can be read, or the
	// connection has ended, or somebody has recalled it. It may be called before Park has returned.
	Wake()
}

// Ticket names one stay in a Lot. The zero Ticket is none.
type Ticket uint64

// ErrClosed is what Park returns once the Lot is closed.
var ErrClosed = errors.New("park: closed")
