package socket

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// Reader reads one socket. It has room for what the system says, so that reading does not allocate. The zero value is
// ready for Begin.
type Reader struct {
	message unix.Msghdr
	vector  unix.Iovec
	told    [unix.SizeofCmsghdr + 8]byte
	tells   bool // the system says how much waits
}

// Begin asks the system to say what waits with each read.
func (r *Reader) Begin(fd uintptr) {
	r.tells = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INQ, 1) == nil
}

// Read reads once and does not wait: unix.EAGAIN says that there is nothing. n = 0 without an error is the end. more tells
// whether another read would find something, the end included. b must not be empty.
func (r *Reader) Read(fd uintptr, b []byte) (n int, more bool, err error) {
	for {
		if !r.tells {
			n, err = Receive(fd, b)
			return n, err == nil, err
		}
		n, more, errno := r.receive(fd, b)
		switch errno {
		case 0:
			return n, more, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, false, unix.EAGAIN
		default:
			return 0, false, os.NewSyscallError("recvmsg", errno)
		}
	}
}

// receive is unix.Recvmsg, which allocates the address of a sender.
func (r *Reader) receive(fd uintptr, b []byte) (n int, more bool, _ unix.Errno) {
	r.vector.Base = &b[0]
	r.vector.SetLen(len(b))
	r.message = unix.Msghdr{Iov: &r.vector, Control: &r.told[0]}
	r.message.SetIovlen(1)
	r.message.SetControllen(len(r.told))
	n, errno := receiveMessage(fd, &r.message)
	r.vector.Base = nil // the buffer is not held while nothing comes
	if errno != 0 {
		return 0, false, errno
	}
	if r.message.Controllen < unix.SizeofCmsghdr+4 {
		return n, true, 0
	}
	return n, binary.NativeEndian.Uint32(r.told[unix.SizeofCmsghdr:]) != 0, 0
}
