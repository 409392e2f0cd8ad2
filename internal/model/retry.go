package model

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Retry says when a request is sent again, on another endpoint if there is one. A request of which no endpoint can have
// seen a byte is always safe to send again. One that may have been seen is sent again if a condition of On or Statuses
// says so, it is idempotent (RFC 9110, 9.2.2) or NonIdempotent is set, and its body was held whole: bodies of known length
// up to 64 KiB or Forward.Gather, and chunked ones that came together with their head.
type Retry struct {
	Attempts      int       `json:"attempts,omitempty"` // further tries after the first; 0 = 2, negative = none, at most MostAttempts
	On            []RetryOn `json:"on,omitempty"`
	Statuses      Statuses  `json:"statuses,omitempty"`      // answers that are thrown away for another try
	NonIdempotent bool      `json:"nonIdempotent,omitempty"` // also POST, PATCH and methods that are not known
	Methods       []string  `json:"methods,omitempty"`       // only these, of those that the above allows; empty = all of them
	// PerTry bounds one try, from connecting to the head of the answer. Default: none of its own.
	PerTry  time.Duration `json:"perTry,omitempty"`
	Backoff Backoff       `json:"backoff,omitzero"`
	Budget  RetryBudget   `json:"budget,omitzero"`
	// Within is how long after the first try began another one may. Default: no bound but that of the request.
	Within time.Duration `json:"within,omitempty"`
}

// RetryOn is a condition for another try.
type RetryOn string

// The conditions. The first two hold without being listed, since nothing was seen; listed, they also allow the endpoint
// that failed to be tried again where there is no other.
const (
	RetryConnect RetryOn = "connect-failure" // no connection
	RetryRefused RetryOn = "refused"         // the endpoint says that it has not looked at the request (HTTP/2: REFUSED_STREAM, GOAWAY)
	RetryReset   RetryOn = "reset"           // the connection broke before a byte of the answer
	RetryTimeout RetryOn = "timeout"         // no head of an answer within PerTry, or the timeout for the answer
	RetryGateway RetryOn = "gateway-error"   // 502, 503 or 504
	RetryServer  RetryOn = "5xx"             // any status from 500 to 599
	RetryInvalid RetryOn = "invalid-answer"  // the head of the answer breaks the protocol
)

// MostAttempts is how many further tries a route may ask for.
const MostAttempts = 20

// Backoff is the pause before another try: a random time up to Base, longer by Factor with each try, up to Most. There is none
// where nothing was seen.
type Backoff struct {
	Base   time.Duration `json:"base,omitempty"`   // default 25ms; negative = none
	Most   time.Duration `json:"most,omitempty"`   // default 250ms; at most 10s
	Factor int           `json:"factor,omitempty"` // default 2; 1 to 100
	// Spread has a pause be shorter or longer by up to so many percent, not below Base and not above Most, in place of any time up to the
	// whole. Negative = it is as long as it says.
	Spread int `json:"spread,omitempty"`
	// FromLast has a pause be longer by Factor than the one before was, chance included.
	FromLast bool `json:"fromLast,omitempty"`
}

// RetryBudget bounds the tries in flight that cost an upstream something it may have too little of: those of requests that
// may have been seen. So many are always allowed, and beyond that so many percent of what is in flight to its endpoints.
type RetryBudget struct {
	Percent int `json:"percent,omitempty"` // default 20
	Least   int `json:"least,omitempty"`   // default 3
}

// Again tells whether a status is one that is thrown away for another try.
func (r *Retry) Again(status int) bool {
	switch {
	case r.Statuses.Contains(status):
		return true
	case status < 500:
		return false
	case r.Allows(RetryServer):
		return true
	}
	return status >= 502 && status <= 504 && r.Allows(RetryGateway)
}

// Allows tells whether a condition is listed.
func (r *Retry) Allows(on RetryOn) bool { return slices.Contains(r.On, on) }

// Takes tells whether a method is one of Methods.
func (r *Retry) Takes(method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method)
}

func (r Retry) validate() error {
	all := []RetryOn{RetryConnect, RetryRefused, RetryReset, RetryTimeout, RetryGateway, RetryServer, RetryInvalid}
	for i, on := range r.On {
		if !slices.Contains(all, on) {
			return fieldError(fmt.Sprintf("forward.retry.on[%d]", i),
				fmt.Sprintf("%q is none of connect-failure, refused, reset, timeout, gateway-error, 5xx, invalid-answer", on))
		}
	}
	for i, s := range r.Statuses {
		if s.From < 300 || s.To > 599 || s.From > s.To {
			return fieldError(fmt.Sprintf("forward.retry.statuses[%d]", i), "is no range of statuses from 300 to 599")
		}
	}
	if err := methods("forward.retry.methods", r.Methods); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"perTry", r.PerTry}, {"within", r.Within}} {
		if err := duration("forward.retry."+f.name, f.d); err != nil {
			return err
		}
	}
	switch {
	case r.Attempts > MostAttempts:
		return fieldError("forward.retry.attempts", fmt.Sprintf("%d is more than %d", r.Attempts, MostAttempts))
	case r.Backoff.Most < 0 || r.Backoff.Most > 10*time.Second || r.Backoff.Base > 10*time.Second:
		return fieldError("forward.retry.backoff", "is negative or longer than 10s")
	case r.Backoff.Factor < 0 || r.Backoff.Factor > 100:
		return fieldError("forward.retry.backoff.factor", fmt.Sprintf("is %d: want 1 to 100", r.Backoff.Factor))
	case r.Backoff.Spread > 100:
		return fieldError("forward.retry.backoff.spread", fmt.Sprintf("is %d percent: want up to 100", r.Backoff.Spread))
	case r.Budget.Least < 0:
		return fieldError("forward.retry.budget.least", "is negative")
	}
	return percent("forward.retry.budget.percent", r.Budget.Percent)
}

// Timeouts bound a request. Zero = the engine's default, stated there and in docs/upstreams.md.
type Timeouts struct {
	Connect  time.Duration `json:"connect,omitempty"`  // to the upstream; the handshake of TLS, if there is one, has a time of its own
	Response time.Duration `json:"response,omitempty"` // request sent → response head
	Idle     time.Duration `json:"idle,omitempty"`     // between two parts of a body
	Send     time.Duration `json:"send,omitempty"`     // for the upstream to take the next part of the request
	Upgraded time.Duration `json:"upgraded,omitempty"` // between two parts, either way, of an upgraded connection
	// Request bounds everything from the head of the request to the head of its answer: body, tries and pauses. Negative =
	// no bound. An answer that has begun, and an upgraded connection, are not cut by it.
	Request time.Duration `json:"request,omitempty"`
}

func (t Timeouts) validate() error {
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"connect", t.Connect}, {"response", t.Response}, {"idle", t.Idle}, {"send", t.Send}, {"upgraded", t.Upgraded}} {
		if err := duration("timeouts."+f.name, f.d); err != nil {
			return err
		}
	}
	if t.Request < 0 {
		return nil
	}
	return duration("timeouts.request", t.Request)
}

// duration wants 0, or what the engine's clock can tell from it: milliseconds.
func duration(field string, d time.Duration) error {
	switch {
	case d < 0:
		return fieldError(field, "is negative")
	case d > 0 && d < time.Millisecond:
		return fieldError(field, fmt.Sprintf("%v is less than 1ms", d))
	}
	return nil
}

// methods wants tokens (RFC 9110, 9.1), and those that everybody knows as they are sent: another word would be a condition that no request
// fulfils.
func methods(field string, list []string) error {
	for i, m := range list {
		if m == "" || strings.ContainsFunc(m, notToken) {
			return fieldError(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("%q is no method", m))
		}
		if capitals := strings.ToUpper(m); capitals != m && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}, capitals) {
			return fieldError(fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("%q is not %s, for methods are compared by case: write %s", m, capitals, capitals))
		}
	}
	return nil
}

// ValidateEffect reports the first setting of what a route does that its type does not allow. A route for which it fails can
// be placed, and is refused where it stands.
func (r Route) ValidateEffect() error {
	if err := r.Timeouts.validate(); err != nil {
		return err
	}
	if f, ok := r.Action.(Forward); ok {
		if err := f.Fallback.validate(); err != nil {
			return err
		}
		return f.Retry.validate()
	}
	return nil
}
