package builtin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"paifang/internal/filter"
)

// flight is a request for what is not kept while it is on its way, for which others that ask for the same wait.
type flight struct {
	id     key
	landed chan struct{}
}

// looseFor is for how long requests do not wait for each other whose answer was not kept: it hardly will be the next time.
const looseFor = 10 * time.Second

// depart returns the flight of a request for what is not kept, or that of another one to wait for; neither where answers are not kept
// lately. Requests are for the same if they say the same in the fields by which answers are known to differ.
func (s *answerStore) depart(subject string, value func(name string) string, now time.Time) (own, other *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	vary := []string{"cookie"}
	if about := s.use(s.keyer.digest(subjectKey, subject)); about != nil {
		vary = about.vary
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%q", subject)
	for _, name := range vary {
		fmt.Fprintf(&b, " %s %q", name, value(name))
	}
	id := s.keyer.digest(flightKey, b.String())
	if it := s.use(id); it != nil {
		if now.Before(it.loose) {
			return nil, nil
		}
		s.drop(id)
	}
	if other = s.flights[id]; other != nil {
		return nil, other
	}
	own = &flight{id, make(chan struct{})}
	s.flights[id] = own
	return own, nil
}

// land ends a flight, once. Where its answer is one that is not kept, nobody waits for such ones until a time.
func (s *answerStore) land(own *flight, loose time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own == nil || s.flights[own.id] != own {
		return
	}
	delete(s.flights, own.id)
	close(own.landed)
	if !loose.IsZero() {
		s.drop(own.id)
		s.put(&storedItem{key: own.id, size: itemCost, loose: loose})
	}
}

// await has a request wait for the answer to another one for the same, or makes it one that others wait for. It waits once: where that gives
// it no answer it is sent on. over: the request is, and was answered.
func (f *responseCache) await(x *filter.Exchange, t *cacheTry, again bool) (a *keptAnswer, over bool) {
	r := &x.Request.Fields
	switch {
	case f.wait <= 0, again, // it may be its own flight that it would wait for
		r.Has("If-None-Match"), r.Has("If-Modified-Since"): // its answer may be one for this client alone
		return nil, false
	}
	own, other := f.kept.depart(t.subject, t.value, f.clock.Now())
	t.own = own
	if other != nil {
		if !x.Wait(f.wait, func(ctx context.Context) {
			select {
			case <-other.landed:
			case <-ctx.Done():
			}
		}) {
			return nil, true
		}
	}
	return f.kept.find(t.subject, t.value, f.clock.Now()), false // where nobody is waited for, one may just have come
}
