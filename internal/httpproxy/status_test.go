package httpproxy

import (
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestStatusWhileGenerationsCome: what is read from outside is read at any time. The race detector is the judge.
func TestStatusWhileGenerationsCome(t *testing.T) {
	s, _ := simple(t, echo, withTLS)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s.plane.Listeners()
				s.plane.Failures()
				s.plane.RevocationLists(time.Now())
				s.plane.Bound()
				s.plane.Version()
			}
		})
	}
	for i := range 20 {
		s.certs = []model.Certificate{certificate(t, "shop", "shop.test"), {ID: "broken", Hosts: []model.Host{"broken.test"}, Attach: []model.Class{"web"}, Chain: "x"}}[i%2:]
		s.publish()
	}
	close(done)
	readers.Wait()
}
