package httpproxy

import "sync"

const (
	leastBlock  = 256          // a short head of a stream
	tinyBlock   = 1 << 10      // what an idle connection waits with, where it has to have something; a usual head of a stream
	smallBlock  = 4 << 10      // most requests fit
	longBlock   = 8 << 10      // a head with tokens in it
	mediumBlock = 16<<10 + 512 // the beginning of an answer: more is taken once the client does
	largeBlock  = 64<<10 + 512 // a head of the largest size, or a part of a body
	joinBelow   = 16 << 10     // bytes that are copied behind others to leave in one write
)

// blocks are pools of buffers.
type blocks struct{ least, tiny, small, long, medium, large sync.Pool }

func newBlocks() *blocks {
	b := &blocks{}
	b.least.New = func() any { return new([leastBlock]byte) }
	b.tiny.New = func() any { return new([tinyBlock]byte) }
	b.small.New = func() any { return new([smallBlock]byte) }
	b.long.New = func() any { return new([longBlock]byte) }
	b.medium.New = func() any { return new([mediumBlock]byte) }
	b.large.New = func() any { return new([largeBlock]byte) }
	return b
}

func (b *blocks) takeLeast() []byte { return b.least.Get().(*[leastBlock]byte)[:] }

func (b *blocks) takeTiny() []byte { return b.tiny.Get().(*[tinyBlock]byte)[:] }

func (b *blocks) takeSmall() []byte { return b.small.Get().(*[smallBlock]byte)[:] }

func (b *blocks) takeLong() []byte { return b.long.Get().(*[longBlock]byte)[:] }

func (b *blocks) takeMedium() []byte { return b.medium.Get().(*[mediumBlock]byte)[:] }

func (b *blocks) takeLarge() []byte { return b.large.Get().(*[largeBlock]byte)[:] }

// fitting returns a block of the size that n bytes need.
func (b *blocks) fitting(n int) []byte {
	switch {
	case n <= tinyBlock:
		return b.takeTiny()
	case n <= smallBlock:
		return b.takeSmall()
	case n <= mediumBlock:
		return b.takeMedium()
	}
	return b.takeLarge()
}

// give takes back a block of any size.
func (b *blocks) give(block []byte) {
	switch cap(block) {
	case leastBlock:
		b.least.Put((*[leastBlock]byte)(block[:leastBlock]))
	case tinyBlock:
		b.tiny.Put((*[tinyBlock]byte)(block[:tinyBlock]))
	case smallBlock:
		b.small.Put((*[smallBlock]byte)(block[:smallBlock]))
	case longBlock:
		b.long.Put((*[longBlock]byte)(block[:longBlock]))
	case mediumBlock:
		b.medium.Put((*[mediumBlock]byte)(block[:mediumBlock]))
	case largeBlock:
		b.large.Put((*[largeBlock]byte)(block[:largeBlock]))
	}
}
