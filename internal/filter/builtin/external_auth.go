package builtin

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// ExternalAuth configures "external-auth": a service is asked about each request, without its body. An answer of 2xx lets it
// pass, 401 and 403 go to the client, and everything else, an answer that does not come included, refuses the request. Texts may
// hold parts of the request: {scheme}, {host}, {authority}, {path}, {uri}, {escaped-uri}, {method}, {client}, {id}, {user},
// {header.NAME}, {cookie.NAME}, {query.NAME}.
type ExternalAuth struct {
	URL     string   `json:"url"`               // text, http or https; of its host the client may choose nothing but the host that it asks for
	Method  string   `json:"method,omitempty"`  // default GET
	Timeout Duration `json:"timeout,omitempty"` // of the whole question; default 5s, at most 60s
	Headers []Header `json:"headers,omitempty"` // set in the question, values are texts; the rest are the client's own
	Omit    []string `json:"omit,omitempty"`    // fields of the client that the service does not get
	// Upstream are the fields of a good answer that the upstream gets. Those of the client with these names are never sent on.
	Upstream []string `json:"upstream,omitempty"`
	// SignIn is where a browser is sent in place of a 401: a text. The address that it wanted is added as the query parameter
	// SignInParameter (default rd), unless the text has that already.
	SignIn          string      `json:"signIn,omitempty"`
	SignInParameter string      `json:"signInParameter,omitempty"`
	AlwaysCookies   bool        `json:"alwaysCookies,omitempty"`   // Set-Cookie of the service reaches the client on every status; default: on 200 201 204 206 301 302 303 304 307 308
	Cache           []AuthCache `json:"cache,omitempty"`           // how long answers are kept, by status; needs CacheKey
	CacheKey        string      `json:"cacheKey,omitempty"`        // text; must hold all by which the service decides, credentials first of all
	FailStatus      int         `json:"failStatus,omitempty"`      // where the service does not decide: 500 to 599, default 503
	Loopback        bool        `json:"loopback,omitempty"`        // the service may be on this machine. Link-local addresses never are asked
	SkipVerify      bool        `json:"skipVerify,omitempty"`      // takes any certificate of the service
	IdleConnections int         `json:"idleConnections,omitempty"` // kept to each service; default 32, negative = none
}

// AuthCache is how long answers with some statuses are kept.
type AuthCache struct {
	Statuses model.Statuses `json:"statuses"`
	For      Span           `json:"for"` // at most 24h
}

// Bounds of what is asked and kept.
const (
	defaultAuthTimeout = 5 * time.Second
	maxAuthTimeout     = time.Minute
	maxAuthCached      = 24 * time.Hour
	defaultAuthIdle    = 32
	maxAuthIdle        = 1024
)

// Validate refuses what could not be asked, and what a client could turn to another service.
func (c ExternalAuth) Validate() error {
	if _, err := parseService(c.URL); err != nil {
		return err
	}
	switch {
	case c.Method != "" && !http1.IsToken(c.Method) || c.Method == "CONNECT":
		return fmt.Errorf("method %q is none that can be asked with", c.Method)
	case c.Timeout < 0 || time.Duration(c.Timeout) > maxAuthTimeout:
		return fmt.Errorf("timeout is %v: want up to %v", c.Timeout, maxAuthTimeout)
	case c.FailStatus != 0 && (c.FailStatus < 500 || c.FailStatus > 599):
		return fmt.Errorf("failStatus is %d: want 500 to 599", c.FailStatus)
	case len(c.Cache) > 0 && c.CacheKey == "":
		return fmt.Errorf("cacheKey is empty: without it one client's answer would be another's")
	case c.SignInParameter != "" && !http1.IsToken(c.SignInParameter):
		return fmt.Errorf("signInParameter %q is no name", c.SignInParameter)
	case c.IdleConnections > maxAuthIdle:
		return fmt.Errorf("idleConnections is %d: at most %d", c.IdleConnections, maxAuthIdle)
	}
	if c.SignIn != "" {
		if err := validateSignIn(c.SignIn); err != nil {
			return err
		}
	}
	if _, err := parseText(c.CacheKey); err != nil {
		return fmt.Errorf("cacheKey: %w", err)
	}
	for i, r := range c.Cache {
		if len(r.Statuses) == 0 || r.For <= 0 || time.Duration(r.For) > maxAuthCached {
			return fmt.Errorf("cache[%d]: want statuses, and for up to %v", i, maxAuthCached)
		}
	}
	for i, h := range c.Headers {
		if !http1.IsToken(h.Name) || !http1.IsFieldValue(h.Value) || http1.Managed(h.Name) && !http1.EqualFold(h.Name, "Host") {
			return fmt.Errorf("headers[%d]: %q cannot be set", i, h.Name)
		}
		if _, err := parseText(h.Value); err != nil {
			return fmt.Errorf("headers[%d]: %w", i, err)
		}
	}
	for i, n := range append(c.Upstream[:len(c.Upstream):len(c.Upstream)], c.Omit...) {
		if err := validateName(n); err != nil {
			return fmt.Errorf("upstream or omit [%d]: %w", i, err)
		}
	}
	return nil
}

// parseService reads the URL of a service that is sent requests: everything before its path must not be for the client to choose.
func parseService(s string) (text, error) {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(s, "http://"); !ok {
			return nil, fmt.Errorf("url %q begins with neither http:// nor https://", s)
		}
	}
	host := hostOf(rest)
	h, err := parseText(host)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if host == "" || strings.Contains(host, "@") || !h.trusted() {
		return nil, fmt.Errorf("url: host %q is empty, has a user, or is for clients to choose", host)
	}
	t, err := parseText(s)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return nil, fmt.Errorf("url %q has a byte that no address has", s)
	}
	return t, nil
}

// hostOf is the part of a text behind its scheme that is its host: a path may follow as a part of the request, which begins with a slash.
func hostOf(rest string) string {
	for _, end := range [...]string{"/", "?", "#", "{path}", "{uri}"} {
		rest, _, _ = strings.Cut(rest, end)
	}
	return rest
}

func validateSignIn(s string) error {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") && (!strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//")) || !http1.IsFieldValue(s) || strings.ContainsAny(s, " \\") {
		return fmt.Errorf("signIn %q is neither a URL nor a path with one slash", s)
	}
	if _, err := parseText(s); err != nil {
		return fmt.Errorf("signIn: %w", err)
	}
	return nil
}

// signIn sends a browser to where it can prove who it is.
func (f *externalAuth) signInAt(x *filter.Exchange) string {
	to := f.signIn.address(x)
	if f.parameter == "" {
		return to
	}
	join := "?"
	if strings.Contains(to, "?") {
		join = "&"
	}
	return to + join + f.parameter + "=" + schemeOf(x) + "://" + x.Request.Authority + url.QueryEscape(uriOf(x))
}

// hasParameter tells whether a text already says where to come back to.
func hasParameter(signIn, name string) bool {
	_, query, _ := strings.Cut(signIn, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if n, _, _ := strings.Cut(pair, "="); n == name {
			return true
		}
	}
	return false
}

// keeps are the times that answers are kept for, by status.
func (c ExternalAuth) keeps() map[int]time.Duration {
	out := map[int]time.Duration{}
	for _, r := range c.Cache {
		for _, s := range r.Statuses {
			for status := s.From; status <= s.To; status++ {
				out[status] = time.Duration(r.For)
			}
		}
	}
	return out
}

// poolKey tells connections of unlike kinds apart.
func (c ExternalAuth) poolKey() string {
	return "external-auth connections " + strconv.FormatBool(c.Loopback) + " " + strconv.FormatBool(c.SkipVerify) + " " + strconv.Itoa(c.IdleConnections)
}
