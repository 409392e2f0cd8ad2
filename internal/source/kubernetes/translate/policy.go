package translate

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
)

// The names of settings are those of the filters, which no source imports: a case for each annotation keeps them together.
type settings map[string]any

// MarshalJSON leaves out what is not set: a setting that is its own default says nothing.
func (s settings) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	for name, v := range s {
		if r := reflect.ValueOf(v); r.IsValid() && !r.IsZero() {
			out[name] = v
		}
	}
	return json.Marshal(out)
}

// cors is enable-cors and what belongs to it.
func (d *draft) cors() {
	c := &d.set.CORS
	if !c.On || len(c.Origins) == 0 {
		return
	}
	d.filter("cors", settings{"origins": c.Origins, "methods": c.Methods, "headers": c.Headers, "expose": c.Expose,
		"credentials": !c.NoCredentials, "maxAge": c.MaxAge, "everything": true})
}

// limits are limit-connections, limit-rpm and limit-rps, in the order in which they are looked at. All paths of an Ingress
// count together. As in nginx, a request of which there is nothing to count it by passes.
func (d *draft) limits() {
	l := &d.set.Limits
	key := settings{"ipv6": 128}
	if l.Key != "" {
		key = settings{"by": "text", "text": l.Key, "without": "pass"}
	}
	limit := func(kind string, requests, status int, more settings) {
		if requests == 0 {
			return
		}
		more["requests"], more["status"], more["scope"], more["exempt"] = requests, status, "object", l.Exempt
		more["key"] = key
		d.filter(kind, more)
	}
	limit("concurrency-limit", l.Connections, l.ConnStatus, settings{})
	limit("rate-limit", l.PerMinute, l.RateStatus, settings{"per": time.Minute.String(), "burst": l.PerMinute * l.Burst})
	limit("rate-limit", l.PerSecond, l.RateStatus, settings{"burst": l.PerSecond * l.Burst})
}

// addresses are denylist-source-range and allowlist-source-range, and block-cidrs of an installation.
func (d *draft) addresses() {
	l, deny := &d.set.Limits, d.set.Limits.Deny
	if d.asInstalled() {
		deny = slices.Concat(d.whole.Block, deny)
	}
	if len(l.Allow)+len(deny) > 0 {
		d.filter("addresses", settings{"allow": l.Allow, "deny": deny})
	}
}

func secretData(s *corev1.Secret) model.SecretData {
	values := map[string]string{}
	for name, v := range s.Data {
		values[name] = string(v)
	}
	for name, v := range s.StringData {
		values[name] = v
	}
	return model.NewSecretData(values)
}

// beginsWith tells whether the path begins with one of the texts.
func (d *draft) beginsWith(all []string) bool {
	return d.path != nil && slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(d.path.Path, p) })
}

// externalAuth is auth-url and what belongs to it.
func (d *draft) externalAuth() {
	a := &d.set.Auth
	if a.URL == "" || d.beginsWith(d.whole.NoAuth) {
		return
	}
	back := a.Return
	if back == "" {
		back = "{uri}"
	}
	type field = map[string]string
	headers := []field{
		{"name": "X-Original-URL", "value": "{scheme}://{authority}{uri}"},
		{"name": "X-Original-Method", "value": "{method}"},
		{"name": "X-Sent-From", "value": "nginx-ingress-controller"},
		{"name": "X-Auth-Request-Redirect", "value": back},
	}
	if a.Method != "" {
		headers = append(headers, field{"name": "X-Original-URI", "value": "{uri}"}, field{"name": "X-Scheme", "value": "{scheme}"})
	}
	var omit []string
	if d.nginx && a.Method == "" {
		omit = []string{"X-Scheme"} // told has set it already, for endpoints
	}
	config := settings{"omit": omit, "url": a.URL, "method": a.Method, "headers": headers, "upstream": a.Headers, "signIn": a.SignIn, "signInParameter": a.SignInParam,
		"alwaysCookies": a.Cookies, "failStatus": 500, "timeout": time.Minute.String(), "loopback": d.store.opt.Loopback}
	if a.CacheKey != "" {
		var cache []any
		for _, c := range a.CacheFor {
			cache = append(cache, settings{"statuses": c.Statuses, "for": c.For.String()})
		}
		config["cacheKey"], config["cache"] = a.CacheKey, cache
	}
	d.filter("external-auth", config)
}
