package builtin

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/inward"
)

// authPool keeps connections to services that decide about requests.
type authPool struct{ *http.Transport }

// Close ends the connections that are kept. Nobody asks any more when the last filter went.
func (p authPool) Close() error {
	p.CloseIdleConnections()
	return nil
}

const (
	maxAuthHead    = 64 << 10 // bytes of an answer's head
	maxAuthBody    = 64 << 10 // bytes of its body that are read, to keep the connection; nothing is done with them
	maxAuthConns   = 256      // to each service at the same time
	maxAuthEntries = 10_000   // answers that are kept, for each route
	maxAuthKept    = 8 << 10  // bytes of one of them
)

func newAuthPool(c ExternalAuth) authPool {
	idle := c.IdleConnections
	if idle == 0 {
		idle = defaultAuthIdle
	}
	dialer := inward.Dialer(c.Loopback, maxAuthTimeout)
	return authPool{&http.Transport{
		DialContext: dialer.DialContext, DisableCompression: true, DisableKeepAlives: idle < 0,
		MaxConnsPerHost: maxAuthConns, MaxIdleConnsPerHost: max(idle, 0), MaxIdleConns: maxAuthIdle, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: maxAuthHead, TLSHandshakeTimeout: maxAuthTimeout,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipVerify}, //nolint:gosec // somebody asked for it, field by field
	}}
}

// authAnswer is what a service has decided.
type authAnswer struct {
	status    int
	upstream  []http1.Field // for the upstream, Filter.Upstream
	cookies   []string
	challenge []string
	expires   time.Time // as an entry of the cache
}

func externalAuthKind() filter.Kind {
	return filter.Define("external-auth", func(c ExternalAuth, env filter.Env) (filter.Filter, error) {
		f := &externalAuth{ExternalAuth: c, clock: env.Clock, keep: c.keeps(), timeout: time.Duration(c.Timeout), failStatus: c.FailStatus, parameter: c.SignInParameter}
		var err error
		if f.url, err = parseService(c.URL); err != nil {
			return nil, err
		}
		for _, h := range c.Headers {
			t, err := parseText(h.Value)
			if err != nil {
				return nil, err
			}
			f.headers = append(f.headers, authHeader{h.Name, t})
		}
		if f.signIn, err = parseText(c.SignIn); err != nil {
			return nil, err
		}
		if f.cacheKey, err = parseText(c.CacheKey); err != nil {
			return nil, err
		}
		setDefault(&f.Method, "GET")
		setDefault(&f.timeout, defaultAuthTimeout)
		setDefault(&f.failStatus, 503)
		setDefault(&f.parameter, "rd")
		if hasParameter(c.SignIn, f.parameter) {
			f.parameter = ""
		}
		if len(f.keep) > 0 {
			f.digester = newKeyer(Key{})
			f.cache = newKeyed[*authAnswer](maxAuthEntries)
		}
		if f.pool, err = filter.Use(env, c.poolKey(), func() (authPool, error) { return newAuthPool(c), nil }); err != nil {
			return nil, err
		}
		f.meanwhile = fmt.Sprintf("requests are answered %d", f.failStatus)
		f.asked, err = filter.Depend(env, filter.Ask{Kind: "external-auth", Address: bare(c.URL), Settles: settles,
			As: fmt.Sprintf("%q %v %v %v %v", c.URL, c.Loopback, c.SkipVerify, f.timeout, f.failStatus)})
		return f, err
	})
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

type authHeader struct {
	name  string
	value text
}

type externalAuth struct {
	ExternalAuth
	url, signIn, cacheKey text
	headers               []authHeader
	timeout               time.Duration
	failStatus            int
	parameter             string // "" = it is not added
	keep                  map[int]time.Duration
	cache                 *keyed[*authAnswer] // of this filter alone: an answer is of no use to a route that asks otherwise
	digester              keyer
	clock                 filter.Clock
	pool                  authPool
	asked                 *filter.Dependency // the service
	meanwhile             string             // what happens while it is away
}

var _ filter.ResponseFilter = (*externalAuth)(nil)

// OwnsFields implements filter.FieldOwner.
func (*externalAuth) OwnsFields() {}

func (f *externalAuth) Request(x *filter.Exchange) filter.Verdict {
	if !once(x, "Authorization") { // the service would judge by one of them
		return filter.Respond
	}
	f.forget(x)
	if f.cache == nil {
		a, over := f.ask(x)
		if over {
			return filter.Respond
		}
		return f.decide(x, a)
	}
	id := f.digester.digest(5, x.Request.Host+"\x00"+f.cacheKey.key(x))
	if a := f.cached(id); a != nil {
		return f.decide(x, a)
	}
	a, over := f.ask(x)
	if over {
		return filter.Respond
	}
	if a != nil {
		f.store(id, a)
	}
	return f.decide(x, a)
}

// forget drops what the client says in fields that are for the service to fill: it could be believed. Credentials stay for the
// service to see; they go before its own are set.
func (f *externalAuth) forget(x *filter.Exchange) {
	for _, name := range f.Upstream {
		if !http1.EqualFold(name, "Authorization") && !http1.EqualFold(name, "Cookie") {
			x.Request.Fields.DelFunc(func(has string) bool { return http1.SameName(has, name) })
		}
	}
}

// ask returns what the service decides: nil if it does not. over: the request is, and was answered.
func (f *externalAuth) ask(x *filter.Exchange) (a *authAnswer, over bool) {
	req, err := f.question(x)
	if err != nil {
		return nil, false
	}
	if !x.Wait(f.timeout, func(ctx context.Context) {
		var resp *http.Response
		if resp, err = f.pool.RoundTrip(req.WithContext(ctx)); err != nil {
			return
		}
		defer resp.Body.Close()
		_, _ = io.CopyN(io.Discard, resp.Body, maxAuthBody) // what comes after is not worth the connection
		a = f.answer(resp)
	}) {
		return nil, true // that it has not answered is then not to blame on the service
	}
	switch {
	case err != nil:
		f.asked.Failed(err, f.meanwhile)
	case !a.decides():
		f.asked.Failed(fmt.Errorf("its answer has status %d: want 2xx, 401 or 403", a.status), f.meanwhile)
	default:
		f.asked.Answered()
	}
	return a, false
}

// decides tells whether an answer says yes or no.
func (a *authAnswer) decides() bool {
	return a.status >= 200 && a.status < 300 || a.status == 401 || a.status == 403
}

// settles is how long nothing must have failed until somebody who is asked for each request is back.
const settles = 5 * time.Second

// bare is an address without its query, which may hold what is secret.
func bare(address string) string {
	address, _, _ = strings.Cut(address, "?")
	return address
}

// question copies what the service gets: the client's fields but for those of its connection and its body.
func (f *externalAuth) question(x *filter.Exchange) (*http.Request, error) {
	to, err := f.url.parse(f.url.address(x))
	if err != nil {
		return nil, fmt.Errorf("external-auth: make question: %w", err)
	}
	req := &http.Request{Method: f.Method, URL: to, Host: to.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	fields := &x.Request.Fields
	for i := range fields.Len() {
		h := fields.At(i)
		if !fields.Forwarded(i) || http1.Managed(h.Name) || http1.EqualFold(h.Name, "X-Forwarded-Proto") || http1.EqualFold(h.Name, "Content-Type") ||
			slices.ContainsFunc(f.Omit, func(n string) bool { return http1.SameName(n, h.Name) }) ||
			slices.ContainsFunc(f.headers, func(own authHeader) bool { return http1.SameName(own.name, h.Name) }) {
			continue
		}
		req.Header.Add(strings.Clone(h.Name), strings.Clone(h.Value))
	}
	for _, h := range f.headers {
		value := strings.Clone(h.value.of(x))
		switch {
		case !http1.IsFieldValue(value):
			return nil, fmt.Errorf("external-auth: make question: %s has a control byte", h.name)
		case http1.EqualFold(h.name, "Host"):
			req.Host = value
		case value == "": // the client's is left out already
		default:
			req.Header.Set(h.name, value)
		}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "") // the client has said none, and net/http would
	}
	return req, nil
}

// answer keeps of an answer what somebody will get.
func (f *externalAuth) answer(resp *http.Response) *authAnswer {
	a := &authAnswer{status: resp.StatusCode, cookies: resp.Header.Values("Set-Cookie"), challenge: resp.Header.Values("Www-Authenticate")}
	for _, name := range f.Upstream {
		for _, v := range resp.Header.Values(name) {
			if http1.IsFieldValue(v) {
				a.upstream = append(a.upstream, http1.Field{Name: name, Value: v})
			}
		}
	}
	return a
}

// decide does what the service says.
func (f *externalAuth) decide(x *filter.Exchange, a *authAnswer) filter.Verdict {
	switch {
	case a != nil && a.status >= 200 && a.status < 300:
		for _, name := range f.Upstream {
			x.Request.Fields.DelFunc(func(has string) bool { return http1.SameName(has, name) })
		}
		for _, h := range a.upstream {
			x.Request.Fields.Add(h.Name, h.Value)
		}
		x.Cookies = append(x.Cookies, a.cookies...)
		x.Admit(true)
		return filter.Continue
	case a != nil && a.status == 401 && len(f.signIn) > 0:
		x.Respond(302, CodeUnauthorized, "")
		x.Response.Fields.Set("Location", f.signInAt(x))
		filter.KeepLocation(&x.Response)
	case a != nil && a.status == 401:
		x.Respond(401, CodeUnauthorized, "This needs authentication.\n")
		for _, c := range a.challenge {
			x.Response.Fields.Add("WWW-Authenticate", c)
		}
	case a != nil && a.status == 403:
		x.Respond(403, CodeUnauthorized, "This is not served here to everybody.\n")
	default: // nobody has said yes
		return x.Respond(f.failStatus, CodeAuthFailed, "It could not be decided whether this may be served.\n")
	}
	x.Cookies = append(x.Cookies, a.cookies...)
	f.Response(x)
	return filter.Respond
}

// Response gives the client the cookies of the service.
func (f *externalAuth) Response(x *filter.Exchange) {
	if f.AlwaysCookies || slices.Contains([]int{200, 201, 204, 206, 301, 302, 303, 304, 307, 308}, x.Response.Status) {
		for _, c := range x.Cookies {
			if http1.IsFieldValue(c) {
				x.Response.Fields.Add("Set-Cookie", c)
			}
		}
	}
	clear(x.Cookies)
	x.Cookies = x.Cookies[:0]
}

func (f *externalAuth) cached(id key) *authAnswer {
	s, _ := f.cache.lock(id)
	defer s.Unlock()
	at, ok := s.index[id]
	if !ok {
		return nil
	}
	a := s.entries[at].value
	if f.clock.Now().After(a.expires) {
		return nil
	}
	s.take(id)
	return a
}

// store keeps an answer, if one of its status is kept. One that sets cookies is for one client alone.
func (f *externalAuth) store(id key, a *authAnswer) {
	size := 0
	for _, h := range a.upstream {
		size += len(h.Name) + len(h.Value)
	}
	for _, c := range a.challenge {
		size += len(c)
	}
	keep := f.keep[a.status]
	if keep <= 0 || len(a.cookies) > 0 || size > maxAuthKept {
		return
	}
	kept := *a
	kept.expires = f.clock.Now().Add(keep)
	s, _ := f.cache.lock(id)
	defer s.Unlock()
	at, _ := s.take(id)
	s.entries[at].value = &kept
}
