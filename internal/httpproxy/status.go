package httpproxy

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/certs"
	"paifang/internal/model"
)

// BindError is an address that could not be bound.
type BindError struct {
	Addr netip.AddrPort
	Err  error
}

// ListenerState is how a listener stands.
type ListenerState struct {
	ID       model.ListenerID
	Bound    []netip.AddrPort // as bound: a port is never 0
	Failed   []BindError
	Open     int    // connections
	Draining bool   // it is in no snapshot any more
	Cut      uint64 // connections that were ended because the drain was over
}

// Listeners returns how every listener stands, by ID; those that drain come after those that serve.
func (p *Plane) Listeners() []ListenerState {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []ListenerState
	for id, s := range p.servers {
		st := ListenerState{ID: id, Failed: s.failed}
		for _, port := range s.ports {
			st.add(port)
		}
		out = append(out, st)
	}
	for port := range p.draining {
		st := ListenerState{Draining: true}
		if site := port.site.Load(); site != nil {
			st.ID = site.listener.ID
		}
		st.add(port)
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b ListenerState) int {
		if a.Draining != b.Draining {
			if a.Draining {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return out
}

func (st *ListenerState) add(p *port) {
	st.Bound = append(st.Bound, p.addr())
	st.Open += p.open()
	st.Cut += p.cuts.Load()
}

// Version is that of the snapshot that is served.
func (p *Plane) Version() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version
}

// Failures are the certificates of the snapshot that cannot be served, by class and ID.
func (p *Plane) Failures() []certs.Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []certs.Failure
	for _, class := range slices.Sorted(maps.Keys(p.failures)) {
		out = append(out, p.failures[class]...)
	}
	return out
}

// RevocationLists are the ends of the lists of revoked client certificates that are in force, by policy and issuer, each once.
func (p *Plane) RevocationLists(now time.Time) []certs.ListEnd {
	p.mu.Lock()
	stores := maps.Clone(p.stores)
	p.mu.Unlock()
	var out []certs.ListEnd
	for _, store := range stores {
		out = append(out, store.ListEnds(now)...)
	}
	compare := func(a, b certs.ListEnd) int { // a policy may be of several classes
		return cmp.Or(strings.Compare(string(a.Policy), string(b.Policy)), strings.Compare(a.Issuer, b.Issuer))
	}
	slices.SortFunc(out, compare)
	return slices.CompactFunc(out, func(a, b certs.ListEnd) bool { return compare(a, b) == 0 })
}

// Staples are the certificates that have an OCSP response, should have one, or need one, by ID, each once.
func (p *Plane) Staples(now time.Time) []certs.Staple {
	p.mu.Lock()
	stores, stapling := maps.Clone(p.stores), p.staples
	p.mu.Unlock()
	var out []certs.Staple
	for class, store := range stores {
		out = append(out, store.Staples(stapling[class], now)...)
	}
	compare := func(a, b certs.Staple) int { return strings.Compare(string(a.Certificate), string(b.Certificate)) }
	slices.SortStableFunc(out, compare)
	return slices.CompactFunc(out, func(a, b certs.Staple) bool { return compare(a, b) == 0 }) // it may be of several classes
}

// StapleCounts are how often OCSP responders were asked.
func (p *Plane) StapleCounts() certs.StapleCounts { return p.stapler.Counts() }

// Bound is the number of routes that are bound, those of older generations that are still in use excepted.
func (p *Plane) Bound() int {
	p.binder.mu.Lock()
	defer p.binder.mu.Unlock()
	return len(p.binder.routes)
}

// BindFailure is a route that answers 503 because its filters could not be built.
type BindFailure struct {
	Origin model.Origin
	Err    error
}

// Unbound returns the routes that could not be bound, in no order.
func (p *Plane) Unbound() []BindFailure {
	p.binder.mu.Lock()
	defer p.binder.mu.Unlock()
	var out []BindFailure
	for r, err := range p.binder.failed {
		out = append(out, BindFailure{r.Origin, err})
	}
	return out
}
