package springgw

import (
	"fmt"
	"strings"
	"time"

	"paifang/internal/model"
)

// The defaults of Resilience4j, which Spring's circuit breaker is.
const (
	circuitWindow = 100
	circuitOpen   = time.Minute
	circuitLimit  = time.Second // that Spring has an answer begin in
)

// noStatus is one that no service answers with: without statusCodes an answer is no failure in Spring, whatever its status.
const noStatus = 599

type circuitFallback struct {
	Path        string `json:"path,omitempty"`
	Credentials bool   `json:"credentials,omitempty"`
	Status      int    `json:"status,omitempty"`
}

type circuitConfig struct {
	Name     string           `json:"name,omitempty"`
	Failures int              `json:"failures,omitempty"`
	Slow     string           `json:"slow,omitempty"`
	SlowRate int              `json:"slowRate,omitempty"`
	Window   int              `json:"window"`
	Minimum  int              `json:"minimum"`
	Open     string           `json:"open"`
	Trials   int              `json:"trials,omitempty"`
	Statuses []int            `json:"statuses"`
	Fallback *circuitFallback `json:"fallback,omitempty"`
}

// circuitBreaker reads what Spring says of one in a route, and what the properties of Resilience4j say of that name. Routes that give
// the same name have one breaker.
func (e *effect) circuitBreaker(p *part) error {
	values, err := e.given(p, []string{"name"}, 0)
	if err != nil {
		return err
	}
	c := circuitConfig{Name: values["name"], Window: circuitWindow, Minimum: circuitWindow, Open: circuitOpen.String(), Statuses: []int{}}
	resume := false
	for _, name := range sortedKeys(values) {
		switch v := values[name]; name {
		case "name":
		case "fallbackuri":
			path, err := forwardPath(v, true)
			if err != nil {
				return fmt.Errorf("fallbackUri %w", err)
			}
			e.expands(p, path)
			c.Fallback = &circuitFallback{Path: path, Credentials: true} // a forward of Spring's is the same request
		case "statuscodes":
			for one := range strings.FieldsFuncSeq(v, isListByte) {
				n, err := statusOf(one)
				if err != nil {
					return err
				}
				c.Statuses = append(c.Statuses, n)
			}
		case "resumewithouterror":
			resume = strings.EqualFold(v, "true")
		default:
			return fmt.Errorf("%q is no argument of it", name)
		}
	}
	if len(c.Statuses) == 0 {
		c.Statuses = []int{noStatus}
	}
	if resume && c.Fallback == nil {
		c.Fallback = &circuitFallback{Status: 200} // and no body, as Spring has it
	}
	if err := e.resilience(p, &c); err != nil {
		return err
	}
	return e.emit("circuit-breaker", c)
}

// forwardPath is the path of a uri of the scheme forward, which another route serves. A template may have variables.
func forwardPath(uri string, template bool) (string, error) {
	path, ok := strings.CutPrefix(uri, "forward:")
	if rest, long := strings.CutPrefix(path, "///"); long {
		path = "/" + rest
	}
	if !ok || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "?# ") || !template && strings.ContainsAny(path, "{}") {
		return "", fmt.Errorf("%q is not supported: want forward: and a path that another route serves", uri)
	}
	return path, nil
}

// fallbackHeaders tells a fallback why the request comes to it, with the names that classes have in Java.
func (e *effect) fallbackHeaders(p *part) error {
	names := []string{"executionExceptionTypeHeaderName", "executionExceptionMessageHeaderName", "rootCauseExceptionTypeHeaderName", "rootCauseExceptionMessageHeaderName"}
	values, err := e.positions(p, names, 0)
	if err != nil {
		return err
	}
	kind, message := values[strings.ToLower(names[0])], values[strings.ToLower(names[1])]
	if kind == "" {
		kind = "Execution-Exception-Type"
	}
	if message == "" {
		message = "Execution-Exception-Message"
	}
	e.remark(p, model.CodeUnsupported, model.Info, "%s", causeless)
	return e.emit("tell-failure", struct {
		Code    string            `json:"code"`
		Message string            `json:"message"`
		Names   map[string]string `json:"names"`
	}{kind, message, map[string]string{
		"circuit-open":     "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
		"upstream-timeout": "java.util.concurrent.TimeoutException",
		"exchange-timeout": "java.util.concurrent.TimeoutException",
		"try-timeout":      "java.util.concurrent.TimeoutException",
		"status":           "org.springframework.cloud.gateway.filter.factory.SpringCloudCircuitBreakerFilterFactory$CircuitBreakerStatusCodeException",
		"*":                "java.io.IOException",
	}})
}
