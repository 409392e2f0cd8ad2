package annotation

import (
	"net/netip"
	"strings"
)

// Limits is how much one client may ask, and from where.
type Limits struct {
	PerSecond   int // 0 = no limit
	PerMinute   int
	Connections int
	Burst       int      // times the rate
	Exempt      []string // ranges of clients that are not counted
	RateStatus  int      // of what is over a rate
	ConnStatus  int      // of what is over Connections
	Key         string   // what requests are counted by, as filters have such text; "" = the client's address
	Allow       []string // ranges; with any, others are refused
	Deny        []string // ranges, looked at first
}

// What ingress-nginx does where nobody says otherwise.
const (
	defaultBurst       = 5
	defaultLimitStatus = 503
)

// maxLimit bounds rates.
const maxLimit = 1_000_000

func limitsFamily() family {
	return family{name: "Limits and addresses", settle: settleLimits, rows: []Annotation{
		{Name: "limit-rps", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.integer(&v.s.Limits.PerSecond, 0, maxLimit) }},
		{Name: "limit-rpm", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.integer(&v.s.Limits.PerMinute, 0, maxLimit) }},
		{Name: "limit-burst-multiplier", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.integer(&v.s.Limits.Burst, 1, 1000) }},
		{Name: "limit-connections", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.integer(&v.s.Limits.Connections, 0, maxLimit) }},
		{Name: "limit-rate", Scope: OwnPaths, Verdict: Ignored, Note: "answers are sent as fast as the client takes them"},
		{Name: "limit-rate-after", Scope: OwnPaths, Verdict: Ignored, Note: "answers are sent as fast as the client takes them"},
		{Name: "limit-allowlist", Alias: "limit-whitelist", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.ranges(&v.s.Limits.Exempt) }},
		{Name: "allowlist-source-range", Alias: "whitelist-source-range", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.access(&v.s.Limits.Allow) }},
		{Name: "denylist-source-range", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.access(&v.s.Limits.Deny) }},
	}}
}

// access reads ranges that may ask, or may not. A list of an Ingress without any lets nobody in either, as under ingress-nginx. That of
// the installation is empty by default.
func (v *value) access(to *[]string) {
	switch {
	case v.forAll && v.text == "":
		v.same()
	case len(v.list()) == 0:
		v.deny("names no range")
	default:
		v.ranges(to)
	}
}

// ranges reads addresses and ranges. A bad one lets nobody in: whom it was meant for is not known. Nor is it of an empty one of an
// Ingress (10.0.0.0/8,); between commas of the installation ingress-nginx reads nothing at all.
func (v *value) ranges(to *[]string) {
	all := v.list()
	if len(all) == 0 {
		v.invalid("names no range: it has no effect")
		return
	}
	if !v.forAll && strings.Count(v.text, ",") >= len(all) {
		v.deny("has an empty part beside a comma")
		return
	}
	for _, s := range all {
		if _, err := netip.ParsePrefix(s); err != nil {
			if _, err := netip.ParseAddr(s); err != nil {
				v.deny("%q is neither an address nor a range like 10.0.0.0/8", s)
				return
			}
		}
	}
	*to = all
}

func settleLimits(r *reading) {
	l := &r.Limits
	if l.Burst == 0 {
		l.Burst = defaultBurst
	}
	if l.RateStatus == 0 {
		l.RateStatus = defaultLimitStatus
	}
	if l.ConnStatus == 0 {
		l.ConnStatus = defaultLimitStatus
	}
	if l.PerSecond == 0 && l.PerMinute == 0 && r.has("limit-burst-multiplier") {
		r.say("limit-burst-multiplier", Ignored, "it belongs to limit-rps and limit-rpm")
	}
}
