package annotation

import (
	"strings"
	"time"
)

// Affinity is how a client is kept at an endpoint.
type Affinity struct {
	Cookie     bool // there is affinity, by a cookie
	Persistent bool // the cookie names an endpoint; otherwise a key
	// CanaryLegacy has the rules of a canary count for clients too that are bound.
	CanaryLegacy bool
	Name         string // of the cookie
	Path         string // "" = that of the rule
	Domain       string
	MaxAge       time.Duration
	Expires      time.Duration
	SameSite     string
	Secure       string // "Always", "Never", or "" for where the client came over TLS
	Move         bool   // after a failure the client is bound anew
}

// cookieName is the name of the cookie where none is given.
const cookieName = "INGRESSCOOKIE"

func affinityFamily() family {
	return family{name: "Affinity", settle: settleAffinity, rows: []Annotation{
		{Name: "affinity", Scope: WholeIngress, Verdict: Differs, Note: "the value of the cookie has a form of its own: a cookie that ingress-nginx has set binds nobody, and is replaced", read: func(v *value) {
			var word string
			v.s.Affinity.Cookie = v.oneOf(&word, "cookie")
		}},
		{Name: "affinity-mode", Scope: WholeIngress, Verdict: Supported, read: func(v *value) {
			var word string
			v.s.Affinity.Persistent = v.oneOf(&word, "balanced", "persistent") && word == "persistent"
		}},
		{Name: "affinity-canary-behavior", Scope: WholeIngress, Verdict: Supported, read: func(v *value) {
			var word string
			v.s.Affinity.CanaryLegacy = v.oneOf(&word, "sticky", "legacy") && word == "legacy"
		}},
		{Name: "session-cookie-name", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.token(&v.s.Affinity.Name) }},
		{Name: "session-cookie-path", Scope: WholeIngress, Verdict: Differs, Note: "where paths are expressions and it is not given, the path is /: a cookie for the text of an expression would never be sent", read: readCookiePath},
		{Name: "session-cookie-domain", Scope: WholeIngress, Verdict: Supported, read: readCookieDomain},
		{Name: "session-cookie-expires", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.seconds(&v.s.Affinity.Expires, 0) }},
		{Name: "session-cookie-max-age", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.seconds(&v.s.Affinity.MaxAge, 0) }},
		{Name: "session-cookie-samesite", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.oneOf(&v.s.Affinity.SameSite, "None", "Lax", "Strict") }},
		{Name: "session-cookie-secure", Scope: WholeIngress, Verdict: Supported, read: func(v *value) {
			var on bool
			if v.boolean(&on) {
				v.s.Affinity.Secure = map[bool]string{true: "Always", false: "Never"}[on]
			}
		}},
		{Name: "session-cookie-change-on-failure", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Affinity.Move) }},
		{Name: "session-cookie-conditional-samesite-none", Scope: WholeIngress, Verdict: Ignored,
			Note: "the browsers that it is for are gone: SameSite=None is sent to all", read: nil},
	}}
}

func readCookiePath(v *value) {
	if !strings.HasPrefix(v.text, "/") || len(v.text) > maxText || strings.ContainsFunc(v.text, notAttribute) {
		v.invalid("%q is no path of a cookie: it has no effect", v.text)
		return
	}
	v.s.Affinity.Path = v.text
	v.same()
}

func readCookieDomain(v *value) {
	if v.text == "" || len(v.text) > 255 || strings.ContainsFunc(v.text, func(r rune) bool { return notAttribute(r) || r == ' ' || r == '/' }) {
		v.invalid("%q is no domain of a cookie: it has no effect", v.text)
		return
	}
	v.s.Affinity.Domain = v.text
}

// notAttribute tells the runes that would end an attribute of a cookie.
func notAttribute(r rune) bool { return r < ' ' || r >= 0x7f || r == ';' }

func settleAffinity(r *reading) {
	if r.Affinity.Name == "" {
		r.Affinity.Name = cookieName
	}
	if r.Affinity.Cookie || r.Canary.On {
		return
	}
	for name := range r.given {
		if name == "affinity-mode" || strings.HasPrefix(name, "session-cookie-") && r.has(name) {
			r.say(name, Ignored, "needs affinity: cookie")
		}
	}
}
