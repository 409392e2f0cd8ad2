package builtin

import (
	"fmt"
	"regexp"

	"paifang/internal/filter"
)

// ConcurrencyLimit configures "concurrency-limit": how many requests each key may have at the same time, each until its answer is
// sent, or its upgraded connection ends. Each process counts for itself.
type ConcurrencyLimit struct {
	Requests int      `json:"requests"`         // 1 or more
	Key      Key      `json:"key,omitzero"`     // who is counted
	Exempt   []string `json:"exempt,omitempty"` // addresses and ranges of clients that are not
	Status   int      `json:"status,omitempty"` // of the refusal, 400 to 599; default 429
	Scope    string   `json:"scope,omitempty"`  // route (the default), or object: all routes of the object that they come from count together
	Keys     int      `json:"keys,omitempty"`   // that may have requests at the same time; requests of more are refused; default 65,536, at most 1,048,576
	LimitPart
}

// Validate refuses what lets nothing pass.
func (c ConcurrencyLimit) Validate() error {
	if c.Requests < 1 || c.Requests > 1<<30 {
		return fmt.Errorf("requests is %d: want 1 or more", c.Requests)
	}
	return validateLimit(c.Key, c.Exempt, c.Status, c.Scope, c.Keys, c.LimitPart)
}

// running counts the requests of each key. Those of a key that has any are pinned.
type running struct {
	*keyed[int32]
	keyer
}

var _ filter.Holder = (*running)(nil)

// Release ends a request.
func (r *running) Release(_ *filter.Exchange, token uint64) {
	s, at := &r.shards[token>>32], int32(token)
	s.Lock()
	if s.entries[at].value--; s.entries[at].value == 0 {
		s.unpin(at)
	}
	s.Unlock()
}

func concurrencyLimitKind() filter.Kind {
	return filter.Define("concurrency-limit", func(c ConcurrencyLimit, env filter.Env) (filter.Filter, error) {
		f := &concurrencyLimit{most: int32(c.Requests), status: c.Status}
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
		f.running, err = filter.Use(env, c.sharedKey(env, fmt.Sprintf("concurrency-limit %d", c.Requests), c.Key, c.Scope, c.Keys), func() (*running, error) {
			return &running{newKeyed[int32](keysOr(c.Keys)), newKeyer(c.Key)}, nil
		})
		return f, err
	})
}

type concurrencyLimit struct {
	running *running
	most    int32
	status  int
	exempt  ranges
	paths   []*regexp.Regexp // none = all
}

func (f *concurrencyLimit) Request(x *filter.Exchange) filter.Verdict {
	if f.exempt.has(x.Client) || len(f.paths) > 0 && !anyWhole(f.paths, x.Request.Path) {
		return filter.Continue
	}
	if v, over := f.running.without(x); over {
		return v
	}
	if id, ok := f.running.of(x); ok {
		s, shard := f.running.lock(id)
		at, _ := s.take(id)
		passes := at != noEntry && s.entries[at].value < f.most
		if passes {
			s.entries[at].value++
			s.pin(at)
		}
		s.Unlock()
		if passes {
			x.Hold(f.running, uint64(shard)<<32|uint64(at))
			return filter.Continue
		}
	}
	return x.Respond(f.status, CodeConcurrency, tooMany)
}
