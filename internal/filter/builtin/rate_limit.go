package builtin

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// Codes of answers to requests that are over a limit.
const (
	CodeRateLimit   model.Code = "rate-limit"        // 429: more requests than the key may make in this time
	CodeConcurrency model.Code = "concurrency-limit" // 429: more requests at the same time than the key may have
	CodeNoKey       model.Code = "no-limit-key"      // 403: the request does not say what it is counted by
)

// RateLimit configures "rate-limit": how many requests each key may make in a time. It is a leaky bucket: requests drain from
// it evenly, and a request that would make it hold more than Burst above its rate is refused at once. Each process counts for
// itself, unless Redis is given.
type RateLimit struct {
	Requests int      `json:"requests"`         // 1 or more
	Per      Duration `json:"per,omitempty"`    // default 1s
	Cost     int      `json:"cost,omitempty"`   // what each request counts for; default 1, at most burst and one
	Burst    int      `json:"burst,omitempty"`  // requests above the rate that pass at once; default 0
	Key      Key      `json:"key,omitzero"`     // who is counted
	Exempt   []string `json:"exempt,omitempty"` // addresses and ranges of clients that are not
	Status   int      `json:"status,omitempty"` // of the refusal, 400 to 599; default 429
	Scope    string   `json:"scope,omitempty"`  // route (the default), or object: all routes of the object that they come from count together
	Keys     int      `json:"keys,omitempty"`   // that are remembered, of which the one unused for the longest time goes; default 65,536, at most 1,048,576
	Tell     string   `json:"tell,omitempty"`   // which answers say how much is left: refusals (the default), all, spring, all under the names of Spring Cloud Gateway, or remaining, all as its Bucket4j does

	Names LimitNames  `json:"names,omitzero"`  // of the headers that tell spring and remaining, where they are others than Spring's
	Redis *RedisLimit `json:"redis,omitempty"` // where several processes count together
	LimitPart
}

// What a limit may remember.
const (
	defaultKeys = 1 << 16
	maxKeys     = 1 << 20
)

// Validate refuses what lets nothing or everything pass.
func (c RateLimit) Validate() error {
	switch {
	case c.Requests < 1:
		return fmt.Errorf("requests is %d: want 1 or more", c.Requests)
	case c.Per < 0 || time.Duration(c.Per) > 24*time.Hour:
		return fmt.Errorf("per is %v: want up to 24h", time.Duration(c.Per))
	case c.Burst < 0:
		return fmt.Errorf("burst is negative")
	case c.Cost < 0 || c.Cost > c.Burst+1:
		return fmt.Errorf("cost is %d, of a burst of %d: nothing would ever pass", c.Cost, c.Burst)
	case c.Tell != "" && c.Tell != tellRefusals && c.Tell != tellAll && c.Tell != tellSpring && c.Tell != tellRest:
		return fmt.Errorf("tell %q is none of refusals, all, spring, remaining", c.Tell)
	}
	if err := c.Names.validate(c.Tell); err != nil {
		return err
	}
	if c.Redis != nil {
		if err := c.Redis.validate(); err != nil {
			return err
		}
	}
	return validateLimit(c.Key, c.Exempt, c.Status, c.Scope, c.Keys, c.LimitPart)
}

func validateLimit(k Key, exempt []string, status int, scope string, keys int, part LimitPart) error {
	switch {
	case status != 0 && (status < 400 || status > 599):
		return fmt.Errorf("status is %d: want 400 to 599", status)
	case scope != "" && scope != "route" && scope != "object":
		return fmt.Errorf("scope %q is neither route nor object", scope)
	case keys < 0 || keys > maxKeys:
		return fmt.Errorf("keys is %d: want 1 to %d", keys, maxKeys)
	}
	if _, err := parseRanges("exempt", exempt); err != nil {
		return err
	}
	if err := part.validate(scope); err != nil {
		return err
	}
	return k.validate()
}

// bucket is what one key has in it, in requests, as of a time since the table was opened.
type bucket struct {
	filled float64
	at     time.Duration
}

// buckets are shared by the filters of a route, or of an object, in all generations.
type buckets struct {
	*keyed[bucket]
	keyer
	opened time.Time
}

func rateLimitKind() filter.Kind {
	return filter.Define("rate-limit", func(c RateLimit, env filter.Env) (filter.Filter, error) {
		per := time.Duration(c.Per)
		if per == 0 {
			per = time.Second
		}
		cost := max(c.Cost, 1)
		each := float64(cost)
		f := &rateLimit{rate: float64(c.Requests) / per.Seconds() / each, burst: float64(c.Burst+1)/each - 1, status: c.Status, clock: env.Clock}
		if f.status == 0 {
			f.status = 429
		}
		var err error
		if f.exempt, err = parseRanges("exempt", c.Exempt); err != nil {
			return nil, err
		}
		if f.paths, err = wholes("paths", c.Paths); err != nil {
			return nil, err
		}
		if c.Redis != nil {
			f.timeout, f.refuses = c.Redis.timeout(), c.Redis.OnFailure == "refuse"
			if f.loans, err = c.openLoans(env, per); err != nil {
				return nil, err
			}
		}
		f.told = limitTeller{how: c.Tell, limit: strconv.Itoa(c.Requests), burst: strconv.Itoa(c.Burst + 1), cost: strconv.Itoa(cost), requests: c.Requests, each: cost, names: c.Names.orSpring()}
		f.buckets, err = filter.Use(env, c.sharedKey(env, c.kind(per), c.Key, c.Scope, c.Keys), func() (*buckets, error) {
			return &buckets{newKeyed[bucket](keysOr(c.Keys)), newKeyer(c.Key), env.Clock.Now()}, nil
		})
		return f, err
	})
}

// kind tells the counts of a limit from those of all others of the same owner.
func (c RateLimit) kind(per time.Duration) string {
	return fmt.Sprintf("rate-limit %d %v %d %d", c.Requests, per, c.Burst, c.Cost)
}

func keysOr(n int) int {
	if n == 0 {
		return defaultKeys
	}
	return n
}

// sharedKey tells the state of a limit from that of all others, and is the same in the next generation.
func sharedKey(env filter.Env, kind string, k Key, scope string, keys int) string {
	owner := "route " + string(env.Route)
	if scope == "object" {
		owner = "object " + env.Object
	}
	return fmt.Sprintf("%s %+v %d of %s", kind, k, keys, owner)
}

type rateLimit struct {
	buckets     *buckets
	rate, burst float64
	status      int
	told        limitTeller
	exempt      ranges
	paths       []*regexp.Regexp // none = all
	clock       filter.Clock

	loans   *loans        // nil: this process counts for itself
	timeout time.Duration // of a question
	refuses bool          // where nobody can be asked
}

func (f *rateLimit) Request(x *filter.Exchange) filter.Verdict {
	if f.exempt.has(x.Client) || len(f.paths) > 0 && !anyWhole(f.paths, x.Request.Path) {
		return filter.Continue
	}
	if v, over := f.buckets.without(x); over {
		return v
	}
	id, ok := f.buckets.of(x)
	if !ok {
		return x.Respond(f.status, CodeRateLimit, tooMany)
	}
	if f.loans != nil {
		return f.together(x, id)
	}
	return f.local(x, id)
}

// local decides by what this process has counted.
func (f *rateLimit) local(x *filter.Exchange, id key) filter.Verdict {
	now := f.clock.Now().Sub(f.buckets.opened)
	s, _ := f.buckets.lock(id)
	at, fresh := s.take(id)
	b := &s.entries[at].value
	filled := 0.0
	if !fresh {
		filled = max(b.filled-f.rate*max(now-b.at, 0).Seconds()+1, 0)
	}
	passes := filled <= f.burst+tolerance
	if passes {
		b.filled, b.at = filled, max(now, b.at)
	}
	s.Unlock()
	if passes {
		f.told.pass(x, f.burst-filled, filled/f.rate)
		return filter.Continue
	}
	return f.refuse(x, time.Duration((filled-f.burst)/f.rate*float64(time.Second)))
}

// refuse answers a request that is over the limit, and says when one is not.
func (f *rateLimit) refuse(x *filter.Exchange, wait time.Duration) filter.Verdict {
	x.Respond(f.status, CodeRateLimit, tooMany)
	seconds := strconv.Itoa(int(min(max(math.Ceil(wait.Seconds()), 1), 86400)))
	x.Response.Fields.Set("Retry-After", seconds)
	f.told.refuse(x, seconds)
	return filter.Respond
}

// tolerance is what sums of fractions may be off.
const tolerance = 1e-6

const tooMany = "Too many requests.\n"
