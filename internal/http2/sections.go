package http2

import (
	"sync"
	"sync/atomic"
)

// mostSections is how many header sections of several frames wait for their end at one time. Further ones are decoded frame by
// frame, which costs them strings that nobody may ever ask for.
const mostSections = 64

// Sections is room that connections share: a header section of several frames waits in it until it is whole, and is decoded then. So
// one that never ends costs what it takes to read it. The zero value is usable; it keeps at most 64 times twice Config.HeaderList.
type Sections struct {
	lent atomic.Int64
	pool sync.Pool // of *[]byte
}

// take returns room for so many bytes, nil where there is none.
func (s *Sections) take(size int) *[]byte {
	if s == nil {
		return nil
	}
	if s.lent.Add(1) > mostSections {
		s.lent.Add(-1)
		return nil
	}
	if b, _ := s.pool.Get().(*[]byte); b != nil && cap(*b) >= size {
		*b = (*b)[:0]
		return b
	}
	b := make([]byte, 0, size)
	return &b
}

// giveBack ends the use of room, if there was some.
func (s *Sections) giveBack(b *[]byte) {
	if b != nil {
		s.pool.Put(b)
		s.lent.Add(-1)
	}
}
