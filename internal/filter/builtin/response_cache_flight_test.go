package builtin

import (
	"context"
	"fmt"
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

// shortly is a Waiter of a request that has little time left as a whole.
type shortly struct{ time.Duration }

func (w shortly) Wait(limit time.Duration, f func(context.Context)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), min(limit, w.Duration))
	defer cancel()
	f(ctx)
	return ctx.Err() == nil // its time is over: it was answered 504
}

// TestCacheLeavesTime: a request that waits in vain is sent on while it has time for that, and those after it do not wait.
func TestCacheLeavesTime(t *testing.T) {
	c := newCrowd(t, `{}`)
	x := &filter.Exchange{Waiter: shortly{50 * time.Millisecond}}
	if c.p.again(x, "192.0.2.1", "GET /a"); x.Response.Status != 0 {
		t.Errorf("it is answered %d %s", x.Response.Status, x.Code)
	}
	x.Finish()
	if x := c.p.ask("192.0.2.1", "GET /a"); x.Response.Status != 0 { // it has nobody to wait with, and need not
		t.Errorf("the next one is answered %d %s", x.Response.Status, x.Code)
	}
	c.p.now = c.p.now.Add(looseFor)
	c.join() // the first one is still on its way
	c.answer("")
	c.want(0, 1)
	c.first.Finish()
}

// TestCacheWaitsForNoStream: an answer that goes on for ever is waited for by nobody, and not given again.
func TestCacheWaitsForNoStream(t *testing.T) {
	c := newCrowd(t, `{}`)
	c.join()
	c.answer("Content-Type: Text/Event-Stream ;charset=utf-8\r\n")
	c.want(1, 0)
	c.ask()
	c.want(2, 0)
	c.first.Finish()
}

// TestCacheWaitsNotForItself: of two caches of one route that are configured alike, default-filters of Spring for one, the second does not wait
// for the first, and both keep the answer.
func TestCacheWaitsNotForItself(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("response-cache", `{}`), specOf("response-cache", `{"wait":"4s"}`))
	if x, kept := p.answered("GET /a", "text", nil, nil); kept {
		t.Fatalf("%d %s", x.Response.Status, x.Code)
	}
	if x, kept := p.answered("GET /a", "other", nil, nil); !kept || x.Body != "text" {
		t.Errorf("%v %q", kept, x.Body)
	}
}

// TestCacheIsNotDrivenOut: what is not kept takes no room from what is, waited for or not.
func TestCacheIsNotDrivenOut(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("response-cache", `{"size":102400}`))
	p.answered("GET /a", "text", nil, nil)
	for i := range 300 {
		p.answered(fmt.Sprintf("GET /%d", i), "text", nil, []string{"Cache-Control: no-store"})
	}
	if _, kept := p.answered("GET /a", "other", nil, nil); !kept {
		t.Error("what is not kept has driven out what is")
	}
	s := newAnswerStore(10 * itemCost)
	none := func(string) string { return "" }
	for i := range 3 * mostLoose {
		own, _ := s.depart(fmt.Sprint(i), none, &filter.Exchange{}, p.now)
		s.depart(fmt.Sprint(i), none, &filter.Exchange{}, p.now)
		s.land(own, p.now.Add(looseFor))
	}
	if own, other := s.depart("0", none, &filter.Exchange{}, p.now); own != nil || other != nil {
		t.Error("the first one is not remembered")
	}
	if n := len(s.loose[0]) + len(s.loose[1]); n > 2*mostLoose || s.size != 0 {
		t.Errorf("%d are remembered, in %d bytes", n, s.size)
	}
}

// TestFlightsEnd: one that has landed is nobody's to wait for, however often that is said.
func TestFlightsEnd(t *testing.T) {
	s := newAnswerStore(10 * itemCost)
	none := func(string) string { return "" }
	own, other := s.depart("a", none, &filter.Exchange{}, time.Time{})
	if _, second := s.depart("a", none, &filter.Exchange{}, time.Time{}); own == nil || other != nil || second != own {
		t.Fatal("the second one does not wait for the first")
	}
	s.land(own, time.Time{})
	next, _ := s.depart("a", none, &filter.Exchange{}, time.Time{})
	s.land(own, time.Time{}) // which is not that one
	if _, second := s.depart("a", none, &filter.Exchange{}, time.Time{}); second != next {
		t.Error("a flight is ended by another one")
	}
	s.land(next, time.Time{})
	s.land(nil, time.Time{})
	if len(s.flights) != 0 {
		t.Errorf("%d flights never end", len(s.flights))
	}
}
