//go:build unix && !linux

package socket

// Reader reads one socket. The zero value is ready for Begin.
type Reader struct{}

// Begin has nothing to ask of this system.
func (r *Reader) Begin(uintptr) {}

// Read reads once and does not wait: unix.EAGAIN says that there is nothing. n = 0 without an error is the end. more is
// true after every read but one that found nothing: only another read tells. b must not be empty.
func (r *Reader) Read(fd uintptr, b []byte) (n int, more bool, err error) {
	n, err = Receive(fd, b)
	return n, err == nil, err
}
