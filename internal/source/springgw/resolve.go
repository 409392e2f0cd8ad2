package springgw

import (
	"context"
	"maps"
	"time"

	"paifang/internal/lookup"
)

// resolve asks for the addresses of hosts, all within a time.
func resolve(ctx context.Context, r lookup.Resolver, hosts map[string]target, within time.Duration) map[string]known {
	names := make(map[string]string, len(hosts))
	for place, t := range hosts {
		names[place] = t.host
	}
	out := make(map[string]known, len(hosts))
	for place, a := range lookup.All(ctx, r, names, within) {
		out[place] = known{a.Addrs, a.Err}
	}
	return out
}

// missing are the hosts that were never asked for.
func (r *run) missing() map[string]target {
	return r.choose(func(_ known, asked bool) bool { return !asked })
}

// failed are the hosts that had no answer the last time.
func (r *run) failed() map[string]target {
	return r.choose(func(k known, asked bool) bool { return !asked || k.err != nil })
}

func (r *run) choose(want func(known, bool) bool) map[string]target {
	out := map[string]target{}
	for place, t := range r.hosts {
		if k, asked := r.resolved[place]; want(k, asked) {
			out[place] = t
		}
	}
	return out
}

// ask starts to resolve hosts, unless answers are under way; those that are left out are found by missing, or at the next tick.
func (r *run) ask(ctx context.Context, hosts map[string]target) {
	if len(hosts) == 0 || r.asking != nil {
		return
	}
	hosts = maps.Clone(hosts)
	answers := make(chan map[string]known, 1)
	r.asking = answers
	resolver := r.c.Resolver
	go func() { answers <- resolve(ctx, resolver, hosts, lookup.Time(len(hosts))) }()
}

// learn takes answers in. A failure leaves the last good addresses.
func (r *run) learn(answers map[string]known) {
	for place, k := range answers {
		if k.err != nil {
			k.addrs = r.resolved[place].addrs
		}
		r.resolved[place] = k
	}
	maps.DeleteFunc(r.resolved, func(place string, _ known) bool { _, used := r.hosts[place]; return !used })
}
