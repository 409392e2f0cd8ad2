package httpproxy

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// waits is a filter that waits until its context ends, or for a moment that the test gives.
type waits struct {
	limit    time.Duration
	entered  chan struct{}
	released chan error // what ended it
	pass     chan struct{}
}

func newWaits(limit time.Duration) *waits {
	return &waits{limit, make(chan struct{}, 8), make(chan error, 8), make(chan struct{})}
}

func (w *waits) Request(x *filter.Exchange) filter.Verdict {
	if !x.Wait(w.limit, func(ctx context.Context) {
		w.entered <- struct{}{}
		select {
		case <-ctx.Done():
		case <-w.pass:
		}
		w.released <- ctx.Err()
	}) {
		return filter.Respond
	}
	select {
	case <-w.pass:
		return filter.Continue
	default:
		return x.Respond(502, "too-slow", "")
	}
}

// kind is the catalog with the filter in it.
func (w *waits) kind(_ *stand, c *Config) {
	c.Filters = filter.Catalog{filter.Define("waits", func(probe, filter.Env) (filter.Filter, error) { return w, nil })}
}

func withWaits(r *model.Route) { r.Filters = []model.FilterSpec{{Kind: "waits"}} }

func (w *waits) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.released:
		return err
	case <-time.After(5 * time.Second):
		t.Fatal("the wait goes on")
		return nil
	}
}

func TestFilterThatWaits(t *testing.T) {
	rec := newRecorder(t, echo)
	w := newWaits(10 * time.Second)
	s := newStand(t, w.kind)
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u", withWaits)
	s.publish()
	c := s.dial().send(get("/a"))
	<-w.entered
	close(w.pass)
	if err := w.ended(t); err != nil {
		t.Error(err)
	}
	if r := c.receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
		t.Errorf("%+v", r)
	}
	if r := c.send(get("/b")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") || len(rec.requests()) != 2 {
		t.Errorf("the connection is not used again: %+v", r)
	}
}

func TestWaitHasALimit(t *testing.T) {
	w := newWaits(20 * time.Millisecond)
	s := newStand(t, w.kind)
	s.route("all", "/", "u", withWaits)
	s.publish()
	if r := s.dial().send(get("/")).receive("GET"); r.head["x-paifang-reason"] != "too-slow" {
		t.Errorf("%+v", r)
	}
	if err := w.ended(t); err != context.DeadlineExceeded {
		t.Error(err)
	}
}

func TestWaitEndsWithTheTimeOfTheRequest(t *testing.T) {
	w := newWaits(10 * time.Second)
	s := newStand(t, w.kind)
	s.route("all", "/", "u", withWaits, func(r *model.Route) { r.Timeouts.Request = 30 * time.Millisecond })
	s.publish()
	if r := s.dial().send(get("/")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 504") || r.head["x-paifang-reason"] != "exchange-timeout" {
		t.Errorf("%+v", r)
	}
}

func TestWaitEndsWithItsClient(t *testing.T) {
	t.Run("http1", func(t *testing.T) { // served inside the read of its connection, which sees no event meanwhile
		w := newWaits(10 * time.Second)
		s := newStand(t, w.kind)
		s.route("all", "/", "u", withWaits)
		s.publish()
		c := s.dial().send(get("/"))
		<-w.entered
		c.Close()
		if w.ended(t) == nil {
			t.Error("nobody has ended it")
		}
		if a := s.last(1); a.Reason != "client-left" || a.Status != 499 || a.Tries != 0 {
			t.Errorf("%+v", a)
		}
	})
	t.Run("http2", func(t *testing.T) {
		w := newWaits(10 * time.Second)
		s := newStand(t, w.kind)
		s.route("all", "/", "u", withWaits)
		s.publish()
		c := s.dial2()
		c.headers(1, true)
		<-w.entered
		c.must(c.WriteRSTStream(1, http2.ErrCodeCancel))
		if w.ended(t) == nil {
			t.Error("nobody has ended it")
		}
		if a := s.last(1); a.Reason != "client-left" || a.Status != 499 {
			t.Errorf("%+v", a)
		}
	})
}

func TestWaitEndsWithTheDrain(t *testing.T) {
	w := newWaits(10 * time.Second)
	s := newStand(t, func(s *stand, c *Config) {
		w.kind(s, c)
		c.Timeouts.Drain = 50 * time.Millisecond
	})
	s.route("all", "/", "u", withWaits)
	s.publish()
	s.dial().send(get("/"))
	<-w.entered
	s.listeners = nil
	s.publish()
	if w.ended(t) == nil {
		t.Error("nobody has ended it")
	}
	if a := s.last(1); a.Reason != "shutdown" {
		t.Errorf("%+v", a)
	}
}

func TestNobodyWaitsWithoutAnEngine(t *testing.T) {
	var x filter.Exchange
	if x.Wait(time.Second, func(context.Context) { t.Error("called") }) || x.Response.Status != 500 || x.Code != filter.CodeNoWaiting {
		t.Errorf("%+v", x.Response)
	}
}
