//go:build !linux

package socket

import "io"

// Mover has the system move bytes from socket to socket, where it can. The zero value is ready for use.
type Mover struct{}

// Move moves up to n bytes, and returns how many it has moved: fewer than n without an error only at the end of from. It waits
// for both sides, within the deadlines that they have.
func (m *Mover) Move(to, from Side, n int64) (int64, error) {
	return to.TCP.ReadFrom(&io.LimitedReader{R: from.TCP, N: n})
}

// Close has nothing to close.
func (m *Mover) Close() {}
