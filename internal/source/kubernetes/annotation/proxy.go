package annotation

import (
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
)

// Proxy is how long is waited for an endpoint, and when the next one is asked.
type Proxy struct {
	Connect, Send, Read time.Duration // 0 = the engine's own
	Next                Next
}

// Next is when another endpoint is asked.
type Next struct {
	Given         bool // otherwise the engine's own way counts
	Off           bool
	On            []model.RetryOn
	Statuses      []model.StatusRange
	NonIdempotent bool
	Tries         int // in total; 0 = as many as may be
	Within        time.Duration
}

// MostTries is how many endpoints the engine asks for one request at most.
const MostTries = 8

// budgetNote tells of model.RetryBudget, which nginx has none of.
const budgetNote = "where many requests fail at once, further tries of those that an endpoint may have seen are 3 at a time, or 20 % of what is in flight"

const mostTriesNote = "8 endpoints are asked at most, where it says more or 0"

const (
	cookiesNote  = "a rewrite-response-header filter in paifang.dev/filters changes Set-Cookie"
	locationNote = "a rewrite-location filter in paifang.dev/filters changes Location"
)

func proxyFamily() family {
	return family{name: "Timeouts and further tries", rows: []Annotation{
		{Name: "proxy-connect-timeout", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.seconds(&v.s.Proxy.Connect, 1) }},
		{Name: "proxy-send-timeout", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.seconds(&v.s.Proxy.Send, 1) }},
		{Name: "proxy-read-timeout", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.seconds(&v.s.Proxy.Read, 1) }},
		{Name: "proxy-next-upstream", Scope: OwnPaths, Verdict: Differs, Note: budgetNote, read: readNext},
		{Name: "proxy-next-upstream-tries", Scope: OwnPaths, Verdict: Differs, Note: mostTriesNote, read: func(v *value) {
			if !v.integer(&v.s.Proxy.Next.Tries, 0, 1000) {
				return
			}
			v.s.Proxy.Next.Given = true
			if n := v.s.Proxy.Next.Tries; n > 0 && n <= MostTries {
				v.same()
			}
		}},
		{Name: "proxy-next-upstream-timeout", Scope: OwnPaths, Verdict: Supported, read: func(v *value) {
			v.s.Proxy.Next.Given = v.seconds(&v.s.Proxy.Next.Within, 0) || v.s.Proxy.Next.Given
		}},
		{Name: "proxy-http-version", Scope: OwnPaths, Verdict: Ignored, Note: "endpoints are spoken to in HTTP/1.1, or in HTTP/2 where backend-protocol says so"},
		{Name: "proxy-cookie-domain", Scope: OwnPaths, Verdict: Ignored, Note: cookiesNote},
		{Name: "proxy-cookie-path", Scope: OwnPaths, Verdict: Ignored, Note: cookiesNote},
		{Name: "proxy-redirect-from", Scope: OwnPaths, Verdict: Ignored, Note: locationNote},
		{Name: "proxy-redirect-to", Scope: OwnPaths, Verdict: Ignored, Note: locationNote},
		{Name: "connection-proxy-header", Scope: OwnPaths, Verdict: Ignored, Note: "connections to endpoints are the engine's own matter: they are kept, and upgraded where a client asks"},
		{Name: "http2-push-preload", Scope: OwnPaths, Verdict: Ignored, Note: "browsers have given up server push, and so has nginx"},
	}}
}

// readNext reads the conditions of proxy_next_upstream.
func readNext(v *value) {
	n := Next{Given: true, Tries: v.s.Proxy.Next.Tries, Within: v.s.Proxy.Next.Within, NonIdempotent: v.s.Proxy.Next.NonIdempotent}
	add := func(on ...model.RetryOn) {
		for _, c := range on {
			if !slices.Contains(n.On, c) {
				n.On = append(n.On, c)
			}
		}
	}
	status := func(s int) { n.Statuses = append(n.Statuses, model.StatusRange{From: s, To: s}) }
	for word := range strings.FieldsSeq(v.text) {
		switch word {
		case "error":
			add(model.RetryConnect, model.RetryRefused, model.RetryReset)
		case "timeout":
			add(model.RetryTimeout)
		case "invalid_header":
			add(model.RetryInvalid)
		case "http_500":
			status(500)
		case "http_502":
			status(502)
		case "http_503":
			status(503)
		case "http_504":
			status(504)
		case "http_403":
			status(403)
		case "http_404":
			status(404)
		case "http_429":
			status(429)
		case "non_idempotent":
			n.NonIdempotent = true
		case "off":
			n.Off = true
		default:
			v.invalid("%q is no condition of proxy_next_upstream: it has no effect", word)
			return
		}
	}
	v.s.Proxy.Next = n
	if n.Off {
		v.same()
	}
}
