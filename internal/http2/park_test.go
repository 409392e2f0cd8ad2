package http2

import (
	"testing"
	"time"
)

// TestPark: who is parked is called once for whatever ends the wait, and nobody is parked where there is nothing to wait for.
func TestPark(t *testing.T) {
	for name, wake := range map[string]func(r *raw, s *Stream){
		"data":      func(r *raw, _ *Stream) { r.must(r.WriteData(1, false, []byte("x"))) },
		"end":       func(r *raw, _ *Stream) { r.must(r.WriteData(1, true, nil)) },
		"trailers":  func(r *raw, _ *Stream) { r.must(r.headers(1, true, Field{Name: "x", Value: "y"})) },
		"reset":     func(r *raw, _ *Stream) { r.must(r.WriteRSTStream(1, Cancel)) },
		"closed":    func(r *raw, _ *Stream) { _ = r.Conn.Close() },
		"interrupt": func(_ *raw, s *Stream) { s.Interrupt(true, false) },
	} {
		t.Run(name, func(t *testing.T) {
			parked, woken, done := make(chan *Stream), make(chan struct{}, 2), make(chan struct{})
			r, _ := rawClient(t, Config{}, func(s *Stream) {
				defer close(done)
				if !s.Park(func() { woken <- struct{}{} }) {
					t.Error("there is nothing, and it does not park")
				}
				parked <- s
				select {
				case <-woken:
				case <-time.After(5 * time.Second):
					t.Error("nobody was woken")
				}
				if s.Park(func() { woken <- struct{}{} }) {
					t.Error("it parks although Next need not wait")
				}
			})
			r.must(r.headers(1, false, get...))
			wake(r, <-parked)
			<-done
			if len(woken) > 0 {
				t.Error("woken twice")
			}
		})
	}
}
