package httpproxy

import "sync"

const (
	tinyBlock   = 1 << 10      // what an idle connection waits with, where it has to have something; a short head of a stream
	smallBlock  = 4 << 10      // most requests fit
	mediumBlock = 16<<10 + 512 // the beginning of an answer: more is taken once the client does
	largeBlock  = 64<<10 + 512 // a head of the largest size, or a part of a body
	joinBelow   = 16 << 10     // bytes that are copied behind others to leave in one write
)

// blocks are pools of buffers.
type blocks struct{ tiny, small, medium, large sync.Pool }

func newBlocks() *blocks {
	b := &blocks{}
	b.tiny.New = func() any { return new([tinyBlock]byte) }
	b.small.New = func() any { return new([smallBlock]byte) }
	b.medium.New = func() any { return new([mediumBlock]byte) }
	b.large.New = func() any { return new([largeBlock]byte) }
	return b
}

func (b *blocks) takeTiny() []byte { return b.tiny.Get().(*[tinyBlock]byte)[:] }

func (b *blocks) takeSmall() []byte { return b.small.Get().(*[smallBlock]byte)[:] }

func (b *blocks) takeMedium() []byte { return b.medium.Get().(*[mediumBlock]byte)[:] }

func (b *blocks) takeLarge() []byte { return b.large.Get().(*[largeBlock]byte)[:] }

// give takes back a block of any size.
func (b *blocks) give(block []byte) {
	switch cap(block) {
	case tinyBlock:
		b.tiny.Put((*[tinyBlock]byte)(block[:tinyBlock]))
	case smallBlock:
		b.small.Put((*[smallBlock]byte)(block[:smallBlock]))
	case mediumBlock:
		b.medium.Put((*[mediumBlock]byte)(block[:mediumBlock]))
	case largeBlock:
		b.large.Put((*[largeBlock]byte)(block[:largeBlock]))
	}
}
