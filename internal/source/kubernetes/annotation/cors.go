package annotation

import (
	"net/url"
	"slices"
	"strings"
)

// CORS is which other origins scripts may come from.
type CORS struct {
	On            bool
	Origins       []string // "*" alone: all
	Methods       []string // nil: those that ingress-nginx allows
	Headers       []string // nil: those that ingress-nginx allows
	Expose        []string
	NoCredentials bool
	MaxAge        int // seconds
}

// defaultCORSAge is what ingress-nginx has browsers keep a preflight's answer for, in seconds.
const defaultCORSAge = 1_728_000

func corsFamily() family {
	return family{name: "CORS", settle: settleCORS, rows: []Annotation{
		{Name: "enable-cors", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.CORS.On) }},
		{Name: "cors-allow-origin", Scope: WholeIngress, Verdict: Supported, read: readOrigins},
		{Name: "cors-allow-methods", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.allowed(&v.s.CORS.Methods) }},
		{Name: "cors-allow-headers", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.allowed(&v.s.CORS.Headers) }},
		{Name: "cors-expose-headers", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.tokens(&v.s.CORS.Expose) }},
		{Name: "cors-allow-credentials", Scope: WholeIngress, Verdict: Supported, read: func(v *value) {
			allowed := true
			v.boolean(&allowed)
			v.s.CORS.NoCredentials = !allowed
		}},
		{Name: "cors-max-age", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.integer(&v.s.CORS.MaxAge, 1, maxSeconds) }},
	}}
}

// allowed reads methods or headers. Not all of them: ingress-nginx takes no *, which with credentials is none for browsers either.
func (v *value) allowed(to *[]string) {
	if slices.Contains(v.list(), "*") {
		v.invalid("* stands for nothing here: those count that ingress-nginx allows by default")
		return
	}
	v.tokens(to)
}

// readOrigins reads origins. One that is none is left out: it would be accepted by nobody's intention.
func readOrigins(v *value) {
	var good, bad []string
	for _, o := range v.list() {
		switch {
		case o == "*":
			v.s.CORS.Origins = []string{"*"}
			return
		case isOrigin(o):
			good = append(good, strings.TrimSuffix(o, "/"))
		default:
			bad = append(bad, o)
		}
	}
	v.s.CORS.Origins = good
	if len(bad) > 0 || len(good) == 0 {
		v.invalid("%q is no origin like https://shop.test, https://*.shop.test or null: it is not accepted", strings.Join(bad, ", "))
	}
}

func isOrigin(s string) bool {
	if s == "null" {
		return true
	}
	scheme, host, ok := strings.Cut(s, "://")
	host = strings.TrimPrefix(strings.TrimSuffix(host, "/"), "*.")
	u, err := url.Parse(scheme + "://" + host)
	return ok && err == nil && isToken(scheme) && host != "" && u.Host == host && visible(s) && !strings.ContainsAny(host, "*@,")
}

func settleCORS(r *reading) {
	c := &r.CORS
	if !c.On {
		for _, name := range []string{"cors-allow-origin", "cors-allow-methods", "cors-allow-headers", "cors-expose-headers", "cors-allow-credentials", "cors-max-age"} {
			if r.has(name) {
				r.say(name, Ignored, "it belongs to enable-cors: \"true\"")
			}
		}
		return
	}
	if c.Origins == nil && r.given["cors-allow-origin"] == nil {
		c.Origins = []string{"*"}
	}
	if c.Headers == nil {
		c.Headers = []string{"DNT", "Keep-Alive", "User-Agent", "X-Requested-With", "If-Modified-Since", "Cache-Control", "Content-Type", "Range", "Authorization"}
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultCORSAge
	}
}
