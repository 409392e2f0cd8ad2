package springgw

import (
	"errors"
	"fmt"
	"strings"

	"paifang/internal/model"
)

// The defaults of Resilience4j, which Spring's circuit breaker is.
const (
	circuitWindow = 100
	circuitOpen   = "60s"
)

// noStatus is one that no service answers with: without statusCodes an answer is no failure in Spring, whatever its status.
const noStatus = 599

type circuitFallback struct {
	Path string `json:"path"`
}

type circuitConfig struct {
	Window   int              `json:"window"`
	Minimum  int              `json:"minimum"`
	Open     string           `json:"open"`
	Statuses []int            `json:"statuses"`
	Fallback *circuitFallback `json:"fallback,omitempty"`
}

// circuitBreaker reads what Spring says of one in a route. Its rates are set in Java, or by properties of Resilience4j; here
// they are the defaults of that.
func (e *effect) circuitBreaker(p *part) error {
	values, err := e.positions(p, []string{"name"}, 0)
	if err != nil {
		return err
	}
	c := circuitConfig{Window: circuitWindow, Minimum: circuitWindow, Open: circuitOpen, Statuses: []int{}}
	for name, v := range values {
		switch name {
		case "name":
		case "fallbackuri":
			path, ok := strings.CutPrefix(v, "forward:")
			if !ok || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "{}?#") {
				return fmt.Errorf("fallbackUri %q is not supported: want forward: and a path that another route serves", v)
			}
			c.Fallback = &circuitFallback{path}
		case "statuscodes":
			for one := range strings.FieldsFuncSeq(v, isListByte) {
				n, err := statusOf(one)
				if err != nil {
					return err
				}
				c.Statuses = append(c.Statuses, n)
			}
		case "resumewithouterror":
			if strings.EqualFold(v, "true") {
				return errors.New("resumeWithoutError is not supported: name a fallbackUri")
			}
		default:
			return fmt.Errorf("%q is no argument of it", name)
		}
	}
	if len(c.Statuses) == 0 {
		c.Statuses = []int{noStatus}
	}
	e.notes = append(e.notes, fault{"", p.line, p.field, model.CodeIgnored, model.Info,
		"filter CircuitBreaker: each route has a breaker of its own, with the rates that Resilience4j has by default; the time limit is that of metadata.response-timeout"})
	return e.emit("circuit-breaker", c)
}
