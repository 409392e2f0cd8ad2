package builtin

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// The values of RateLimit.Tell.
const (
	tellRefusals = "refusals"
	tellAll      = "all"
	tellSpring   = "spring"
	tellRest     = "remaining"
)

// LimitNames are the names of headers that tell of a limit. Those that are empty are Spring Cloud Gateway's.
type LimitNames struct {
	Remaining string `json:"remaining,omitempty"` // X-RateLimit-Remaining
	Cost      string `json:"cost,omitempty"`      // X-RateLimit-Requested-Tokens
	Burst     string `json:"burst,omitempty"`     // X-RateLimit-Burst-Capacity
	Limit     string `json:"limit,omitempty"`     // X-RateLimit-Replenish-Rate
}

// validate refuses names of fields that say something else already: of those that frame an answer or concern a connection, of those that what
// is behind them goes by, such as Location and Set-Cookie, and of our own.
func (n LimitNames) validate(tell string) error {
	if n != (LimitNames{}) && tell != tellSpring && tell != tellRest {
		return fmt.Errorf("names are given, and tell is %q: want spring or remaining", tell)
	}
	for _, of := range [...]struct{ key, name string }{{"remaining", n.Remaining}, {"cost", n.Cost}, {"burst", n.Burst}, {"limit", n.Limit}} {
		if of.name == "" {
			continue
		}
		if err := validateName(of.name); err != nil {
			return fmt.Errorf("names.%s: %w", of.key, err)
		}
		if http1.Protected(of.name) || strings.HasPrefix(strings.ToLower(of.name), "x-paifang-") {
			return fmt.Errorf("names.%s: %s says something else already: name another header", of.key, of.name)
		}
	}
	return nil
}

func (n LimitNames) orSpring() LimitNames {
	return LimitNames{cmp.Or(n.Remaining, "X-RateLimit-Remaining"), cmp.Or(n.Cost, "X-RateLimit-Requested-Tokens"),
		cmp.Or(n.Burst, "X-RateLimit-Burst-Capacity"), cmp.Or(n.Limit, "X-RateLimit-Replenish-Rate")}
}

// limitTeller tells clients how much of a limit is left.
type limitTeller struct {
	how                string
	limit, burst, cost string // as they are told
	requests, each     int    // limit and cost
	names              LimitNames
}

// pass tells with an answer to come that so many requests more would pass now, and in how many seconds the bucket is empty.
func (t *limitTeller) pass(x *filter.Exchange, left, empty float64) {
	switch t.how {
	case tellAll:
		t.standard(x.Promise, t.tokens(min(left, t.most())), strconv.Itoa(int(math.Ceil(max(empty, 0)))))
	case tellSpring:
		t.spring(x.Promise, t.tokens(left))
	case tellRest:
		x.Promise(t.names.Remaining, t.tokens(left))
	}
}

// refuse tells with the refusal when there is room again.
func (t *limitTeller) refuse(x *filter.Exchange, seconds string) {
	set := func(name, value string) { x.Response.Fields.Set(name, value) }
	switch t.how {
	case tellSpring:
		t.spring(set, "0")
	case tellRest:
		set(t.names.Remaining, "0")
	default:
		t.standard(set, "0", seconds)
	}
}

// most is how many requests the limit that is told allows: what a burst lets pass beyond it is not told, or more would be left than there is.
func (t *limitTeller) most() float64 { return float64(t.requests) / float64(t.each) }

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
	set(t.names.Remaining, left)
	set(t.names.Cost, t.cost)
	set(t.names.Burst, t.burst)
	set(t.names.Limit, t.limit)
}
