package annotation

import (
	"regexp"
)

// Canary is which requests the service of a canary Ingress gets.
type Canary struct {
	On            bool
	Header        string // its name
	HeaderValue   string
	HeaderPattern string // RE2, a match anywhere
	BadPattern    bool   // a pattern was given and is none
	Cookie        string // its name
	Weight        int    // of Total
	Total         int    // 100 or more
}

// defaultTotal is what weights are shares of, where nothing higher is given.
const defaultTotal = 100

// maxTotal bounds canary-weight-total.
const maxTotal = 1_000_000

func canaryFamily() family {
	return family{name: "Canary", settle: settleCanary, rows: []Annotation{
		{Name: "canary", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Canary.On) }},
		{Name: "canary-by-header", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.token(&v.s.Canary.Header) }},
		{Name: "canary-by-header-value", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.line(&v.s.Canary.HeaderValue) }},
		{Name: "canary-by-header-pattern", Scope: WholeIngress, Verdict: Differs, Note: "patterns are RE2, which matches in linear time: one with look-around or back-references counts as none", read: readPattern},
		{Name: "canary-by-cookie", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.token(&v.s.Canary.Cookie) }},
		{Name: "canary-weight", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.integer(&v.s.Canary.Weight, 0, maxTotal) }},
		{Name: "canary-weight-total", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.integer(&v.s.Canary.Total, 0, maxTotal) }},
	}}
}

// readPattern keeps a pattern that RE2 has. With one that it has not, requests with the header stay where they are, as under
// ingress-nginx with one that PCRE has not.
func readPattern(v *value) {
	if !v.line(&v.s.Canary.HeaderPattern) {
		return
	}
	if _, err := regexp.Compile(v.text); err != nil || len(v.text) > maxExpression {
		v.s.Canary.HeaderPattern, v.s.Canary.BadPattern = "", true
		v.invalid("%q is no expression that can be matched in linear time (RE2 has no look-around and no back-references): requests with the header stay with the main service", v.text)
		return
	}
	v.same()
}

// maxExpression bounds the text of an expression in bytes.
const maxExpression = 1000

func settleCanary(r *reading) {
	c := &r.Canary
	rules := []string{"canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie", "canary-weight", "canary-weight-total"}
	if !c.On {
		for _, name := range rules {
			r.say(name, Invalid, "belongs to an Ingress with canary: \"true\": it has no effect here")
		}
		return
	}
	if c.Header == "" {
		for _, name := range rules[1:3] {
			r.say(name, Ignored, "needs canary-by-header, which names the header")
		}
		c.HeaderValue, c.HeaderPattern, c.BadPattern = "", "", false
	} else if c.HeaderValue != "" && r.has("canary-by-header-pattern") {
		r.say("canary-by-header-pattern", Ignored, "canary-by-header-value is given too, and counts")
		c.HeaderPattern, c.BadPattern = "", false
	}
	if c.Total < defaultTotal {
		if r.has("canary-weight-total") && c.Total != 0 {
			r.say("canary-weight-total", Ignored, "%d is not above 100, and 100 counts then", c.Total)
		}
		c.Total = defaultTotal
	}
	if c.Weight > c.Total {
		c.Weight = c.Total
	}
	for key, f := range r.given {
		if !servedOnCanary(key) && f.Verdict != Invalid && f.Verdict != Refused {
			r.say(key, Ignored, "this is a canary: what the main Ingress says counts")
		}
	}
}

// servedOnCanary tells the annotations that count on a canary Ingress.
func servedOnCanary(name string) bool {
	switch name {
	case "canary", "canary-by-header", "canary-by-header-value", "canary-by-header-pattern", "canary-by-cookie", "canary-weight", "canary-weight-total",
		"load-balance", "upstream-hash-by", "affinity-canary-behavior":
		return true
	}
	return false
}
