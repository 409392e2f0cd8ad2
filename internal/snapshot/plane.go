package snapshot

import "context"

// Plane is a data plane: it turns a snapshot into something that serves. Prepare does everything that can fail
// and changes nothing visible. It is called from one goroutine, never twice at a time.
type Plane interface {
	Name() string
	Prepare(ctx context.Context, next *Snapshot) (Change, error)
}

// Change is a prepared switch-over: either Abort, or Commit followed by Retire.
type Change interface {
	Commit()                    // cannot fail; after it, new work sees the next generation
	Retire(ctx context.Context) // drains and closes what only the previous generation used; returns when ctx ends
	Abort()                     // gives back what Prepare took
}
