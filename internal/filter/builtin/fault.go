package builtin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// CodeFault is why a request is refused that a route has fail on purpose.
const CodeFault model.Code = "fault-injected"

// Fault configures "fault": some requests are delayed, or refused, so that clients can be tried out.
type Fault struct {
	Delay        Span     `json:"delay,omitempty"`        // at most 60s
	DelayPercent *float64 `json:"delayPercent,omitempty"` // of requests that are delayed; default 100
	Abort        int      `json:"abort,omitempty"`        // status that requests are refused with, 400 to 599
	AbortPercent *float64 `json:"abortPercent,omitempty"` // of requests that are refused, after their delay; default 100
	Header       string   `json:"header,omitempty"`       // only requests with this field; default: all
	Value        string   `json:"value,omitempty"`        // and this value of it; default: any
}

const maxFaultDelay = time.Minute

// Validate refuses what does nothing.
func (c Fault) Validate() error {
	switch {
	case c.Delay == 0 && c.Abort == 0:
		return fmt.Errorf("neither delay nor abort is given")
	case c.Delay < 0 || time.Duration(c.Delay) > maxFaultDelay:
		return fmt.Errorf("delay is %v: want up to %v", c.Delay, maxFaultDelay)
	case c.Abort != 0 && (c.Abort < 400 || c.Abort > 599):
		return fmt.Errorf("abort is %d: want 400 to 599", c.Abort)
	case c.Header != "" && !http1.IsToken(c.Header):
		return fmt.Errorf("header %q is no header name", c.Header)
	case c.Value != "" && c.Header == "":
		return fmt.Errorf("value is given, and header is not")
	}
	for name, p := range map[string]*float64{"delayPercent": c.DelayPercent, "abortPercent": c.AbortPercent} {
		if p != nil && (*p < 0 || *p > 100) {
			return fmt.Errorf("%s is %v: want 0 to 100", name, *p)
		}
	}
	return nil
}

func faultKind() filter.Kind {
	return filter.Define("fault", func(c Fault, _ filter.Env) (filter.Filter, error) {
		f := &fault{Fault: c, delayed: 100, aborted: 100}
		if c.DelayPercent != nil {
			f.delayed = *c.DelayPercent
		}
		if c.AbortPercent != nil {
			f.aborted = *c.AbortPercent
		}
		return f, nil
	})
}

type fault struct {
	Fault
	delayed, aborted float64 // percent
}

func (f *fault) Request(x *filter.Exchange) filter.Verdict {
	if f.Header != "" && !f.meant(x) {
		return filter.Continue
	}
	if f.Delay > 0 && chance(f.delayed) && !x.Wait(time.Duration(f.Delay), func(ctx context.Context) { <-ctx.Done() }) {
		return filter.Respond
	}
	if f.Abort > 0 && chance(f.aborted) {
		return x.Respond(f.Abort, CodeFault, "This request fails on purpose.\n")
	}
	return filter.Continue
}

func (f *fault) meant(x *filter.Exchange) bool {
	for v := range x.Request.Fields.Values(f.Header) {
		if f.Value == "" || v == f.Value {
			return true
		}
	}
	return false
}

// chance is true in so many percent of its calls.
func chance(percent float64) bool { return rand.Float64()*100 < percent }
