// Package lookup finds the addresses of host names, many at once and within a time.
package lookup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Resolver finds the addresses of a host name. net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

var _ Resolver = (*net.Resolver)(nil)

// Answer is what came of one name.
type Answer struct {
	Addrs []netip.Addr // sorted; nil where there is an error
	Err   error
}

// once bounds one question for a host name.
const once = 3 * time.Second

// atOnce is how many names are asked for at a time.
const atOnce = 8

// Time is how long asking for n names may take.
func Time(n int) time.Duration { return time.Duration((n+atOnce-1)/atOnce) * once }

// All asks for the addresses of hosts, all within a time. Hosts and answers go by the same keys.
func All(ctx context.Context, r Resolver, hosts map[string]string, within time.Duration) map[string]Answer {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out := make(map[string]Answer, len(hosts))
	var mu sync.Mutex
	var wg sync.WaitGroup
	tokens := make(chan struct{}, atOnce)
	for key, host := range hosts {
		tokens <- struct{}{}
		wg.Go(func() {
			defer func() { <-tokens }()
			addrs, err := addresses(ctx, r, host)
			mu.Lock()
			defer mu.Unlock()
			out[key] = Answer{addrs, err}
		})
	}
	wg.Wait()
	return out
}

// addresses are those of IPv4 where there are any, as in the HTTP client of Spring Cloud Gateway (Netty prefers IPv4).
func addresses(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, once)
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
