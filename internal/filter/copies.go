package filter

import (
	"cmp"
	"slices"
)

// CopyResult says what became of a copy of a request.
type CopyResult uint8

// The results.
const (
	CopyAnswered   CopyResult = iota // the target has answered, whatever it said
	CopyFailed                       // it could not be reached, or has broken off
	CopyLate                         // it has not answered in time
	CopyQueueFull                    // too many copies were waiting
	CopyMemoryFull                   // the copies of the process had all the memory that they may have
	CopyTooLarge                     // the body is longer than is copied
	CopyUnsent                       // the request itself was not sent on whole: a later filter has answered it, or its client left
	CopyEnded                        // its route, or the process, ended before
	CopyResults                      // how many there are
)

// String is the result as metrics have it.
func (r CopyResult) String() string {
	return [CopyResults]string{"answered", "failed", "late", "queue-full", "memory-full", "body-too-large", "unsent", "ended"}[r]
}

// CopyCount is what became of the copies of requests for one target, since somebody first sent it any.
type CopyCount struct {
	Target  string
	Results [CopyResults]uint64
	Held    int64 // copies that wait, or are under way
}

// CopyCounter is a shared value that counts copies.
type CopyCounter interface{ CopyCount() CopyCount }

// Copies returns what became of copies, by target, in order.
func (s *Shared) Copies() []CopyCount {
	s.mu.Lock()
	var all []CopyCounter
	for _, v := range s.values {
		if c, ok := v.value.(CopyCounter); ok {
			all = append(all, c)
		}
	}
	s.mu.Unlock()
	out := make([]CopyCount, 0, len(all))
	for _, c := range all {
		out = append(out, c.CopyCount())
	}
	slices.SortFunc(out, func(a, b CopyCount) int { return cmp.Compare(a.Target, b.Target) })
	return out
}
