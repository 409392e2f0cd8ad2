package httpproxy

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"paifang/internal/http1"
	"paifang/internal/upstream"
)

// lastMoment is a connection on which a byte comes just as the sweeper ends the wait for it: the wait is marked, and the deadline set
// once the byte is there.
type lastMoment struct {
	net.Conn
	c    *conn
	wait *watch
	over bool
	came int
}

func (l *lastMoment) Read(into []byte) (int, error) {
	if l.over {
		return 0, os.ErrDeadlineExceeded
	}
	p, late := l.wait.late(never)
	if !late {
		return 0, errors.New("nobody waits")
	}
	l.c.kick(p)
	l.came++
	return copy(into, "x"), nil
}

func (l *lastMoment) SetReadDeadline(t time.Time) error {
	l.over = !t.IsZero()
	return nil
}

// TestWaitThatEndsAsBytesCome: what came counts, and what is waited for next is not ended with it, as if the client had broken the
// connection. A body that is sent on is over, and told to be late.
func TestWaitThatEndsAsBytesCome(t *testing.T) {
	made := func() (*conn, *lastMoment) {
		c := &conn{plane: &Plane{blocks: newBlocks()}}
		l := &lastMoment{c: c, wait: &c.watch}
		c.nc = l
		return c, l
	}
	t.Run("head", func(t *testing.T) {
		c, l := made()
		for i := range 3 {
			if n, err := c.read(make([]byte, 8), readingHead, 0); n != 1 || err != nil || l.over {
				t.Fatalf("%d: %d bytes, %v, deadline set: %v", i, n, err, l.over)
			}
		}
	})
	t.Run("upload", func(t *testing.T) {
		c, l := made()
		l.wait = &c.upload
		w := &work{}
		w.c, w.stream, w.site = c, &uploadState{}, &site{}
		w.x.Request.Body = http1.ChunkedBody
		if part, err := w.nextPart(); err != errLate || part != nil || l.came != 1 {
			t.Errorf("%q, %v", part, err)
		}
	})
	t.Run("answer", func(t *testing.T) {
		c, l := made()
		w := &work{}
		w.c, w.stream = c, &uploadState{}
		w.answer, w.bodyAt = make([]byte, 2*answerRoom), answerRoom
		if err := w.moreHead(&upstream.Conn{Stream: l}); err != errLate || l.came != 1 {
			t.Errorf("%v", err)
		}
	})
}
