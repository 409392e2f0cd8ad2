package snapshot

import (
	"math/rand/v2"
	"regexp"

	"paifang/internal/model"
)

// LaneRequest is what lanes see of a request.
type LaneRequest interface {
	// LookupValue returns value i, from 0, of those that a name has in a place.
	LookupValue(in Place, name string, i int) (string, bool)
	// LookupKey is a hash of parts of the request; false where it has none of them.
	LookupKey(parts []model.HashPart) (uint64, bool)
}

// Lanes are the compiled lanes of a route.
type Lanes struct {
	lanes    []model.Lane
	patterns []*regexp.Regexp // same length; nil for lanes without one
}

// newLanes compiles lanes, which Validate has passed.
func newLanes(lanes []model.Lane) (Lanes, error) {
	if len(lanes) == 0 {
		return Lanes{}, nil
	}
	out := Lanes{lanes, make([]*regexp.Regexp, len(lanes))}
	for i, l := range lanes {
		if l.Pattern == "" {
			continue
		}
		re, err := regexp.Compile(l.Pattern)
		if err != nil {
			return Lanes{}, err
		}
		out.patterns[i] = re
	}
	return out, nil
}

// Len is the number of lanes.
func (l *Lanes) Len() int { return len(l.lanes) }

// Decide returns the index of the lane that takes a request, or false where none does. It does not allocate but for
// patterns.
func (l *Lanes) Decide(q LaneRequest) (int, bool) {
	for i := range l.lanes {
		if l.holds(i, q) {
			return i, true
		}
	}
	return 0, false
}

// DecideBound is Decide for a client that a cookie keeps at a target, as long as chance has part in that: in place of chance the
// cookie decides. A target that no lane leads to is that of who is in none.
func (l *Lanes) DecideBound(q LaneRequest, at model.UpstreamID) (int, bool) {
	drawn, led := false, false
	for i := range l.lanes {
		if l.lanes[i].Target == at {
			led, drawn = true, drawn || l.lanes[i].ByChance()
		}
	}
	for i := range l.lanes {
		if x := &l.lanes[i]; x.ByChance() && (drawn || !led) {
			if x.Target == at {
				return i, true
			}
		} else if l.holds(i, q) {
			return i, true
		}
	}
	return 0, false
}

// DecideSure is Decide where nobody can say what chance will do: it returns the lanes that chance may take the request to, and the one that
// has it otherwise.
func (l *Lanes) DecideSure(q LaneRequest) (chances []int, i int, ok bool) {
	for i := range l.lanes {
		if l.lanes[i].ByChance() {
			chances = append(chances, i)
		} else if l.holds(i, q) {
			return chances, i, true
		}
	}
	return chances, 0, false
}

func (l *Lanes) holds(i int, q LaneRequest) bool {
	x := &l.lanes[i]
	var v string
	var there bool
	switch x.From {
	case model.LaneHeader:
		v, there = q.LookupValue(InHeaders, x.Field, 0)
	case model.LaneCookie:
		v, there = q.LookupValue(InCookies, x.Field, 0)
	case model.LaneQuery:
		v, there = q.LookupValue(InQuery, x.Field, 0)
	case model.LaneShare:
		return takesShare(x, q)
	}
	switch {
	case !there || x.Present:
		return there
	case l.patterns[i] != nil:
		return l.patterns[i].MatchString(v)
	}
	return v == x.Value
}

// takesShare tells whether a request is among the share of a lane.
func takesShare(x *model.Lane, q LaneRequest) bool {
	if len(x.Hash) == 0 { // of those that the lanes beside it have left
		return x.Share > 0 && (x.Share >= x.Of-x.Beside || rand.IntN(x.Of-x.Beside) < x.Share)
	}
	key, ok := q.LookupKey(x.Hash)
	if !ok {
		return false
	}
	at := int(key % uint64(x.Of))
	return at >= x.Beside && at < x.Beside+x.Share
}
