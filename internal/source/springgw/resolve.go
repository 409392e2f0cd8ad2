package springgw

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// resolveTime bounds one question for a host name.
const resolveTime = 3 * time.Second

// resolvers is how many names are asked for at once.
const resolvers = 8

// resolve asks for the addresses of hosts, all within a time.
func resolve(ctx context.Context, r Resolver, hosts map[string]target, within time.Duration) map[string]known {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out := make(map[string]known, len(hosts))
	var mu sync.Mutex
	var wg sync.WaitGroup
	tokens := make(chan struct{}, resolvers)
	for place, t := range hosts {
		tokens <- struct{}{}
		wg.Go(func() {
			defer func() { <-tokens }()
			addrs, err := addresses(ctx, r, t.host)
			mu.Lock()
			defer mu.Unlock()
			out[place] = known{addrs, err}
		})
	}
	wg.Wait()
	return out
}

// addresses are those of IPv4 where there are any, as in the HTTP client of Spring Cloud Gateway (Netty prefers IPv4).
func addresses(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	all, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var v4, v6 []netip.Addr
	for _, a := range all {
		if a = a.Unmap(); a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	if len(v4) == 0 {
		v4 = v6
	}
	if len(v4) == 0 {
		return nil, errors.New("it has no address")
	}
	slices.SortFunc(v4, netip.Addr.Compare)
	return slices.Compact(v4), nil
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
	rounds := (len(hosts) + resolvers - 1) / resolvers
	go func() { answers <- resolve(ctx, resolver, hosts, time.Duration(rounds)*resolveTime) }()
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
