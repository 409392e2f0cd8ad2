package springgw

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// maxBases bounds how many configurations of Resilience4j stand on another.
const maxBases = 8

// resilient returns a property of Resilience4j for a name: its instance's own, that of the configuration it stands on, or the default's.
func (s *setting) resilient(kind, name, key string) *bootconfig.Property {
	of := s.get("resilience4j", kind, "instances", name)
	for range maxBases {
		if v := of.Get(key); v != nil {
			return v
		}
		base := of.Get("baseConfig").Text()
		if base == "" {
			break
		}
		of = s.get("resilience4j", kind, "configs", base)
	}
	return s.get("resilience4j", kind, "configs", "default", key)
}

// resilience brings a breaker to what the properties of Resilience4j say.
func (e *effect) resilience(p *part, c *circuitConfig) error {
	of := func(key string) string { return p.around.resilient("circuitbreaker", c.Name, key).Text() }
	var open, slow timeout
	for _, one := range []struct {
		key string
		set func(string) error
	}{
		{"slidingWindowSize", countInto(&c.Window)},
		{"permittedNumberOfCallsInHalfOpenState", countInto(&c.Trials)},
		{"failureRateThreshold", percentInto(&c.Failures)},
		{"slowCallRateThreshold", percentInto(&c.SlowRate)},
		{"waitDurationInOpenState", open.set},
		{"slowCallDurationThreshold", slow.set},
	} {
		if text := of(one.key); text != "" {
			if err := one.set(text); err != nil {
				return fmt.Errorf("resilience4j: %s %w", one.key, err)
			}
		}
	}
	c.Minimum = min(c.Minimum, c.Window)
	if text := of("minimumNumberOfCalls"); text != "" {
		if err := countInto(&c.Minimum)(text); err != nil {
			return fmt.Errorf("resilience4j: minimumNumberOfCalls %w", err)
		}
		c.Minimum = min(c.Minimum, c.Window) // as Resilience4j has it for a window of calls
	}
	if open > 0 {
		c.Open = time.Duration(open).String()
	}
	if slow > 0 {
		c.Slow = time.Duration(slow).String()
	} else {
		c.SlowRate = 0 // of nothing
	}
	const class, same = "which class a failure has in Java is not known here: that it failed counts", "each time no request is sent is as long as the one before"
	for _, one := range [...]struct{ key, why string }{
		{"slidingWindowType", ""},
		{"recordExceptions", class},
		{"ignoreExceptions", class},
		{"recordFailurePredicate", "it is Java code"},
		{"ignoreExceptionPredicate", "it is Java code"},
		{"enableExponentialBackoff", same},
		{"enableRandomizedWait", same},
		{"maxWaitDurationInHalfOpenState", "trials are waited for"},
	} {
		v := p.around.resilient("circuitbreaker", c.Name, one.key)
		switch {
		case v == nil:
		case one.why != "":
			e.remark(p, model.CodeUnsupported, model.Warning, "resilience4j: %s has no effect: %s", one.key, one.why)
		case !bootconfig.Same(v.Text(), "COUNT_BASED"):
			return fmt.Errorf("resilience4j: slidingWindowType %s is not supported: want COUNT_BASED, which looks at the last requests", v.Text())
		}
	}
	return e.limitTime(p, c.Name)
}

// limitTime has an answer begin in time. A breaker watches what is behind it: all tries together, or each where Retry stands in front.
func (e *effect) limitTime(p *part, name string) error {
	if p.around.get("spring", "cloud", "circuitbreaker", "resilience4j", "disable-time-limiter").IsTrue() {
		return nil
	}
	limit := timeout(circuitLimit)
	if text := p.around.resilient("timelimiter", name, "timeoutDuration").Text(); text != "" {
		if err := limit.set(text); err != nil || limit == 0 {
			return fmt.Errorf("resilience4j: timeoutDuration %q is no time above 0", text)
		}
	}
	into := &e.limit
	if e.again {
		into = &e.limitTry
	}
	if *into == 0 || time.Duration(limit) < *into {
		*into = time.Duration(limit)
	}
	return nil
}

func countInto(into *int) func(string) error {
	return func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number above 0", text)
		}
		*into = n
		return nil
	}
}

// percentInto reads a share that may have a fraction; a part of a percent counts as a whole one.
func percentInto(into *int) func(string) error {
	return func(text string) error {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f > 0 && f <= 100) {
			return fmt.Errorf("%q is no percentage above 0", text)
		}
		*into = int(math.Ceil(f))
		return nil
	}
}
