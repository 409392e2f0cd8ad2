package httpproxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestEndpointThatDiesUnderLoad: requests that were in flight to an endpoint when it died may fail; nobody else does,
// and nothing is sent to it afterwards.
func TestEndpointThatDiesUnderLoad(t *testing.T) {
	const clients = 16
	a, b := newRecorder(t, echo), newRecorder(t, echo)
	s := newStand(t, nil)
	s.list("u", a.Addr().String(), b.Addr().String())
	s.route("all", "/", "u")
	s.publish()
	var wg sync.WaitGroup
	var failed, done atomic.Int64
	stop := make(chan struct{})
	for range clients {
		wg.Go(func() {
			c := s.dial()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := io.WriteString(c, get("/")); err != nil {
					t.Error(err)
					return
				}
				r, err := readReply(c.r, "GET")
				if err != nil {
					t.Errorf("%+v, %v", r, err)
					return
				}
				if r.status != "HTTP/1.1 200 OK" {
					failed.Add(1)
				}
				done.Add(1)
			}
		})
	}
	eventually(t, func() bool { return done.Load() > 200 })
	a.Close()
	a.mu.Lock()
	for c := range a.open {
		_ = c.(*net.TCPConn).SetLinger(0) // a reset, as of a process that is killed
		c.Close()
	}
	a.mu.Unlock()
	died := time.Now()
	n := done.Load()
	eventually(t, func() bool { return done.Load() > n+500 })
	close(stop)
	wg.Wait()
	if f := failed.Load(); f > clients {
		t.Errorf("%d of %d requests failed", f, done.Load())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		switch {
		case r.Status == 200:
		case r.Reason != "upstream-reset" || r.Endpoint.String() != a.Addr().String():
			t.Errorf("%+v", r)
		case r.Time.After(died.Add(time.Second)):
			t.Errorf("a request was sent to a dead endpoint: %+v", r)
		}
	}
}
