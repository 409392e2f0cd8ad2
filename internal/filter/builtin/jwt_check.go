package builtin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/jwks"
	"paifang/internal/model"
)

// CodeForbidden is why somebody who is known may not: 403.
const CodeForbidden model.Code = "forbidden"

// keySource has keys, and may be asked for newer ones.
type keySource interface {
	Keys() (*jwks.Set, uint64, error)
	Ask() <-chan struct{}
}

// fixedKeys never change.
type fixedKeys struct{ set *jwks.Set }

func (k fixedKeys) Keys() (*jwks.Set, uint64, error) { return k.set, 1, nil }
func (fixedKeys) Ask() <-chan struct{}               { return nil }

func jwtKind() filter.Kind {
	return filter.Define("jwt", func(c JWT, env filter.Env) (filter.Filter, error) {
		f := &jwt{JWT: c, clock: env.Clock, timeout: time.Duration(c.Timeout), skew: defaultJWTSkew, known: newKeyed[*goodToken](knownTokens)}
		setDefault(&f.timeout, defaultAuthTimeout)
		setDefault(&f.Header, "Authorization")
		setDefault(&f.User, "sub")
		if len(f.Algorithms) == 0 {
			f.Algorithms = []string{"RS256", "ES256", "EdDSA"}
		}
		if c.Skew != nil {
			f.skew = time.Duration(*c.Skew)
		}
		f.challenge = "Bearer"
		if c.Realm != "" {
			f.challenge += ` realm="` + c.Realm + `",`
		}
		if _, err := rand.Read(f.pepper[:]); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		var err error
		f.keys, err = c.source(env, f.timeout)
		return f, err
	})
}

// source finds the keys.
func (c JWT) source(env filter.Env, timeout time.Duration) (keySource, error) {
	switch {
	case c.URL != "":
		refresh, stale := time.Duration(c.Refresh), time.Duration(c.Stale)
		setDefault(&refresh, defaultJWTRefresh)
		setDefault(&stale, defaultJWTStale)
		pool, err := filter.Use(env, fmt.Sprintf("jwt connections %v", c.Loopback), func() (authPool, error) {
			return newAuthPool(ExternalAuth{Loopback: c.Loopback, IdleConnections: 1}), nil
		})
		if err != nil {
			return nil, err
		}
		asked, err := filter.Depend(env, filter.Ask{Kind: "jwt", Address: bare(c.URL), As: fmt.Sprintf("%q %v %v %v %v", c.URL, refresh, stale, timeout, c.Loopback)})
		if err != nil {
			return nil, err
		}
		return filter.Use(env, fmt.Sprintf("jwt keys %q %v %v %v %v", c.URL, refresh, stale, timeout, c.Loopback), func() (*jwks.Follower, error) {
			return jwks.Follow(jwks.Config{URL: c.URL, Transport: pool, Refresh: refresh, Stale: stale, Timeout: timeout, Now: env.Clock.Now, Told: toldOfKeys(asked)}), nil
		})
	case len(c.Keys) > 0:
		set, err := jwks.Parse(c.Keys)
		return fixedKeys{set}, err
	}
	set, err := c.setOf(env.Secret)
	return fixedKeys{set}, err
}

// setOf reads the keys that a Secret holds.
func (c JWT) setOf(d model.SecretData) (*jwks.Set, error) {
	key := cmp.Or(c.SecretKey, "jwks")
	text, ok := d.Get(key)
	if !ok {
		return nil, fmt.Errorf("has no key %q", key)
	}
	set, err := jwks.Parse([]byte(text.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("has no key set under %q: %w", key, err)
	}
	return set, nil
}

// ValidateSecret implements filter.SecretUser.
func (c JWT) ValidateSecret(d model.SecretData) error {
	switch {
	case c.URL != "" || len(c.Keys) > 0:
		return nil
	case d.Empty():
		return errors.New("has neither url nor keys, and names no secret: there is nothing to verify tokens with")
	}
	_, err := c.setOf(d)
	return err
}

// toldOfKeys tells a dependency what became of questions for a key set.
func toldOfKeys(asked *filter.Dependency) func(err error, until time.Time) {
	return func(err error, until time.Time) {
		switch {
		case err == nil:
			asked.Answered()
		case until.IsZero():
			asked.Failed(err, "there are no keys: requests with a token are answered 503")
		default:
			asked.Failed(err, "the last keys hold until "+until.UTC().Format(time.RFC3339))
		}
	}
}

// jwt verifies tokens, and remembers those that were good.
type jwt struct {
	JWT
	keys      keySource
	clock     filter.Clock
	timeout   time.Duration
	skew      time.Duration
	challenge string
	pepper    [sha256.Size]byte // of what is remembered, which is worth nothing to others
	known     *keyed[*goodToken]
}

// goodToken is what is remembered of a token.
type goodToken struct {
	version   uint64 // of the keys that it was verified with
	from, end time.Time
	user      string
	fields    []http1.Field
	forbidden bool // it is good, and does not say what is asked for
}

// badToken says what is wrong with one, for the client.
type badToken string

func (e badToken) Error() string { return string(e) }

// OwnsFields implements filter.FieldOwner.
func (*jwt) OwnsFields() {}

func (f *jwt) Request(x *filter.Exchange) filter.Verdict {
	for i := range f.Claims {
		name := f.Claims[i].Header
		x.Request.Fields.DelFunc(func(has string) bool { return http1.SameName(has, name) })
	}
	if !once(x, f.Header) {
		x.Response.Fields.Set("WWW-Authenticate", f.challenge+` error="invalid_request"`) // RFC 6750, 3.1
		return filter.Respond
	}
	token, inCookie := f.tokenOf(x)
	switch {
	case token == "" && f.Optional:
		if f.Cookie != "" { // a blank one is no token, and another one may stand behind it
			x.Request.Fields.DelCookies(f.Cookie, 0, &x.Request.Mem)
		}
		return filter.Continue
	case token == "":
		return f.refuse(x, "")
	case len(token) > jwks.MaxToken:
		return f.refuse(x, "it is too long")
	}
	set, version, err := f.keys.Keys()
	if err != nil {
		var over bool
		if set, version, over = f.await(x); over {
			return filter.Respond
		}
	}
	id, now := f.digest(token), f.clock.Now()
	good := f.remembered(id)
	if good == nil || good.version != version {
		if good, err = f.verify(token, set, version); errors.Is(err, jwks.ErrUnknown) { // the keys may be others by now
			newer, v, over := f.awaitNewer(x, version)
			if over {
				return filter.Respond
			}
			if newer != nil {
				good, err = f.verify(token, newer, v)
			}
		}
		if err != nil {
			return f.refuse(x, reasonOf(err))
		}
		f.remember(id, good)
	}
	switch {
	case !now.Before(good.end.Add(f.skew)):
		return f.refuse(x, "it has expired")
	case now.Before(good.from.Add(-f.skew)):
		return f.refuse(x, "it is not valid yet")
	case good.forbidden:
		x.Respond(403, CodeForbidden, "This is not served here to everybody.\n")
		x.Response.Fields.Set("WWW-Authenticate", f.challenge+` error="insufficient_scope"`)
		return filter.Respond
	}
	f.admit(x, good, inCookie)
	return filter.Continue
}

// admit tells the upstream what the token says. Tokens that nobody has verified do not go on beside it.
func (f *jwt) admit(x *filter.Exchange, good *goodToken, inCookie bool) {
	x.User = good.user
	x.Admit(true)
	if !f.Keep {
		x.Request.Fields.Del(f.Header)
	}
	if f.Cookie != "" {
		kept := 0
		if f.Keep && inCookie {
			kept = 1 // it was the first
		}
		x.Request.Fields.DelCookies(f.Cookie, kept, &x.Request.Mem)
	}
	for i := range good.fields {
		x.Request.Fields.Add(good.fields[i].Name, good.fields[i].Value)
	}
}

// tokenOf finds the token of a request. It is a view of it.
func (f *jwt) tokenOf(x *filter.Exchange) (token string, inCookie bool) {
	field := x.Request.Fields.Get(f.Header)
	if end := strings.IndexAny(field, " \t"); end >= 0 && http1.EqualFold(field[:end], "Bearer") {
		return strings.Trim(field[end:], " \t"), false
	}
	if field != "" && !http1.EqualFold(f.Header, "Authorization") {
		return field, false
	}
	if f.Cookie != "" {
		return cookieOf(x, f.Cookie), true
	}
	return "", false
}

// await waits for keys where there are none.
func (f *jwt) await(x *filter.Exchange) (set *jwks.Set, version uint64, over bool) {
	if asked := f.keys.Ask(); asked != nil && !f.wait(x, asked) {
		return nil, 0, true
	}
	set, version, err := f.keys.Keys()
	if err != nil { // nobody can say whether the token is good
		x.Respond(503, CodeAuthFailed, "It could not be decided whether this may be served.\n")
		return nil, 0, true
	}
	return set, version, false
}

// awaitNewer waits for other keys than those that were tried; nil if there are none.
func (f *jwt) awaitNewer(x *filter.Exchange, tried uint64) (set *jwks.Set, version uint64, over bool) {
	asked := f.keys.Ask()
	if asked == nil {
		return nil, 0, false
	}
	if !f.wait(x, asked) {
		return nil, 0, true
	}
	set, version, err := f.keys.Keys()
	if err != nil || version == tried {
		return nil, 0, false
	}
	return set, version, false
}

func (f *jwt) wait(x *filter.Exchange, asked <-chan struct{}) bool {
	return x.Wait(f.timeout, func(ctx context.Context) {
		select {
		case <-asked:
		case <-ctx.Done():
		}
	})
}

// verify looks at a token as a whole.
func (f *jwt) verify(token string, set *jwks.Set, version uint64) (*goodToken, error) {
	t, err := jwks.Read(token, f.Algorithms)
	if err != nil {
		return nil, err
	}
	payload, err := set.Verify(t)
	if err != nil {
		return nil, err
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil || c == nil {
		return nil, badToken("its claims cannot be read")
	}
	end, given, ok := c.time("exp")
	if !given || !ok {
		return nil, badToken("it has no end")
	}
	from, _, ok := c.time("nbf")
	if !ok {
		return nil, badToken("its claims cannot be read")
	}
	if iss := c.texts("iss"); len(iss) != 1 || iss[0] != f.Issuer {
		return nil, badToken("it is of another issuer")
	}
	if aud := c.texts("aud"); len(f.Audiences) > 0 && !slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(f.Audiences, a) }) {
		return nil, badToken("it is for another audience")
	}
	good := &goodToken{version: version, from: from, end: end}
	if user := c.texts(f.User); len(user) == 1 {
		good.user = user[0]
	}
	size := 0
	for _, h := range f.Claims {
		value := c.field(h.Claim)
		if size += len(value); size > maxClaimBytes {
			return nil, badToken("its claims are too long")
		}
		if !http1.IsFieldValue(value) { // without the field the upstream would take this client for another one, or for nobody
			return nil, badToken("a claim has a byte that no header can have")
		}
		if slices.ContainsFunc(c.texts(h.Claim), isPadded) { // whoever reads it takes " admin" for "admin"
			return nil, badToken("a claim begins or ends with white space, as no header can have it")
		}
		if value != "" {
			good.fields = append(good.fields, http1.Field{Name: h.Header, Value: value})
		}
	}
	for _, r := range f.Require {
		good.forbidden = good.forbidden || !c.has(r)
	}
	return good, nil
}

// isPadded tells a text of which the value of a field, or an item of one that is a list, does not hold all (RFC 9110, 5.5 and 5.6.1).
func isPadded(text string) bool { return strings.Trim(text, " \t") != text }

// reasonOf is what a client is told, which is nothing about keys.
func reasonOf(err error) string {
	if bad, ok := errors.AsType[badToken](err); ok {
		return string(bad)
	}
	return "it cannot be verified"
}

func (f *jwt) refuse(x *filter.Exchange, why string) filter.Verdict {
	x.Respond(401, CodeUnauthorized, "This needs a token.\n")
	if why == "" {
		x.Response.Fields.Set("WWW-Authenticate", strings.TrimSuffix(f.challenge, ","))
		return filter.Respond
	}
	x.Response.Fields.Set("WWW-Authenticate", f.challenge+` error="invalid_token", error_description="`+why+`"`)
	return filter.Respond
}

// digest is what stands for a token in memory.
func (f *jwt) digest(token string) key {
	h := sha256.New()
	h.Write(f.pepper[:])
	_, _ = h.Write([]byte(token))
	var sum [sha256.Size]byte
	return key{6, [16]byte(h.Sum(sum[:0])[:16])}
}

func (f *jwt) remembered(id key) *goodToken {
	s, _ := f.known.lock(id)
	defer s.Unlock()
	at, ok := s.index[id]
	if !ok {
		return nil
	}
	s.take(id)
	return s.entries[at].value
}

func (f *jwt) remember(id key, good *goodToken) {
	s, _ := f.known.lock(id)
	defer s.Unlock()
	at, _ := s.take(id)
	s.entries[at].value = good
}
