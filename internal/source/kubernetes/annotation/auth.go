package annotation

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Auth is who may pass.
type Auth struct {
	Scheme AuthScheme
	Secret string // [namespace/]name, as it was written
	Map    bool   // each key of the Secret is a user
	Realm  string

	URL         string // text of an external-auth filter; "" = nobody is asked
	Method      string // "" = GET
	SignIn      string // text
	SignInParam string
	Headers     []string // of the service's answer, for the upstream
	Return      string   // text: what X-Auth-Request-Redirect says; "" = the path with its query
	CacheKey    string   // text; "" = nothing is kept
	CacheFor    []AuthCache
	Cookies     bool // of the service reach the client on every status

	Global   *Auth // whom everybody is sent to who names nobody else; nil = nobody
	NoGlobal bool  // this Ingress is not
}

// AuthScheme is how users show who they are; "" = they are not asked.
type AuthScheme string

// The schemes.
const (
	BasicAuth  AuthScheme = "basic"
	DigestAuth AuthScheme = "digest"
)

// AuthCache is how long answers with some statuses are kept.
type AuthCache struct {
	Statuses []int
	For      time.Duration
}

const withURL = "it belongs to auth-url"

func authFamily() family {
	return family{name: "Authentication", settle: settleAuth, rows: []Annotation{
		{Name: "auth-type", Scope: OwnPaths, Verdict: Differs, Note: "with digest, failed tries are not counted (limit-rpm bounds them), what a client signs must have its query, and auth-realm must be given", read: readAuthType},
		{Name: "auth-secret", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.object(&v.s.Auth.Secret) }},
		{Name: "auth-secret-type", Scope: OwnPaths, Verdict: Supported, read: readSecretType},
		{Name: "auth-realm", Scope: OwnPaths, Verdict: Supported, read: readRealm},
		{Name: "satisfy", Scope: OwnPaths, Verdict: Ignored, Note: "both address lists and authentication must let a request pass, whatever it says"},
		{Name: "auth-url", Scope: OwnPaths, Verdict: Differs, Note: "of a service that is asked over TLS the certificate is verified, and one at a link-local address, or in a cluster at a loopback address, is not asked", read: readAuthURL},
		{Name: "auth-method", Scope: OwnPaths, Verdict: Supported, read: readAuthMethod},
		{Name: "auth-signin", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.requestText(&v.s.Auth.SignIn) }},
		{Name: "auth-signin-redirect-param", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.token(&v.s.Auth.SignInParam) }},
		{Name: "auth-response-headers", Scope: OwnPaths, Verdict: Supported, read: readAuthHeaders},
		{Name: "auth-proxy-set-headers", Scope: OwnPaths, Verdict: Ignored, Note: "write an external-auth filter with headers into paifang.dev/filters"},
		{Name: "auth-request-redirect", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.requestText(&v.s.Auth.Return) }},
		{Name: "auth-cache-key", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.requestText(&v.s.Auth.CacheKey) }},
		{Name: "auth-cache-duration", Scope: OwnPaths, Verdict: Supported, read: readCacheDuration},
		{Name: "auth-always-set-cookie", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Auth.Cookies) }},
		{Name: "auth-keepalive", Scope: OwnPaths, Verdict: Ignored, Note: "connections to the service are kept in any case"},
		{Name: "auth-keepalive-requests", Scope: OwnPaths, Verdict: Ignored, Note: "connections to the service are kept in any case"},
		{Name: "auth-keepalive-timeout", Scope: OwnPaths, Verdict: Ignored, Note: "connections to the service are kept for a minute"},
		{Name: "auth-keepalive-share-vars", Scope: OwnPaths, Verdict: Ignored, Note: "the service always gets the request's X-Request-ID"},
		{Name: "auth-snippet", Scope: OwnPaths, Verdict: Refused, Note: "text of nginx is never executed: write an external-auth filter with headers into paifang.dev/filters", read: readSnippet},
		{Name: "enable-global-auth", Scope: OwnPaths, Verdict: Supported, read: readGlobalAuth},
	}}
}

// readAuthType refuses what cannot be carried out: a login that is silently not asked for is worse than none.
func readAuthType(v *value) {
	switch v.text {
	case "basic", "digest":
		v.s.Auth.Scheme = AuthScheme(v.text)
		v.same()
	default:
		v.deny("%q is neither basic nor digest", v.text)
	}
}

func readSecretType(v *value) {
	switch v.text {
	case "auth-file":
		v.s.Auth.Map = false
	case "auth-map":
		v.s.Auth.Map = true
	default:
		v.deny("%q is neither auth-file nor auth-map", v.text)
	}
}

func readRealm(v *value) {
	if strings.ContainsAny(v.text, "\"\\") {
		v.invalid("has quotes or backslashes, which a realm cannot have: it has no effect")
		return
	}
	v.line(&v.s.Auth.Realm)
}

// object reads [namespace/]name.
func (v *value) object(to *string) {
	ns, name, both := strings.Cut(v.text, "/")
	if !isToken(ns) || both && (!isToken(name) || strings.Contains(name, "/")) {
		v.deny("%q is no name of an object", v.text)
		return
	}
	*to = v.text
}

func readAuthURL(v *value) {
	var text string
	if !v.requestText(&text) {
		v.deny("%q is no address that can be asked", v.text)
		return
	}
	if !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://") {
		v.deny("%q begins with neither http:// nor https://", v.text)
		return
	}
	v.s.Auth.URL = text
}

// requestText reads text with variables of nginx, and writes it as filters have it.
func (v *value) requestText(to *string) bool {
	text, err := RequestText(v.text)
	if err != nil {
		v.invalid("%v: it has no effect", err)
		return false
	}
	*to = text
	return true
}

// RequestText is text with variables of nginx, written as filters have it: "$host-$http_x_user" as "{host}-{header.x-user}".
func RequestText(text string) (string, error) {
	if !visible(strings.NewReplacer("{", "", "}", "").Replace(text)) {
		return "", errors.New("is empty, too long or has bytes that no address has")
	}
	var out strings.Builder
	rest := text
	for {
		before, after, more := strings.Cut(rest, "$")
		if strings.ContainsAny(before, "{}") {
			return "", fmt.Errorf("%q has braces", text)
		}
		out.WriteString(before)
		if !more {
			break
		}
		name, tail := variable(after)
		part := requestPart(name)
		if part == "" {
			return "", fmt.Errorf("$%s is no variable that is known here", name)
		}
		out.WriteString("{" + part + "}")
		rest = tail
	}
	return out.String(), nil
}

// requestPart is what filters call a variable of nginx; "" = it is not known.
func requestPart(name string) string {
	switch name {
	case "scheme", "pass_access_scheme":
		return "scheme"
	case "host":
		return "host"
	case "http_host", "best_http_host":
		return "authority"
	case "uri", "document_uri":
		return "path"
	case "request_uri":
		return "uri"
	case "escaped_request_uri":
		return "escaped-uri"
	case "request_method":
		return "method"
	case "remote_addr", "binary_remote_addr", "the_real_ip":
		return "client"
	case "request_id", "req_id":
		return "id"
	case "remote_user":
		return "user"
	}
	for prefix, from := range map[string]string{"http_": "header.", "cookie_": "cookie.", "arg_": "query."} {
		if of, ok := strings.CutPrefix(name, prefix); ok && of != "" {
			if prefix == "http_" {
				of = strings.ReplaceAll(of, "_", "-")
			}
			return from + of
		}
	}
	return ""
}

// readCacheDuration reads "200 202 10m, 401 5m".
func readCacheDuration(v *value) {
	var all []AuthCache
	for _, rule := range v.list() {
		words := strings.Fields(rule)
		var c AuthCache
		var err error
		if c.For, err = time.ParseDuration(words[len(words)-1]); err != nil || c.For <= 0 || c.For > 24*time.Hour {
			v.invalid("%q does not end in a time like 10m, of a day at most: answers are kept as if it were not given", rule)
			return
		}
		for _, w := range words[:len(words)-1] {
			n, err := strconv.Atoi(w)
			if err != nil || n < 200 || n > 599 {
				v.invalid("%q is no status: answers are kept as if it were not given", w)
				return
			}
			c.Statuses = append(c.Statuses, n)
		}
		if len(c.Statuses) == 0 {
			c.Statuses = []int{200, 301, 302}
		}
		all = append(all, c)
	}
	v.s.Auth.CacheFor = all
}

// readAuthMethod reads a method that ingress-nginx knows.
func readAuthMethod(v *value) {
	if v.text == "" {
		v.ignored("is empty: the service is asked with GET")
		return
	}
	v.oneOf(&v.s.Auth.Method, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
}

// readAuthHeaders reads names of fields.
func readAuthHeaders(v *value) {
	if len(v.list()) == 0 {
		v.ignored("is empty: no field is copied")
		return
	}
	v.tokens(&v.s.Auth.Headers)
}

// denied has nobody pass an Ingress that asks a service with what cannot be read, as ingress-nginx does. The same in its ConfigMap has
// no effect there.
func (r *reading) denied(name string) {
	f := r.given[name]
	if f == nil || f.Verdict != Invalid || r.forAll || r.Denied != "" {
		return
	}
	r.Denied = name
	f.Message = strings.TrimSuffix(f.Message, ": it has no effect") + ": every path of this Ingress answers 503"
}

// readGlobalAuth takes a bad value for true: whom everybody is sent to is asked.
func readGlobalAuth(v *value) {
	on := true
	if v.boolean(&on) {
		v.s.Auth.NoGlobal = !on
	}
}

// global takes over whom everybody is sent to, where an Ingress names nobody itself. Its own login stays.
func (a *Auth) global() bool {
	if a.Global == nil || a.NoGlobal {
		return false
	}
	own := *a
	*a = *own.Global
	a.Scheme, a.Secret, a.Map, a.Realm = own.Scheme, own.Secret, own.Map, own.Realm
	return true
}

// withAuthURL are the annotations that mean something beside auth-url only.
func withAuthURL() []string {
	return []string{"auth-method", "auth-signin", "auth-signin-redirect-param", "auth-response-headers", "auth-request-redirect", "auth-cache-key", "auth-cache-duration", "auth-always-set-cookie"}
}

func settleAuth(r *reading) {
	a := &r.Auth
	if !r.tried("auth-url") && a.global() {
		for _, name := range withAuthURL() {
			r.say(name, Ignored, withURL)
		}
		return
	}
	if a.Scheme == "" {
		for _, name := range []string{"auth-secret", "auth-secret-type", "auth-realm"} {
			if r.has(name) {
				r.say(name, Ignored, "it belongs to auth-type")
			}
		}
	} else if a.Secret == "" && r.Denied == "" {
		r.Denied = "auth-secret"
		r.say("auth-type", Invalid, "auth-secret, which names the users, is missing: every path of this Ingress answers 503")
	} else if a.Scheme == DigestAuth && a.Realm == "" && r.Denied == "" {
		r.Denied = "auth-realm"
		r.say("auth-type", Invalid, "digest needs auth-realm, without which ingress-nginx asks nobody: every path of this Ingress answers 503")
	}
	if a.URL == "" {
		for _, name := range withAuthURL() {
			if r.has(name) {
				r.say(name, Ignored, withURL)
			}
		}
		return
	}
	r.denied("auth-method")
	r.denied("auth-response-headers")
	if a.CacheKey != "" && len(a.CacheFor) == 0 {
		a.CacheFor = []AuthCache{{[]int{200, 202, 401}, 5 * time.Minute}}
	}
}
