package installation

import (
	"cmp"
	"strings"

	"paifang/internal/source/kubernetes/annotation"
)

const (
	listenerOwn = "it belongs to a listener: set "
	inOurFile   = " in the configuration file"
)

// ours is a key whose setting is in the configuration file, because it belongs to a listener or to the process.
func ours(name, def, where string) Key {
	return Key{Name: name, Default: def, Verdict: annotation.Ignored, Note: listenerOwn + where + inOurFile}
}

func ignored(name, def, why string) Key {
	return Key{Name: name, Default: def, Verdict: annotation.Ignored, Note: why}
}

// same is a key that is the default of the annotation of its name.
func same(name, def string) Key { return Key{Name: name, Default: def, Annotation: name} }

// acts is a key of its own that has its effect.
func acts(name, def string, read func(*value)) Key {
	return Key{Name: name, Default: def, Verdict: annotation.Supported, read: read}
}

func groups() []group {
	return []group{
		redirectKeys(), clientKeys(), upstreamKeys(), bodyKeys(), headerKeys(), limitKeys(), authKeys(), addressKeys(), tlsKeys(),
		streamKeys(), safetyKeys(), compressionKeys(), logKeys(), traceKeys(), processKeys(), textKeys(),
	}
}

func redirectKeys() group {
	return group{"Redirects and HSTS", []Key{
		same("ssl-redirect", "true"),
		same("force-ssl-redirect", "false"),
		acts("http-redirect-code", "308", func(v *value) {
			var n int
			if !v.integer(&n, 301, 308) {
				return
			}
			if n > 303 && n < 307 {
				v.invalid("%d is none of 301, 302, 303, 307, 308: 308 counts", n)
				return
			}
			v.s.RedirectCode = n
		}),
		acts("no-tls-redirect-locations", "/.well-known/acme-challenge", func(v *value) { v.paths(&v.s.NoRedirect) }),
		same("preserve-trailing-slash", "false"),
		same("relative-redirects", "false"),
		same("use-port-in-redirects", "false"),
		{Name: "hsts", Default: "true", Verdict: annotation.Differs, Note: "where forwarded headers are believed, X-Forwarded-Proto says whether the client asked over TLS; in ingress-nginx the connection does alone", read: func(v *value) { v.boolean(&v.s.HSTS.On) }},
		acts("hsts-max-age", "31536000", func(v *value) { v.integer(&v.s.HSTS.MaxAge, 0, 10*31536000) }),
		acts("hsts-include-subdomains", "true", func(v *value) { v.boolean(&v.s.HSTS.Subdomains) }),
		acts("hsts-preload", "false", func(v *value) { v.boolean(&v.s.HSTS.Preload) }),
	}}
}

func upstreamKeys() group {
	return group{"Endpoints", []Key{
		same("proxy-connect-timeout", "5"),
		same("proxy-read-timeout", "60"),
		same("proxy-send-timeout", "60"),
		same("proxy-next-upstream", "error timeout"),
		same("proxy-next-upstream-tries", "3"),
		same("proxy-next-upstream-timeout", "0"),
		acts("retry-non-idempotent", "false", func(v *value) { v.boolean(&v.s.Annotations.Proxy.Next.NonIdempotent) }),
		same("load-balance", "round_robin"),
		same("upstream-hash-by", ""),
		same("upstream-hash-by-subset", "false"),
		same("upstream-hash-by-subset-size", "3"),
		same("service-upstream", "false"),
		{Name: "upstream-keepalive-connections", Default: "320", Verdict: annotation.Differs, Note: "it is for each endpoint; 512 unless it says something else",
			read: func(v *value) {
				if n := 0; v.integer(&n, 0, 1<<20) {
					v.s.Keep.Idle = cmp.Or(n, -1)
				}
			}},
		acts("upstream-keepalive-time", "1h", func(v *value) { v.idle(&v.s.Keep.Age) }),
		acts("upstream-keepalive-timeout", "60", func(v *value) { v.idle(&v.s.Keep.IdleTime) }),
		acts("upstream-keepalive-requests", "10000", func(v *value) { v.integer(&v.s.Keep.Requests, 1, 1<<30) }),
		same("proxy-http-version", "1.1"),
		same("proxy-cookie-path", "off"),
		same("proxy-cookie-domain", "off"),
		same("proxy-redirect-from", "off"),
		same("proxy-redirect-to", "off"),
		ignored("proxy-ssl-location-only", "false", "TLS towards endpoints is set for each Ingress by itself"),
		ignored("grpc-buffer-size-kb", "0", "bodies stream"),
	}}
}

func bodyKeys() group {
	return group{"Bodies and buffers", []Key{
		same("proxy-body-size", "1m"),
		same("proxy-request-buffering", "on"),
		same("proxy-buffering", "off"),
		same("proxy-buffer-size", "4k"),
		same("proxy-buffers-number", "4"),
		same("proxy-busy-buffers-size", ""),
		same("proxy-max-temp-file-size", "1024m"),
	}}
}

func headerKeys() group {
	return group{"Fields and errors", []Key{
		acts("add-headers", "", func(v *value) { v.object(&v.s.AddHeaders) }),
		acts("proxy-set-headers", "", func(v *value) { v.object(&v.s.SetHeaders) }),
		acts("hide-headers", "", func(v *value) { v.fields(&v.s.HideHeaders) }),
		same("custom-http-errors", ""),
		same("disable-proxy-intercept-errors", "false"),
		ignored("server-tokens", "false", "no Server field of the gateway's own is sent, so none has a version"),
		ignored("allow-backend-server-header", "false", "the Server field of an endpoint reaches the client: name it in hide-headers"),
		{Name: "generate-request-id", Default: "true", Verdict: annotation.Differs, Note: "where it is false the access log has an ID all the same",
			read: func(v *value) {
				on := true
				if v.boolean(&on) {
					v.s.NoRequestID = !on
				}
			}},
		ignored("proxy-add-original-uri-header", "false", "a request-headers filter in paifang.dev/filters sets X-Original-Uri where it is wanted"),
		ignored("default-type", "text/html", "answers have the type that the endpoint says"),
		ignored("global-allowed-response-headers", "", "it belongs to the annotation custom-headers"),
	}}
}

func limitKeys() group {
	return group{"Limits", []Key{
		acts("limit-req-status-code", "503", func(v *value) { v.integer(&v.s.Annotations.Limits.RateStatus, 400, 599) }),
		acts("limit-conn-status-code", "503", func(v *value) { v.integer(&v.s.Annotations.Limits.ConnStatus, 400, 599) }),
		same("limit-rate", "0"),
		same("limit-rate-after", "0"),
		{Name: "limit-conn-zone-variable", Default: "$binary_remote_addr", Verdict: annotation.Differs, read: (*value).countedBy,
			Note: "it is what limit-rps and limit-rpm count by too, as there; of nginx' variables it knows those of auth-signin but remote_user: requests are counted before anybody logs in"},
	}}
}

func authKeys() group {
	global := func(name, def, as string) Key { return Key{Name: name, Default: def, Annotation: as} }
	return group{"Authentication of everybody", []Key{
		global("global-auth-url", "", "auth-url"),
		global("global-auth-method", "", "auth-method"),
		global("global-auth-signin", "", "auth-signin"),
		global("global-auth-signin-redirect-param", "rd", "auth-signin-redirect-param"),
		global("global-auth-response-headers", "", "auth-response-headers"),
		global("global-auth-request-redirect", "", "auth-request-redirect"),
		global("global-auth-snippet", "", "auth-snippet"),
		global("global-auth-cache-key", "", "auth-cache-key"),
		global("global-auth-cache-duration", "200 202 401 5m", "auth-cache-duration"),
		global("global-auth-always-set-cookie", "false", "auth-always-set-cookie"),
		acts("no-auth-locations", "/.well-known/acme-challenge", func(v *value) { v.paths(&v.s.NoAuth) }),
	}}
}

// countedBy reads what limits tell requests apart by: text with variables of nginx. That of a client's address alone says what limits do
// anyway.
func (v *value) countedBy() {
	text, err := annotation.RequestText(v.text)
	switch {
	case err != nil:
		v.invalid("%v: requests are counted by the client's address", err)
	case strings.Contains(text, "{user}"):
		v.invalid("$remote_user is not known yet when requests are counted: they are by the client's address")
	case text != "{client}":
		v.s.Annotations.Limits.Key = text
	}
}
