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
	by     *filter.Exchange // which holds it for as long as it flies
	landed chan struct{}
	waited bool // somebody has waited for it
}

// looseFor is for how long requests do not wait for each other whose answer was not kept: it hardly will be the next time.
const looseFor = 10 * time.Second

// mostLoose is how many answers there are at most, told in looseFor, for which requests do not wait.
const mostLoose = 1 << 12

// depart returns the flight of a request for what is not kept, or that of another one to wait for; neither where answers are not kept
// lately, and for a request that is under way already, of another cache of the route or before a fallback. Requests are for the same if they
// say the same in the fields by which answers are known to differ.
func (s *answerStore) depart(subject string, value func(name string) string, by *filter.Exchange, now time.Time) (own, other *flight) {
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
	for _, told := range s.loose {
		if now.Before(told[id]) {
			return nil, nil
		}
	}
	if other = s.flights[id]; other != nil {
		if other.by == by {
			return nil, nil
		}
		other.waited = true
		return nil, other
	}
	own = &flight{id: id, by: by, landed: make(chan struct{})}
	s.flights[id] = own
	return own, nil
}

// land ends a flight, once. Where its answer is one that is not kept, nobody waits for such ones until a time.
func (s *answerStore) land(own *flight, loose time.Time) {
	if own == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[own.id] != own {
		return
	}
	delete(s.flights, own.id)
	close(own.landed)
	if !loose.IsZero() && own.waited {
		s.loosen(own.id, loose)
	}
}

// late notes that a request has waited for a flight in vain: others do not until a time. Its answer may have begun, and never end.
func (s *answerStore) late(other *flight, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[other.id] == other {
		s.loosen(other.id, until)
	}
}

// loosen has requests not wait until a time. What is not kept takes no room from what is. The lock is held.
func (s *answerStore) loosen(id key, until time.Time) {
	if until.Sub(s.turned) >= looseFor { // what was told before the last turn is over
		s.loose = [2]map[key]time.Time{{}, s.loose[0]}
		s.turned = until
	}
	if len(s.loose[0]) < mostLoose {
		s.loose[0][id] = until
	}
}

// await has a request wait for the answer to another one for the same, or makes it one that others wait for. It waits once, and not for
// more than half of the time that it has left: where that gives it no answer it is sent on. over: the request is, and was answered.
func (f *responseCache) await(x *filter.Exchange, t *cacheTry) (a *keptAnswer, over bool) {
	r := &x.Request.Fields
	switch {
	case f.wait <= 0,
		r.Has("If-None-Match"), r.Has("If-Modified-Since"): // its answer may be one for this client alone
		return nil, false
	}
	own, other := f.kept.depart(t.subject, t.value, x, f.clock.Now())
	t.own = own
	if other != nil {
		late := false
		goesOn := x.Wait(2*f.wait, func(ctx context.Context) {
			end, _ := ctx.Deadline()
			half := time.NewTimer(time.Until(end) / 2)
			defer half.Stop()
			select {
			case <-other.landed:
			case <-half.C:
				late = true
			case <-ctx.Done():
			}
		})
		if late {
			f.kept.late(other, f.clock.Now().Add(looseFor))
		}
		if !goesOn {
			return nil, true
		}
	}
	return f.kept.find(t.subject, t.value, f.clock.Now()), false // where nobody is waited for, one may just have come
}
