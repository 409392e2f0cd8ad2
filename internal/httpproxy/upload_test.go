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
