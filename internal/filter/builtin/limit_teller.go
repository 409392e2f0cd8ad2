package builtin

import (
	"math"
	"strconv"

	"paifang/internal/filter"
)

// The values of RateLimit.Tell.
const (
	tellRefusals = "refusals"
	tellAll      = "all"
	tellSpring   = "spring"
	tellRest     = "remaining"
)

// springRemaining is the header in which Spring Cloud Gateway tells how much is left.
const springRemaining = "X-RateLimit-Remaining"

// limitTeller tells clients how much of a limit is left.
type limitTeller struct {
	how                string
	limit, burst, cost string // as they are told
	each               int    // cost
}

// pass tells with an answer to come that so many requests more would pass now, and in how many seconds the bucket is empty.
func (t *limitTeller) pass(x *filter.Exchange, left, empty float64) {
	switch t.how {
	case tellAll:
		t.standard(x.Promise, t.tokens(left), strconv.Itoa(int(math.Ceil(max(empty, 0)))))
	case tellSpring:
		t.spring(x.Promise, t.tokens(left))
	case tellRest:
		x.Promise(springRemaining, t.tokens(left))
	}
}

// refuse tells with the refusal when there is room again.
func (t *limitTeller) refuse(x *filter.Exchange, seconds string) {
	set := func(name, value string) { x.Response.Fields.Set(name, value) }
	switch t.how {
	case tellSpring:
		t.spring(set, "0")
	case tellRest:
		set(springRemaining, "0")
	default:
		t.standard(set, "0", seconds)
	}
}

// tokens is what so many requests count for.
func (t *limitTeller) tokens(requests float64) string {
	return strconv.Itoa(int(max(requests*float64(t.each)+tolerance, 0)))
}

func (t *limitTeller) standard(set func(name, value string), left, reset string) {
	set("RateLimit-Limit", t.limit)
	set("RateLimit-Remaining", left)
	set("RateLimit-Reset", reset)
}

func (t *limitTeller) spring(set func(name, value string), left string) {
	set(springRemaining, left)
	set("X-RateLimit-Requested-Tokens", t.cost)
	set("X-RateLimit-Burst-Capacity", t.burst)
	set("X-RateLimit-Replenish-Rate", t.limit)
}
