package httpproxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// slowEnd holds up the goroutine of an upload when all of the body has been sent, for longer than an upstream takes to answer.
type slowEnd struct{}

func (s slowEnd) Request(x *filter.Exchange) filter.Verdict {
	x.Tap(s)
	return filter.Continue
}

func (s slowEnd) Part([]byte) {}
func (s slowEnd) Release()    {}
func (s slowEnd) Complete()   { time.Sleep(2 * time.Millisecond) }

// An upstream that has the whole body may answer before the goroutine that sent it runs again. The connection goes on.
func TestAnswerBeforeTheUploadKnows(t *testing.T) {
	rec := newRecorder(t, echo)
	s := newStand(t, func(_ *stand, c *Config) {
		c.Filters = filter.Catalog{filter.Define("slow-end", func(probe, filter.Env) (filter.Filter, error) { return slowEnd{}, nil })}
	})
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u", func(r *model.Route) { r.Filters = []model.FilterSpec{{Kind: "slow-end"}} })
	s.publish()
	c := s.dial()
	for range 3 {
		body := strings.Repeat("x", 100_000)
		c.send(post("/", body, fmt.Sprintf("Content-Length: %d", len(body))))
		r := c.receive("POST")
		if r.head["connection"] == "close" || r.echoed(t).Body != body {
			t.Fatalf("%s %v: %.80s", r.status, r.head, r.body)
		}
	}
}

// owner is a filter that decides what a field says.
type owner struct{}

func (owner) Request(*filter.Exchange) filter.Verdict { return filter.Continue }
func (owner) OwnsFields()                             {}

// What stands behind the body says nothing of what a filter decides.
func TestNoTrailersBesideOwnedFields(t *testing.T) {
	for kind, want := range map[string]bool{"owner": false, "other": true} {
		rec := newRecorder(t, echo)
		s := newStand(t, func(_ *stand, c *Config) {
			c.Filters = filter.Catalog{
				filter.Define("owner", func(probe, filter.Env) (filter.Filter, error) { return owner{}, nil }),
				filter.Define("other", func(probe, filter.Env) (filter.Filter, error) { return slowEnd{}, nil }),
			}
		})
		s.list("u", rec.Addr().String())
		s.route("all", "/", "u", func(r *model.Route) { r.Filters = []model.FilterSpec{{Kind: kind}} })
		s.publish()
		for _, body := range []string{"2\r\nab\r\n0\r\nX-User: root\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\nX-User: root\r\n\r\n", 100_000, strings.Repeat("x", 100_000))} {
			s.dial().send(post("/", body, "Transfer-Encoding: chunked", "Trailer: X-User")).receive("POST")
		}
		got := rec.seen()
		if has := strings.Contains(got, "X-User: root"); has != want || strings.Contains(got, "Trailer:") != want {
			t.Errorf("%s: the upstream is told who the client is: %t, want %t", kind, has, want)
		}
	}
}
