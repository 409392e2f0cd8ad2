package builtin

import (
	"crypto/md5" //nolint:gosec // what RFC 7616 has clients do where nothing else is offered, and what htdigest files hold
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/htpasswd"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// CodeStaleNonce is of requests that have the right password, and answer a challenge that is too old or was answered so before.
const CodeStaleNonce model.Code = "stale-nonce" // 401: the client asks again by itself

// DigestAuth configures "digest-auth": only requests of a user who proves to know the password pass, without sending it (RFC 7616,
// with MD5 and qop=auth). The users are in the Secret that the filter names.
type DigestAuth struct {
	Realm    string `json:"realm"`              // told to the client; users of other realms do not pass
	Format   string `json:"format,omitempty"`   // htdigest (the default): lines of name:realm:sum under Key; map: each key is a user, its value realm:sum
	Key      string `json:"key,omitempty"`      // of the Secret; default auth
	Keep     bool   `json:"keep,omitempty"`     // the upstream gets the Authorization field too. Default: it is removed
	Lifetime string `json:"lifetime,omitempty"` // of a nonce, 1s to 24h; default 5m
}

const (
	defaultNonceLifetime = 5 * time.Minute
	maxNonceLifetime     = 24 * time.Hour
)

// Validate refuses a realm that no field can have or that is missing, and a lifetime that is none.
func (c DigestAuth) Validate() error {
	switch {
	case c.Realm == "":
		return fmt.Errorf("realm is empty: the sums of users hold one")
	case !http1.IsFieldValue(c.Realm) || strings.ContainsAny(c.Realm, `"\:`):
		return fmt.Errorf("realm has a byte that it cannot have: quotes, backslashes, colons and control bytes")
	case c.Format != "" && c.Format != "htdigest" && c.Format != "map":
		return fmt.Errorf("format %q is neither htdigest nor map", c.Format)
	}
	_, err := c.lifetime()
	return err
}

func (c DigestAuth) lifetime() (time.Duration, error) {
	if c.Lifetime == "" {
		return defaultNonceLifetime, nil
	}
	d, err := time.ParseDuration(c.Lifetime)
	if err != nil || d < time.Second || d > maxNonceLifetime {
		return 0, fmt.Errorf("lifetime %q is no time within 1s to %v", c.Lifetime, maxNonceLifetime)
	}
	return d, nil
}

// UsersOf reads the users of a Secret. Problems never show a sum. It is for those who diagnose.
func (c DigestAuth) UsersOf(d model.SecretData) (htpasswd.Digests, []htpasswd.Problem, error) {
	if c.Format == "map" {
		var u htpasswd.Digests
		var problems []htpasswd.Problem
		for name, sum := range d.All() {
			if why := u.Add(name, strings.TrimSpace(sum.Reveal())); why != "" {
				problems = append(problems, htpasswd.Problem{User: name, Why: why})
			}
		}
		return u, problems, nil
	}
	text, err := usersText(d, c.Key)
	if err != nil {
		return htpasswd.Digests{}, nil, err
	}
	u, problems := htpasswd.ParseDigests(text)
	return u, problems, nil
}

// ValidateSecret implements filter.SecretUser.
func (c DigestAuth) ValidateSecret(d model.SecretData) error {
	if d.Empty() {
		return errNoUsers
	}
	_, _, err := c.UsersOf(d)
	return err
}

func digestAuthKind() filter.Kind {
	return filter.Define("digest-auth", func(c DigestAuth, env filter.Env) (filter.Filter, error) {
		users, _, err := c.UsersOf(env.Secret)
		if err != nil {
			return nil, err
		}
		f := &digestAuth{users: users, realm: c.Realm, keep: c.Keep, clock: env.Clock}
		if f.lifetime, err = c.lifetime(); err != nil {
			return nil, err
		}
		f.nonces, err = filter.Use(env, "digest-auth nonces", newNonces)
		return f, err
	})
}

type digestAuth struct {
	users    htpasswd.Digests
	realm    string
	keep     bool
	lifetime time.Duration
	clock    filter.Clock
	nonces   *nonces // of all routes: a client uses one for all that has the realm (RFC 7616, 2.2)
}

// OwnsFields implements filter.FieldOwner.
func (*digestAuth) OwnsFields() {}

func (f *digestAuth) Request(x *filter.Exchange) filter.Verdict {
	if !once(x, "Authorization") {
		return filter.Respond
	}
	var a digestAnswer
	var room [maxCredentials]byte
	if !a.parse(x.Request.Fields.Get("Authorization"), &room) || !f.proves(x, &a) {
		return f.challenge(x, false)
	}
	// Who it is is known now: what is wrong beyond this the client mends without asking anybody.
	count, ok := parseCount(a.count)
	if !ok || !f.nonces.spend(a.nonce, count, f.clock.Now(), f.lifetime) {
		return f.challenge(x, true)
	}
	mem := &x.Request.Mem
	x.User = mem.Copy([]byte(a.user))
	x.Admit(true)
	proof := f.sum(&a, "")
	x.Promise("Authentication-Info", mem.Join(`qop=auth, rspauth="`, mem.Copy(proof[:]), `", cnonce="`, a.cnonce, `", nc=`, a.count))
	if !f.keep {
		x.Request.Fields.Del("Authorization")
	}
	return filter.Continue
}

// proves tells whether the answer is one that only somebody with the password can give, to this request and for this realm.
func (f *digestAuth) proves(x *filter.Exchange, a *digestAnswer) bool {
	if a.realm != f.realm || !sameTarget(a.uri, x.Request.Target) {
		return false
	}
	want := f.sum(a, x.Request.Method)
	_, known := f.users.Find(f.realm, a.user)
	return subtle.ConstantTimeCompare(want[:], []byte(a.response)) == 1 && known
}

// sum is what the client shows for a method, and what it is shown for none (RFC 7616, 3.4.1 and 3.5). Whoever does not exist costs as
// much as somebody who does.
func (f *digestAuth) sum(a *digestAnswer, method string) [2 * md5.Size]byte {
	var room [1 << 10]byte
	secret, _ := f.users.Find(f.realm, a.user)
	b := append(room[:0], method...)
	b = append(append(b, ':'), a.uri...)
	asked := hexSum(b)
	b = append(room[:0], secret...)
	for _, part := range [...]string{a.nonce, a.count, a.cnonce, "auth"} {
		b = append(append(b, ':'), part...)
	}
	b = append(append(b, ':'), asked[:]...)
	return hexSum(b)
}

func hexSum(b []byte) (out [2 * md5.Size]byte) {
	sum := md5.Sum(b) //nolint:gosec // see above
	hex.Encode(out[:], sum[:])
	return out
}

// sameTarget tells whether the address that a client has signed is the one that it asks for (RFC 7616, 3.4.6). A request in
// absolute form may be signed by its path.
func sameTarget(uri, target string) bool {
	if uri == target {
		return true
	}
	_, rest, absolute := strings.Cut(target, "://")
	i := strings.IndexByte(rest, '/')
	return absolute && target[0] != '/' && i >= 0 && rest[i:] == uri
}

// challenge asks for an answer. stale: the password was right, and the client has to answer a new nonce with it.
func (f *digestAuth) challenge(x *filter.Exchange, stale bool) filter.Verdict {
	var room [nonceText]byte
	nonce := f.nonces.issue(f.clock.Now(), &room)
	code, end := CodeUnauthorized, `", qop="auth", algorithm=MD5`
	if stale {
		code, end = CodeStaleNonce, `", qop="auth", algorithm=MD5, stale=true`
	}
	x.Respond(401, code, "This needs a name and a password.\n")
	mem := &x.Request.Mem
	x.Response.Fields.Set("WWW-Authenticate", mem.Join(`Digest realm="`, f.realm, `", nonce="`, mem.Copy(nonce), end))
	return filter.Respond
}
