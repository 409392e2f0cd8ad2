package builtin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/inward"
	"paifang/internal/model"
	"paifang/internal/quota"
)

// CodeLimitAway is why a request is refused whose limit nobody can look up: 503, where the limit says so.
const CodeLimitAway model.Code = "rate-limit-unavailable"

// RedisLimit has several processes count together, in Redis 5 or newer. Its password, and its user if there is one, are in the Secret
// that the filter names: keys password and username.
type RedisLimit struct {
	Addresses []string `json:"addresses"`           // host:port, at most 64; of a cluster several
	Cluster   bool     `json:"cluster,omitempty"`   // they are of a cluster
	TLS       bool     `json:"tls,omitempty"`       // certificates are verified
	Database  int      `json:"database,omitempty"`  // default 0
	Prefix    string   `json:"prefix,omitempty"`    // of the keys in Redis; default paifang:limit:
	Timeout   Duration `json:"timeout,omitempty"`   // of a question, and of a request that waits for one; default 100ms, at most 5s
	Outside   bool     `json:"outside,omitempty"`   // it is not on this machine; link-local addresses are never asked
	OnFailure string   `json:"onFailure,omitempty"` // local (the default): while Redis is away each process counts for itself; refuse: 503
}

const (
	defaultRedisTimeout = 100 * time.Millisecond
	maxRedisTimeout     = 5 * time.Second
	maxRedisAddresses   = 64
)

func (c *RedisLimit) validate() error {
	switch {
	case len(c.Addresses) == 0 || len(c.Addresses) > maxRedisAddresses:
		return fmt.Errorf("redis: addresses are %d: want 1 to %d", len(c.Addresses), maxRedisAddresses)
	case len(c.Addresses) > 1 && !c.Cluster:
		return fmt.Errorf("redis: several addresses are given, and cluster is not")
	case c.Database < 0 || c.Database > 0 && c.Cluster:
		return fmt.Errorf("redis: database is %d: want 0 or more, and 0 in a cluster", c.Database)
	case c.Timeout < 0 || time.Duration(c.Timeout) > maxRedisTimeout:
		return fmt.Errorf("redis: timeout is %v: want up to %v", c.Timeout, maxRedisTimeout)
	case len(c.Prefix) > 256 || !http1.IsFieldValue(c.Prefix):
		return fmt.Errorf("redis: prefix is longer than 256 bytes, or has a control byte")
	case c.OnFailure != "" && c.OnFailure != "local" && c.OnFailure != "refuse":
		return fmt.Errorf("redis: onFailure %q is neither local nor refuse", c.OnFailure)
	}
	for i, a := range c.Addresses {
		if _, port, err := net.SplitHostPort(a); err != nil || port == "" {
			return fmt.Errorf("redis: addresses[%d]: %q is no host with a port", i, a)
		}
	}
	return nil
}

// ValidateSecret implements filter.SecretUser: a Secret that is named is of use.
func (c RateLimit) ValidateSecret(d model.SecretData) error {
	if c.Redis == nil || d.Empty() {
		return nil
	}
	_, user := d.Get("username")
	if _, password := d.Get("password"); !user && !password {
		return errors.New(`has neither a key "password" nor "username" for redis`)
	}
	return nil
}

// How requests are lent.
const (
	lentFor  = 20 * time.Millisecond // so many are lent at a time as come in this
	maxLent  = 1000
	lentLife = time.Second // what was not used then is not used any more
)

// loans are what this process was lent, by key. They are shared by the filters of a route, or of an object, in all generations.
type loans struct {
	*keyed[loan]
	prefix    string // of the keys in Redis
	owner     string // of what is counted, the same in all processes
	store     *quota.Store
	asked     *filter.Dependency // that store
	meanwhile string             // what happens while it is away
	rate      quota.Rate
	lot       int           // how many are lent at a time
	pause     time.Duration // after less than that was lent: until it is asked again
	clock     filter.Clock
	opened    time.Time
}

// loan is that of one key. Times are since the table was opened.
type loan struct {
	left    int
	room    int // in the budget when it was lent, beside that
	lent    time.Duration
	refused time.Duration // until then nobody asks
	asking  *asking       // the loan is pinned meanwhile
}

// asking is a question that runs. All who need its answer wait for it.
type asking struct {
	done chan struct{}
	err  error // read when done is closed
}

// openLoans builds what a filter needs to count with others.
func (c RateLimit) openLoans(env filter.Env, per time.Duration) (*loans, error) {
	r := c.Redis
	user, _ := env.Secret.Get("username")
	password, _ := env.Secret.Get("password")
	cfg := quota.Config{Addresses: slices.Clone(r.Addresses), Cluster: r.Cluster, TLS: r.TLS, Database: r.Database, Timeout: r.timeout(), Username: user.Reveal(), Password: password.Reveal()}
	dialer := inward.Dialer(!r.Outside, maxAuthTimeout)
	cfg.Dial = dialer.DialContext
	sum := sha256.Sum256([]byte(cfg.Username + "\x00" + cfg.Password))
	where := fmt.Sprintf("redis %q %v %v %v %d %v %x", cfg.Addresses, r.Outside, cfg.Cluster, cfg.TLS, cfg.Database, cfg.Timeout, sum[:8])
	store, err := filter.Use(env, where, func() (*quota.Store, error) { return quota.Open(cfg), nil })
	if err != nil {
		return nil, err
	}
	meanwhile := "each process counts for itself, so that the limit holds for each of them (onFailure: local)"
	if r.OnFailure == "refuse" {
		meanwhile = "requests are answered 503 (onFailure: refuse)"
	}
	asked, err := filter.Depend(env, filter.Ask{Kind: "rate-limit", Address: strings.Join(r.Addresses, ","), As: where + meanwhile, Settles: settles})
	if err != nil {
		return nil, err
	}
	owner := c.sharedKey(env, c.kind(per), c.Key, c.Scope, 0)
	prefix := r.Prefix
	setDefault(&prefix, "paifang:limit:")
	return filter.Use(env, fmt.Sprintf("loans %s %d %q %s of %s", owner, c.Keys, prefix, meanwhile, where), func() (*loans, error) {
		l := &loans{keyed: newKeyed[loan](keysOr(c.Keys)), prefix: prefix, owner: owner, store: store, asked: asked, meanwhile: meanwhile, clock: env.Clock, opened: env.Clock.Now()}
		cost := max(c.Cost, 1)
		l.rate = quota.Rate{Every: max(per*time.Duration(cost)/time.Duration(c.Requests), 1), Depth: (c.Burst + 1) / cost}
		l.lot = min(max(int(lentFor/l.rate.Every), 1), maxLent)
		if l.lot > 1 {
			l.rate.Depth = max(l.rate.Depth, 5*l.lot) // what comes while nobody asks, or a question takes its time, is not lost
			l.pause = time.Duration(l.lot) * l.rate.Every / 2
		}
		return l, nil
	})
}

func (c *RedisLimit) timeout() time.Duration {
	d := time.Duration(c.Timeout)
	setDefault(&d, defaultRedisTimeout)
	return d
}

// attempts bounds how often a request waits for a loan that others use up before it.
const attempts = 3

// together decides about a request by what was lent to this process.
func (f *rateLimit) together(x *filter.Exchange, id key) filter.Verdict {
	l := f.loans
	for range attempts {
		now := l.clock.Now().Sub(l.opened)
		s, _ := l.lock(id)
		at, _ := s.take(id)
		if at == noEntry {
			s.Unlock()
			return f.alone(x, id)
		}
		e := &s.entries[at].value
		if now-e.lent > lentLife {
			e.left = 0
		}
		passes, refused, q := e.left > 0, e.refused-now, e.asking
		left := e.left - 1 + e.room
		if passes {
			e.left--
		}
		asks := q == nil && refused <= 0 && (!passes || 2*e.left < l.lot)
		if asks {
			q = &asking{done: make(chan struct{})}
			e.asking = q
			s.pin(at)
		}
		s.Unlock()
		if asks {
			l.store.Ask(l.nameOf(f.buckets.text(x)), l.rate, l.lot, func(got quota.Loan) { l.told(id, q, got) })
		}
		switch {
		case passes:
			f.passed(x, left)
			return filter.Continue
		case q == nil:
			return f.refuse(x, refused)
		}
		known, over := f.awaits(x, q)
		if over {
			return filter.Respond
		}
		if !known || q.err != nil {
			return f.alone(x, id)
		}
	}
	return f.refuse(x, l.rate.Every)
}

// passed tells how much of the limit is left, as far as this process knows.
func (f *rateLimit) passed(x *filter.Exchange, left int) {
	room := min(float64(left), f.burst)
	f.told.pass(x, room, (f.burst-room)/f.rate)
}

// awaits waits for the answer to a question. over: the request is, and was answered.
func (f *rateLimit) awaits(x *filter.Exchange, q *asking) (known, over bool) {
	select {
	case <-q.done:
		return true, false
	default:
	}
	over = !x.Wait(2*f.timeout, func(ctx context.Context) { // a question may run before this one
		select {
		case <-q.done:
			known = true
		case <-ctx.Done():
		}
	})
	return known, over
}

// told notes the answer to a question.
func (l *loans) told(id key, q *asking, got quota.Loan) {
	if got.Err == nil {
		l.asked.Answered()
	} else {
		l.asked.Failed(got.Err, l.meanwhile)
	}
	now := l.clock.Now().Sub(l.opened)
	s, _ := l.lock(id)
	if at, ok := s.index[id]; ok && s.entries[at].value.asking == q {
		e := &s.entries[at].value
		e.asking = nil
		s.unpin(at)
		switch {
		case got.Err != nil:
		case got.Requests > 0:
			e.left, e.lent, e.room = e.left+got.Requests, now, got.Left
			if got.Requests < l.lot {
				e.refused = now + l.pause
			}
		default:
			e.refused = now + max(got.Wait, l.pause)
		}
	}
	s.Unlock()
	q.err = got.Err
	close(q.done)
}

// nameOf is the key in Redis of whom a request counts for: a digest, since what a client says may be long and is nobody else's.
func (l *loans) nameOf(text string) string {
	sum := sha256.Sum256([]byte(quota.Key(l.owner, text)))
	return l.prefix + hex.EncodeToString(sum[:16])
}

// alone decides where nobody can be asked.
func (f *rateLimit) alone(x *filter.Exchange, id key) filter.Verdict {
	if f.refuses {
		return x.Respond(503, CodeLimitAway, "It could not be decided whether this may be served.\n")
	}
	return f.local(x, id)
}
