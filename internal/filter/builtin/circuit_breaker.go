package builtin

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// Codes of answers that a circuit breaker gives in place of the upstream. Where a request has failed for a reason of the gateway's own,
// an upstream that did not answer in time for one, the fallback has that.
const (
	CodeCircuitOpen    model.Code = "circuit-open"    // the request was not sent: so many before it have failed. 503, unless there is a fallback
	CodeUpstreamStatus model.Code = "upstream-status" // the fallback's: the upstream has answered, with a status that is a failure
)

// CircuitBreaker configures "circuit-breaker": when too many of the last requests have failed or were slow, none is sent for a while;
// then a few are, and decide how it goes on. Each process decides for itself.
type CircuitBreaker struct {
	Failures int              `json:"failures,omitempty"` // percent of the window that opens it; default 50
	Slow     Span             `json:"slow,omitempty"`     // an answer that takes longer to begin, once the request has come, is a slow one; default: none is
	SlowRate int              `json:"slowRate,omitempty"` // percent of slow ones that opens it; default 100
	Window   int              `json:"window,omitempty"`   // how many of the last requests are looked at; default 100, at most 10,000
	Minimum  int              `json:"minimum,omitempty"`  // of which there must be before anything is decided; default 20, or the window if that is less
	Open     Duration         `json:"open,omitempty"`     // how long none is sent; default 30s, at most 1h
	Trials   int              `json:"trials,omitempty"`   // that are sent then, and of which the same shares decide; default 10
	Statuses model.Statuses   `json:"statuses,omitempty"` // that are failures; default: 500 and above. No answer always is one
	Scope    string           `json:"scope,omitempty"`    // route (the default), or object: all routes of the object that they come from have one breaker
	Name     string           `json:"name,omitempty"`     // in place of a scope: all filters of this name and these settings have one breaker
	Fallback *CircuitFallback `json:"fallback,omitempty"` // in place of a failure's answer; default: 503 while it is open, and failures as they are
}

// CircuitFallback is what is answered in place of a failure: another path's answer, or always the same.
type CircuitFallback struct {
	Path        string `json:"path,omitempty"`        // looked up on the same listener; {name} is a variable of the route's pattern
	Credentials bool   `json:"credentials,omitempty"` // the request keeps Authorization and Cookie there, which are meant for the route's own upstream
	Status      int    `json:"status,omitempty"`      // without a path: 200 to 599, default 503
	Body        string `json:"body,omitempty"`        // at most 64 KiB
	ContentType string `json:"contentType,omitempty"` // default text/plain; charset=utf-8
	OpenOnly    bool   `json:"openOnly,omitempty"`    // only where no request is sent; failures are answered as they are
}

const (
	maxCircuitWindow = 10_000
	maxCircuitOpen   = time.Hour
)

// Validate refuses what never opens, or never closes again.
func (c CircuitBreaker) Validate() error {
	switch {
	case c.Failures < 0 || c.Failures > 100 || c.SlowRate < 0 || c.SlowRate > 100:
		return fmt.Errorf("failures is %d and slowRate %d: want 1 to 100 percent", c.Failures, c.SlowRate)
	case c.SlowRate > 0 && c.Slow == 0:
		return fmt.Errorf("slowRate is given, and slow is not")
	case c.Slow < 0 || c.Open < 0 || time.Duration(c.Open) > maxCircuitOpen:
		return fmt.Errorf("slow is %v and open %v: want times above 0, open up to %v", c.Slow, c.Open, maxCircuitOpen)
	case c.Window < 0 || c.Window > maxCircuitWindow || c.Minimum < 0 || c.Trials < 0 || c.Trials > maxCircuitWindow:
		return fmt.Errorf("window is %d, minimum %d and trials %d: want 1 to %d", c.Window, c.Minimum, c.Trials, maxCircuitWindow)
	case c.Window > 0 && c.Minimum > c.Window:
		return fmt.Errorf("minimum is %d of a window of %d", c.Minimum, c.Window)
	case c.Window == 0 && c.Minimum > defaultCircuitWindow:
		return fmt.Errorf("minimum is %d of a window of %d", c.Minimum, defaultCircuitWindow)
	case c.Scope != "" && c.Scope != "route" && c.Scope != "object":
		return fmt.Errorf("scope %q is neither route nor object", c.Scope)
	case c.Scope != "" && c.Name != "":
		return fmt.Errorf("scope and name are given: want one of them")
	}
	for i, s := range c.Statuses {
		if s.From < 200 {
			return fmt.Errorf("statuses[%d] begins at %d: want 200 to 599", i, s.From)
		}
	}
	if c.Fallback != nil {
		return c.Fallback.validate()
	}
	return nil
}

func (c *CircuitFallback) validate() error {
	switch {
	case c.Path != "" && (c.Status != 0 || c.Body != "" || c.ContentType != ""):
		return fmt.Errorf("fallback: path is given beside an answer")
	case c.Path == "" && c.Credentials:
		return fmt.Errorf("fallback: credentials is given, and no path that they go to")
	case c.Path != "" && !http1.IsPath(strings.NewReplacer("{", "", "}", "").Replace(c.Path)):
		return fmt.Errorf("fallback: path %q is no path", c.Path)
	case c.Status != 0 && (c.Status < 200 || c.Status > 599):
		return fmt.Errorf("fallback: status is %d: want 200 to 599", c.Status)
	case len(c.Body) > maxFallbackBody:
		return fmt.Errorf("fallback: body has %d bytes: at most %d", len(c.Body), maxFallbackBody)
	case !http1.IsFieldValue(c.ContentType):
		return fmt.Errorf("fallback: contentType has a control byte")
	}
	if _, err := filter.ParseTemplate(c.Path); err != nil {
		return fmt.Errorf("fallback: path: %w", err)
	}
	return nil
}

const (
	defaultCircuitWindow = 100
	maxFallbackBody      = 64 << 10
)

func circuitBreakerKind() filter.Kind {
	return filter.Define("circuit-breaker", func(c CircuitBreaker, env filter.Env) (filter.Filter, error) {
		setDefault(&c.Failures, 50)
		setDefault(&c.SlowRate, 100)
		setDefault(&c.Window, defaultCircuitWindow)
		setDefault(&c.Minimum, min(20, c.Window))
		setDefault(&c.Open, Duration(30*time.Second))
		setDefault(&c.Trials, 10)
		f := &circuitBreaker{CircuitBreaker: c, clock: env.Clock}
		var err error
		if c.Fallback != nil {
			if f.path, err = filter.ParseTemplate(c.Fallback.Path); err != nil {
				return nil, err
			}
		}
		kind := fmt.Sprintf("circuit-breaker %d %v %d %d %d %v %d", c.Failures, c.Slow, c.SlowRate, c.Window, c.Minimum, c.Open, c.Trials)
		owner := sharedKey(env, fmt.Sprintf("%s %v", kind, c.Statuses), Key{}, c.Scope, 0)
		if c.Name != "" { // which answers are failures is for each of the filters
			owner = fmt.Sprintf("%s named %q", kind, c.Name)
		}
		f.circuit, err = filter.Use(env, owner, func() (*circuit, error) {
			return &circuit{failures: c.Failures, slowRate: c.SlowRate, window: c.Window, minimum: c.Minimum, open: time.Duration(c.Open), trials: c.Trials, ring: make([]outcome, max(c.Window, c.Trials))}, nil
		})
		return f, err
	})
}

// outcome is what became of a request.
type outcome uint8

const (
	outcomeFailed outcome = 1 << iota
	outcomeSlow
)

// circuit is the state of a breaker. It is shared by the filters of a route, or of an object, in all generations.
type circuit struct {
	failures, slowRate, window, minimum, trials int
	open                                        time.Duration

	mu           sync.Mutex
	ring         []outcome // of the last requests, or of the trials
	at, n        int
	failed, slow int
	until        time.Time // when it is open: until then
	trying       bool      // it is half open
	running      int       // trials that were sent and have not ended
	generation   uint64    // outcomes of requests that were sent before it opened or closed are not counted after
}

// Close is for filter.Shared: there is nothing to end.
func (c *circuit) Close() error { return nil }

// enter tells whether a request may be sent, and in which generation; otherwise how long none may.
func (c *circuit) enter(now time.Time) (generation uint64, wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.until.IsZero():
		return c.generation, 0, true
	case now.Before(c.until):
		return 0, c.until.Sub(now), false
	case !c.trying:
		c.begin(true)
	}
	if c.running+c.n >= c.trials {
		return 0, time.Second, false
	}
	c.running++
	return c.generation, 0, true
}

// begin empties the window.
func (c *circuit) begin(trying bool) {
	c.at, c.n, c.failed, c.slow, c.running, c.trying = 0, 0, 0, 0, 0, trying
	clear(c.ring)
	c.generation++
}

// leave ends a request that nothing is known of.
func (c *circuit) leave(generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation == c.generation && c.trying {
		c.running--
	}
}

// count notes what became of a request, and decides.
func (c *circuit) count(generation uint64, o outcome, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	size := c.window
	if c.trying {
		c.running--
		size = c.trials
	}
	if c.n == size {
		c.forget(c.ring[c.at])
	} else {
		c.n++
	}
	c.ring[c.at] = o
	c.at = (c.at + 1) % size
	if o&outcomeFailed != 0 {
		c.failed++
	}
	if o&outcomeSlow != 0 {
		c.slow++
	}
	least := c.minimum
	if c.trying {
		least = size
	}
	switch bad := c.failed*100 >= c.failures*c.n || c.slow*100 >= c.slowRate*c.n; {
	case c.n < least:
	case bad:
		c.begin(false)
		c.until = now.Add(c.open)
	case c.trying:
		c.begin(false)
		c.until = time.Time{}
	}
}

func (c *circuit) forget(o outcome) {
	if o&outcomeFailed != 0 {
		c.failed--
	}
	if o&outcomeSlow != 0 {
		c.slow--
	}
}

type circuitBreaker struct {
	CircuitBreaker
	circuit *circuit
	clock   filter.Clock
	path    filter.Template // of the fallback
	tries   sync.Pool       // of *circuitTry
}

// circuitTry is one request that was sent.
type circuitTry struct {
	filter     *circuitBreaker
	began      time.Time
	came       atomic.Int64 // so long after that the last of the request's body came: until then the wait is for the client
	generation uint64
	judged     bool
}

var (
	_ filter.Judge  = (*circuitTry)(nil)
	_ filter.Holder = (*circuitTry)(nil)
	_ filter.Tap    = (*circuitBody)(nil)
)

// circuitBody is a try as it sees the request's body.
type circuitBody circuitTry

// Part notes that something of the body has come.
func (t *circuitBody) Part([]byte) { t.came.Store(int64(t.filter.clock.Now().Sub(t.began))) }

// Complete notes that its end has.
func (t *circuitBody) Complete() { t.Part(nil) }

// Release has nothing to give back.
func (t *circuitBody) Release() {}

func (f *circuitBreaker) Request(x *filter.Exchange) filter.Verdict {
	now := f.clock.Now()
	generation, wait, ok := f.circuit.enter(now)
	if !ok {
		if f.Fallback != nil {
			return f.fallback(x, filter.Failure{Status: 503, Code: CodeCircuitOpen})
		}
		x.Respond(503, CodeCircuitOpen, "This cannot be served at the moment.\n")
		x.Response.Fields.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return filter.Respond
	}
	t, ok := f.tries.Get().(*circuitTry)
	if !ok {
		t = &circuitTry{}
	}
	*t = circuitTry{filter: f, began: now, generation: generation}
	x.JudgedBy(t)
	x.Hold(t, 0)
	if f.Slow > 0 && x.Request.Body != http1.NoBody && x.RequestBody == nil {
		x.Tap((*circuitBody)(t))
	}
	return filter.Continue
}

// fallback answers in place of the upstream.
func (f *circuitBreaker) fallback(x *filter.Exchange, why filter.Failure) filter.Verdict {
	b := f.Fallback
	if b.Path != "" {
		x.Failure = why
		return x.Reroute(f.path.Expand(x, &x.Request.Mem), b.Credentials)
	}
	status := b.Status
	setDefault(&status, 503)
	code := why.Code
	setDefault(&code, CodeUpstreamStatus)
	x.Respond(status, code, b.Body)
	if b.ContentType != "" {
		x.Response.Fields.Set("Content-Type", b.ContentType)
	}
	return filter.Respond
}

// Judge counts what became of the request. One that the gateway has refused for what its client sent tells nothing of the upstream.
func (t *circuitTry) Judge(x *filter.Exchange, status int, code model.Code) filter.Verdict {
	if code != "" && status < 500 {
		return filter.Continue
	}
	f := t.filter
	failed := status >= 500
	if code == "" && len(f.Statuses) > 0 {
		failed = f.Statuses.Contains(status)
	}
	now := f.clock.Now()
	var o outcome
	if failed {
		o |= outcomeFailed
	}
	if f.Slow > 0 && now.Sub(t.began)-time.Duration(t.came.Load()) > time.Duration(f.Slow) {
		o |= outcomeSlow
	}
	t.judged = true
	f.circuit.count(t.generation, o, now)
	if failed && f.Fallback != nil && !f.Fallback.OpenOnly {
		return f.fallback(x, filter.Failure{Status: status, Code: code})
	}
	return filter.Continue
}

// Release ends a request. One whose client has left tells nothing of the upstream.
func (t *circuitTry) Release(*filter.Exchange, uint64) {
	f := t.filter
	if !t.judged {
		f.circuit.leave(t.generation)
	}
	*t = circuitTry{}
	f.tries.Put(t)
}
