package builtin

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// CodeOrigin is the code of the answer 403 to requests of an origin that is not accepted, or not with what it asks for, where such are
// refused.
const CodeOrigin model.Code = "origin-refused"

// CORS configures "cors": which pages of other origins may read what is answered here (Fetch standard, section 3.2). Origins are
// compared whole and in any case.
type CORS struct {
	// Origins are scheme://host[:port], scheme://*.host for one label more, null, or * alone for all. The origin that was
	// accepted is sent back, or * for *.
	Origins []string `json:"origins,omitempty"`
	// Patterns are origins with * for any text, * alone for all, and a list of ports behind: https://*.shop.test:[443,8443]. The
	// origin that was accepted is sent back, for * too.
	Patterns    []string `json:"patterns,omitempty"`
	Methods     []string `json:"methods,omitempty"`     // sent as they are; default GET, PUT, POST, DELETE, PATCH, OPTIONS
	Headers     []string `json:"headers,omitempty"`     // that requests may have, sent as they are; default: those that were asked for
	Expose      []string `json:"expose,omitempty"`      // fields of the answer that scripts may read
	Credentials bool     `json:"credentials,omitempty"` // cookies may be sent. Browsers refuse that together with *, and so does this, but for Everything
	// PrivateNetwork tells a preflight that asks for it that a page of a public network may reach the service in a private one (Private Network
	// Access). Not together with *, as with Credentials: every page on the internet would reach into it.
	PrivateNetwork bool `json:"privateNetwork,omitempty"`
	MaxAge         int  `json:"maxAge,omitempty"` // seconds that a preflight's answer may be kept; 0 = it does not say
	// Everything makes it do what ingress-nginx does: every OPTIONS request of an accepted origin is answered here, with * any
	// OPTIONS request at all, and every answer has all of the fields. Without it only preflights are answered here, and answers
	// have what the standard asks of them.
	Everything bool `json:"everything,omitempty"`
	// Refuse answers 403 to a request that names an origin which is not accepted, or comes from another origin with a method that is not
	// in Methods, and to a preflight that asks for headers none of which is in Headers, as Spring Cloud Gateway does. Methods may be * then.
	// Without it such a request is served, and the browser keeps the answer from the page. The host's own pages are not refused: see own.
	Refuse bool `json:"refuse,omitempty"`
}

// maxOrigins bounds the origins: each request is held against all of them.
const maxOrigins = 256

// Validate refuses origins that are none and names that no header or method has.
func (c CORS) Validate() error {
	if n := len(c.Origins) + len(c.Patterns); n == 0 || n > maxOrigins {
		return fmt.Errorf("origins and patterns have %d: want 1 to %d", n, maxOrigins)
	}
	for i, p := range c.Patterns {
		if _, err := parseOriginPattern(p); err != nil {
			return fmt.Errorf("patterns[%d]: %w", i, err)
		}
	}
	if c.Credentials && !c.Everything && slices.Equal(c.Origins, []string{"*"}) {
		return fmt.Errorf("origins is * together with credentials, which browsers refuse: name the origins, or give patterns: ['*'], which sends each one back")
	}
	if c.PrivateNetwork && slices.Equal(c.Origins, []string{"*"}) {
		return fmt.Errorf("origins is * together with privateNetwork, which would let every page into a private network: name the origins, or give patterns")
	}
	for i, o := range c.Origins {
		if o == "*" && len(c.Origins) > 1 {
			return fmt.Errorf("origins[%d]: * is all there are: give it alone", i)
		}
		if _, err := parseOrigin(o); err != nil {
			return fmt.Errorf("origins[%d]: %w", i, err)
		}
	}
	for field, names := range map[string][]string{"methods": c.Methods, "headers": c.Headers, "expose": c.Expose} {
		for i, n := range names {
			if !http1.IsToken(n) {
				return fmt.Errorf("%s[%d]: %q is no name", field, i, n)
			}
		}
	}
	if c.MaxAge < 0 {
		return fmt.Errorf("maxAge is negative")
	}
	return nil
}

// origin is one that is accepted: as a whole, or before and behind a label.
type origin struct{ before, after string }

func parseOrigin(s string) (origin, error) {
	if s == "*" || s == "null" {
		return origin{before: s}, nil
	}
	before, after, wild := strings.Cut(s, "*.")
	u, err := url.Parse(before + after)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || u.Host != strings.TrimPrefix(before+after, u.Scheme+"://"):
		return origin{}, fmt.Errorf("%q is no origin: want scheme://host or scheme://host:port, with nothing behind it", s)
	case wild && before != u.Scheme+"://", strings.Contains(before+after, "*"):
		return origin{}, fmt.Errorf("%q: a wildcard is one label, the first: scheme://*.host", s)
	case wild:
		return origin{before, "." + after}, nil
	}
	return origin{before: before}, nil
}

func (o origin) accepts(s string) bool {
	if o.after == "" {
		return http1.EqualFold(s, o.before)
	}
	n := len(s) - len(o.before) - len(o.after)
	if n <= 0 || !http1.EqualFold(s[:len(o.before)], o.before) || !http1.EqualFold(s[len(s)-len(o.after):], o.after) {
		return false
	}
	for _, c := range []byte(s[len(o.before) : len(o.before)+n]) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func corsKind() filter.Kind {
	return filter.Define(model.FilterCORS, func(c CORS, _ filter.Env) (filter.Filter, error) {
		f := &cors{CORS: c, headers: strings.Join(c.Headers, ","), expose: strings.Join(c.Expose, ","), any: len(c.Origins) > 0 && c.Origins[0] == "*"}
		if f.allowed = c.Methods; len(f.allowed) == 0 {
			f.allowed = []string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"}
		}
		f.methods, f.anyMethod = strings.Join(f.allowed, ", "), c.Refuse && slices.Contains(f.allowed, "*")
		if c.MaxAge > 0 {
			f.age = strconv.Itoa(c.MaxAge)
		}
		for _, s := range c.Origins {
			o, err := parseOrigin(s)
			if err != nil {
				return nil, err
			}
			f.origins = append(f.origins, o)
		}
		for _, s := range c.Patterns {
			p, err := parseOriginPattern(s)
			if err != nil {
				return nil, err
			}
			f.patterns = append(f.patterns, p)
		}
		return f, nil
	})
}

type cors struct {
	CORS
	origins                       []origin
	patterns                      []originPattern
	any                           bool
	allowed                       []string // methods
	anyMethod                     bool
	methods, headers, expose, age string
}

var _ filter.ResponseFilter = (*cors)(nil)

// accepted returns what to say to the request's origin: itself, *, or nothing.
func (f *cors) accepted(x *filter.Exchange) string {
	from := x.Request.Fields.Get("Origin")
	switch {
	case f.any && (from != "" || f.Everything):
		return "*"
	case from == "":
		return ""
	}
	for _, o := range f.origins {
		if o.accepts(from) {
			return from
		}
	}
	for i := range f.patterns {
		if f.patterns[i].accepts(from) {
			return from
		}
	}
	return ""
}

// own tells whether a request's origin is the host that it is sent to, and as safe: a page in clear text is nobody's own who is asked over
// TLS, for anybody on the way may have written it. One over TLS is the host's own where the request is in clear text, too: what ends TLS may
// stand in front and not say so.
func own(x *filter.Exchange) bool {
	scheme, authority, ok := strings.Cut(x.Request.Fields.Get("Origin"), "://")
	return ok && http1.EqualFold(authority, x.Request.Authority) && (http1.EqualFold(scheme, "https") || schemeOf(x) == "http")
}

func (f *cors) Request(x *filter.Exchange) filter.Verdict {
	r := &x.Request
	to := f.accepted(x)
	switch {
	case to == "" && isGuest(x), f.Refuse && r.Fields.Has("Origin") && !own(x) && (to == "" || !f.permits(r)):
		return x.Respond(403, CodeOrigin, "This is not served here to everybody.\n")
	case to == "" || r.Method != "OPTIONS", !f.Everything && !r.Fields.Has("Access-Control-Request-Method"):
		return filter.Continue
	}
	x.Respond(204, "", "")
	f.say(x, to, true)
	return filter.Respond
}

// isGuest tells whether a request is one that its route takes for this filter to answer, and nobody else: its methods have no OPTIONS.
func isGuest(x *filter.Exchange) bool {
	return x.Route != nil && len(x.Route.Match.Methods) > 0 && !slices.Contains(x.Route.Match.Methods, x.Request.Method)
}

// permits tells whether a request of another origin has a method, or a preflight asks for a method and headers, that Refuse lets pass.
func (f *cors) permits(r *http1.Request) bool {
	method := r.Method
	asks := r.Method == "OPTIONS" && r.Fields.Has("Access-Control-Request-Method")
	if asks {
		method = r.Fields.Get("Access-Control-Request-Method")
	}
	if !f.anyMethod && !slices.Contains(f.allowed, method) {
		return false
	}
	if !asks || len(f.Headers) == 0 {
		return true
	}
	wanted := false
	for v := range r.Fields.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.Trim(name, " \t"); name == "" {
				continue
			}
			wanted = true
			if slices.ContainsFunc(f.Headers, func(h string) bool { return http1.EqualFold(h, name) }) {
				return true
			}
		}
	}
	return !wanted
}

// Response tells the browser what it may do with the answer. What the upstream says of it is taken out, or it would let in whom the filter
// does not; ingress-nginx leaves it for an origin that is not accepted.
func (f *cors) Response(x *filter.Exchange) {
	if !f.Everything {
		for _, name := range [...]string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers",
			"Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Allow-Private-Network", "Access-Control-Max-Age"} {
			x.Response.Fields.Del(name)
		}
	}
	switch to := f.accepted(x); {
	case f.any: // said to who names no origin too, or a cache would give that answer to a page of another one (Fetch, 3.2.5)
		f.say(x, "*", f.Everything)
	case to != "":
		f.say(x, to, f.Everything)
	default:
		f.vary(x)
	}
}

func (f *cors) say(x *filter.Exchange, to string, all bool) {
	out := &x.Response.Fields
	out.Set("Access-Control-Allow-Origin", to)
	if f.Credentials {
		out.Set("Access-Control-Allow-Credentials", "true")
	}
	if f.expose != "" {
		out.Set("Access-Control-Expose-Headers", f.expose)
	}
	if all {
		methods := f.methods
		if f.anyMethod {
			methods = x.Request.Fields.Get("Access-Control-Request-Method")
		}
		out.Set("Access-Control-Allow-Methods", methods)
		headers := f.headers
		if headers == "" {
			headers = x.Request.Fields.Get("Access-Control-Request-Headers")
		}
		if headers != "" {
			out.Set("Access-Control-Allow-Headers", headers)
		}
		if f.PrivateNetwork && http1.EqualFold(x.Request.Fields.Get("Access-Control-Request-Private-Network"), "true") {
			out.Set("Access-Control-Allow-Private-Network", "true")
		}
		if f.age != "" {
			out.Set("Access-Control-Max-Age", f.age)
		}
	}
	if to != "*" {
		f.vary(x)
	}
}

// vary keeps caches from giving one origin's answer to another.
func (f *cors) vary(x *filter.Exchange) {
	for v := range x.Response.Fields.Values("Vary") {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.Trim(name, " \t"); name == "*" || http1.EqualFold(name, "Origin") {
				return
			}
		}
	}
	x.Response.Fields.Add("Vary", "Origin")
}
