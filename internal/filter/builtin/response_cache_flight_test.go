package builtin

import (
	"context"
	"sync"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// waiting is a Waiter that tells when somebody waits.
type waiting struct{ began chan struct{} }

func (w waiting) Wait(limit time.Duration, f func(context.Context)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	w.began <- struct{}{}
	f(ctx)
	return true
}

// crowd is requests for one address that come while another one for it is under way.
type crowd struct {
	p     *policy
	first *filter.Exchange
	w     waiting
	done  sync.WaitGroup
	mu    sync.Mutex
	sent  int // of those behind the first
	given int
}

func newCrowd(t *testing.T, config string) *crowd {
	t.Helper()
	c := &crowd{p: newPolicy(t, filter.NewShared(), specOf("response-cache", config)), w: waiting{make(chan struct{})}}
	if c.first = c.p.ask("192.0.2.1", "GET /a"); c.first.Response.Status != 0 {
		t.Fatalf("the first one is answered %d", c.first.Response.Status)
	}
	return c
}

// join has one more ask, and returns once it waits.
func (c *crowd) join(fields ...string) {
	c.done.Go(func() { c.ask(fields...) })
	<-c.w.began
}

func (c *crowd) ask(fields ...string) {
	x := &filter.Exchange{Waiter: c.w}
	c.p.again(x, "192.0.2.1", "GET /a", fields...)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case x.Response.Status == 0:
		c.sent++
	case x.Response.Status == 200 && x.Body == "text":
		c.given++
	default:
		c.p.t.Errorf("answered %d %q", x.Response.Status, x.Body)
	}
	x.Finish()
}

// answer gives the first one its answer.
func (c *crowd) answer(fields string) {
	c.p.t.Helper()
	x := c.first
	if _, err := x.Response.Parse([]byte("HTTP/1.1 200 OK\r\n"+fields+"Transfer-Encoding: chunked\r\n\r\n"), &http1.Limits{}, "GET"); err != nil {
		c.p.t.Fatal(err)
	}
	c.p.chain.Response(x)
	if x.Transformed() {
		if _, err := x.TransformPart([]byte("text")); err != nil {
			c.p.t.Fatal(err)
		}
		if _, err := x.TransformEnd(); err != nil {
			c.p.t.Fatal(err)
		}
	}
}

func (c *crowd) want(sent, given int) {
	c.p.t.Helper()
	c.done.Wait()
	if c.sent != sent || c.given != given {
		c.p.t.Errorf("%d are sent on and %d given the answer, want %d and %d", c.sent, c.given, sent, given)
	}
}

// TestCacheSendsOneForAll: who asks for the same while that is on its way gets the same.
func TestCacheSendsOneForAll(t *testing.T) {
	c := newCrowd(t, `{}`)
	for range 20 {
		c.join()
	}
	c.ask("Cookie: a=b")          // is another client's, and another answer
	c.ask("If-None-Match: \"x\"") // may be answered without a body
	c.ask("Authorization: Bearer x")
	c.answer("")
	c.want(3, 20)
	c.first.Finish()
}

// TestCacheWaitsForNothing: where there is no answer for all, each has its own.
func TestCacheWaitsForNothing(t *testing.T) {
	c := newCrowd(t, `{}`)
	c.join()
	c.join()
	c.answer("Set-Cookie: a=b\r\n")
	c.want(2, 0)
	c.first.Finish()
	c.first = c.p.ask("192.0.2.1", "GET /a")
	c.ask() // nobody waits for what was not kept a moment ago
	c.want(3, 0)
	c.first.Finish()
	c.p.now = c.p.now.Add(looseFor)
	c.first = c.p.ask("192.0.2.1", "GET /a")
	c.join()
	c.first.Finish() // its client has left
	c.want(4, 0)

	c = newCrowd(t, `{"wait":"1ms"}`)
	c.join() // does not wait for ever
	c.want(1, 0)
	c.first.Finish()
	c = newCrowd(t, `{"wait":"0s"}`)
	c.ask()
	c.want(1, 0)
	c.first.Finish()

	c = newCrowd(t, `{"maxBytes":3}`)
	c.join()
	c.answer("") // is too long to be kept, which is known when it has come
	c.want(1, 0)
	c.first.Finish()
}

// TestFlightsEnd: one that has landed is nobody's to wait for, however often that is said.
func TestFlightsEnd(t *testing.T) {
	s := newAnswerStore(10 * itemCost)
	none := func(string) string { return "" }
	own, other := s.depart("a", none, time.Time{})
	if _, second := s.depart("a", none, time.Time{}); own == nil || other != nil || second != own {
		t.Fatal("the second one does not wait for the first")
	}
	s.land(own, time.Time{})
	next, _ := s.depart("a", none, time.Time{})
	s.land(own, time.Time{}) // which is not that one
	if _, second := s.depart("a", none, time.Time{}); second != next {
		t.Error("a flight is ended by another one")
	}
	s.land(next, time.Time{})
	s.land(nil, time.Time{})
	if len(s.flights) != 0 {
		t.Errorf("%d flights never end", len(s.flights))
	}
}
