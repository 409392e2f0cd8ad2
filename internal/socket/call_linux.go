package socket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this package never wait, so the scheduler is not told of them. It would take a call that lasts longer than
// usual for one that waits, and give the processor to another thread: passing a few hundred kilobytes on takes as long as
// that, and two switches between threads cost more than the call itself.

// receive reads as recv(2) does, without waiting.
func receive(fd uintptr, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// send writes as send(2) does, without waiting.
func send(fd uintptr, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// receiveMessage reads as recvmsg(2) does, without waiting.
func receiveMessage(fd uintptr, m *unix.Msghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(m)), unix.MSG_DONTWAIT)
	return int(n), errno
}

// splice moves n bytes at most between a pipe and a socket, without waiting. The socket must not wait either.
func splice(from, to, n int) (int, unix.Errno) {
	moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
	return int(moved), errno
}
