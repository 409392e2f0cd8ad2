//go:build unix

package l4

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"paifang/internal/socket"
)

// flowReader reads answers with a buffer that is taken when there is one. Its callback is made once, so that an answer allocates
// nothing.
type flowReader struct {
	flow *flow
	raw  syscall.RawConn
	read func(fd uintptr) bool
	err  error
}

func (f *flow) reader() *flowReader {
	r := &flowReader{flow: f}
	if raw, err := f.up.SyscallConn(); err == nil { // it fails for a connection that is closed already
		r.raw = raw
	}
	r.read = r.readable
	return r
}

// next waits for an answer and sends it to the client.
func (r *flowReader) next() error {
	if r.raw == nil {
		return net.ErrClosed
	}
	r.err = nil
	if err := r.raw.Read(r.read); err != nil {
		return err
	}
	return r.err
}

func (r *flowReader) readable(fd uintptr) bool {
	p := r.flow.lane.plane
	b := p.buffers.Get().(*[bufferSize]byte)
	defer p.buffers.Put(b)
	n, err := socket.Receive(fd, b[:])
	if errors.Is(err, unix.EAGAIN) {
		return false
	}
	if r.err = err; err == nil {
		r.flow.back(b[:max(n, 0)])
	}
	return true
}
