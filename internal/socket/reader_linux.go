package socket

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

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
			n, err = unix.Read(int(fd), b)
			more = true
		} else {
			n, more, err = r.receive(fd, b)
		}
		switch {
		case err == nil:
			return n, more, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, false, unix.EAGAIN
		}
		return 0, false, os.NewSyscallError("recvmsg", err)
	}
}

// receive is unix.Recvmsg, which allocates the address of a sender.
func (r *Reader) receive(fd uintptr, b []byte) (n int, more bool, err error) {
	r.vector.Base = &b[0]
	r.vector.SetLen(len(b))
	r.message = unix.Msghdr{Iov: &r.vector, Control: &r.told[0]}
	r.message.SetIovlen(1)
	r.message.SetControllen(len(r.told))
	got, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.message)), 0)
	r.vector.Base = nil // the buffer is not held while nothing comes
	if errno != 0 {
		return 0, false, errno
	}
	if r.message.Controllen < unix.SizeofCmsghdr+4 {
		return int(got), true, nil
	}
	return int(got), binary.NativeEndian.Uint32(r.told[unix.SizeofCmsghdr:]) != 0, nil
}
