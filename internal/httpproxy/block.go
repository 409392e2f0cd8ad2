package httpproxy

import "sync"

const (
	tinyBlock  = 1 << 10      // what an idle connection waits with, where it has to have something
	smallBlock = 4 << 10      // most requests fit
	largeBlock = 64<<10 + 512 // a head of the largest size, or a part of a body
	joinBelow  = 16 << 10     // bytes that are copied behind others to leave in one write
)

// blocks are pools of buffers.
type blocks struct{ tiny, small, large sync.Pool }

func newBlocks() *blocks {
	b := &blocks{}
	b.tiny.New = func() any { return new([tinyBlock]byte) }
	b.small.New = func() any { return new([smallBlock]byte) }
	b.large.New = func() any { return new([largeBlock]byte) }
	return b
}

func (b *blocks) takeTiny() []byte { return b.tiny.Get().(*[tinyBlock]byte)[:] }

func (b *blocks) takeSmall() []byte { return b.small.Get().(*[smallBlock]byte)[:] }

func (b *blocks) takeLarge() []byte { return b.large.Get().(*[largeBlock]byte)[:] }

// give takes back a block of any size.
func (b *blocks) give(block []byte) {
	switch cap(block) {
	case tinyBlock:
		b.tiny.Put((*[tinyBlock]byte)(block[:tinyBlock]))
	case smallBlock:
		b.small.Put((*[smallBlock]byte)(block[:smallBlock]))
	case largeBlock:
		b.large.Put((*[largeBlock]byte)(block[:largeBlock]))
	}
}
