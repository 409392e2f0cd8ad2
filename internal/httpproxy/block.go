package httpproxy

import "sync"

const (
	smallBlock = 4 << 10      // of an idle connection; most requests fit
	largeBlock = 64<<10 + 512 // a head of the largest size, or a part of a body
	joinBelow  = 16 << 10     // bytes that are copied behind others to leave in one write
)

// blocks are pools of buffers.
type blocks struct{ small, large sync.Pool }

func newBlocks() *blocks {
	b := &blocks{}
	b.small.New = func() any { return new([smallBlock]byte) }
	b.large.New = func() any { return new([largeBlock]byte) }
	return b
}

func (b *blocks) takeSmall() []byte { return b.small.Get().(*[smallBlock]byte)[:] }

func (b *blocks) takeLarge() []byte { return b.large.Get().(*[largeBlock]byte)[:] }

// give takes back a block of either size.
func (b *blocks) give(block []byte) {
	switch cap(block) {
	case smallBlock:
		b.small.Put((*[smallBlock]byte)(block[:smallBlock]))
	case largeBlock:
		b.large.Put((*[largeBlock]byte)(block[:largeBlock]))
	}
}
