//go:build !linux

package l4

// relaySide is nothing on this system.
type relaySide struct{}

func (s *stream) begin() error { return nil }

// relay passes one message on.
func (s *stream) relay() error {
	s.buffer = s.session.service.plane.buffers.Get().(*[bufferSize]byte)
	n, err := s.from.Read(s.buffer[:])
	s.rest = s.buffer[:n]
	if n == 0 {
		s.release()
		return err
	}
	return nil
}
