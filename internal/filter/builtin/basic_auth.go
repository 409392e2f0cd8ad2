package builtin

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"paifang/internal/filter"
	"paifang/internal/htpasswd"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// Codes of answers to requests whose user is not known.
const (
	CodeUnauthorized model.Code = "unauthorized"     // 401: no credentials, or none that are good
	CodeAuthBusy     model.Code = "auth-busy"        // 503: too many passwords are being verified
	CodeAuthFailed   model.Code = "auth-unavailable" // the service that decides about requests did not answer, or not in a way that is understood
)

// BasicAuth configures "basic-auth": only requests with the name and password of a user pass (RFC 7617). The users are in the
// Secret that the filter names.
type BasicAuth struct {
	Realm  string `json:"realm,omitempty"`  // told to the client; default empty
	Format string `json:"format,omitempty"` // htpasswd (the default): lines of name:hash under Key; map: each key is a user, its value the hash
	Key    string `json:"key,omitempty"`    // of the Secret; default auth
	Keep   bool   `json:"keep,omitempty"`   // the upstream gets the Authorization field too. Default: it is removed
}

// Validate refuses a realm that no field can have.
func (c BasicAuth) Validate() error {
	switch {
	case !http1.IsFieldValue(c.Realm) || strings.ContainsAny(c.Realm, `"\`):
		return fmt.Errorf("realm has a byte that it cannot have: quotes, backslashes and control bytes")
	case c.Format != "" && c.Format != "htpasswd" && c.Format != "map":
		return fmt.Errorf("format %q is neither htpasswd nor map", c.Format)
	}
	return nil
}

// UsersOf reads the users of a Secret. Problems never show a hash. It is for those who diagnose.
func (c BasicAuth) UsersOf(d model.SecretData) (htpasswd.Users, []htpasswd.Problem, error) {
	if c.Format == "map" {
		var u htpasswd.Users
		var problems []htpasswd.Problem
		for name, hash := range d.All() {
			if why := u.Add(name, strings.TrimSpace(hash.Reveal())); why != "" {
				problems = append(problems, htpasswd.Problem{User: name, Why: why})
			}
		}
		return u, problems, nil
	}
	text, err := usersText(d, c.Key)
	if err != nil {
		return htpasswd.Users{}, nil, err
	}
	u, problems := htpasswd.Parse(text)
	return u, problems, nil
}

// errNoUsers is why a filter without a Secret would let nobody in.
var errNoUsers = errors.New("names no secret, in which its users would be")

// ValidateSecret implements filter.SecretUser.
func (c BasicAuth) ValidateSecret(d model.SecretData) error {
	if d.Empty() {
		return errNoUsers
	}
	_, _, err := c.UsersOf(d)
	return err
}

// usersText is the list of users under a key of a Secret, "" being auth.
func usersText(d model.SecretData, key string) (string, error) {
	key = cmp.Or(key, "auth")
	text, ok := d.Get(key)
	if !ok {
		return "", fmt.Errorf("has no key %q", key)
	}
	return text.Reveal(), nil
}

// What verifying passwords may cost.
const (
	maxCredentials = 1 << 10         // bytes of name and password
	knownPasswords = 1 << 12         // that were good and are remembered, for each route
	verifyQueue    = 64              // requests that wait for a password to be verified, of all routes
	verifyLimit    = 5 * time.Second // that they wait
)

// verifying bounds how many passwords are verified at the same time, so that guessing takes half of the processors at most.
type verifying struct {
	slots   chan struct{}
	waiting atomic.Int32
}

// Close is for filter.Shared: nobody waits any more when the last filter went.
func (v *verifying) Close() error { return nil }

func basicAuthKind() filter.Kind {
	return filter.Define("basic-auth", func(c BasicAuth, env filter.Env) (filter.Filter, error) {
		users, _, err := c.UsersOf(env.Secret)
		if err != nil {
			return nil, err
		}
		f := &basicAuth{users: users, keep: c.Keep, challenge: `Basic realm="` + c.Realm + `"`}
		if _, err := rand.Read(f.pepper[:]); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
		f.known = newKeyed[struct{}](knownPasswords)
		f.work, err = filter.Use(env, "basic-auth verifying", func() (*verifying, error) {
			return &verifying{slots: make(chan struct{}, max(runtime.GOMAXPROCS(0)/2, 1))}, nil
		})
		return f, err
	})
}

type basicAuth struct {
	users     htpasswd.Users
	challenge string
	keep      bool
	pepper    [sha256.Size]byte // of what is remembered, which is worth nothing to others
	known     *keyed[struct{}]
	work      *verifying
}

// OwnsFields implements filter.FieldOwner.
func (*basicAuth) OwnsFields() {}

func (f *basicAuth) Request(x *filter.Exchange) filter.Verdict {
	if !once(x, "Authorization") {
		return filter.Respond
	}
	var room [maxCredentials]byte
	name, password, ok := credentials(x.Request.Fields.Get("Authorization"), &room)
	if !ok {
		return f.refuse(x)
	}
	// Whoever does not exist costs as much as somebody who does.
	hash, exists := f.users.Find(name)
	if hash.Slow() {
		id := f.digest(hash.Text(), name, password)
		if !f.remembers(id) {
			good, answered := f.verify(x, hash, bytes.Clone(password)) // what is on the stack stays there
			if answered {
				return filter.Respond
			}
			if exists = exists && good; exists {
				f.remember(id)
			}
		}
	} else {
		exists = hash.Verify(password) && exists
	}
	if !exists {
		return f.refuse(x)
	}
	x.User = x.Request.Mem.Copy(name)
	x.Admit(true)
	if !f.keep {
		x.Request.Fields.Del("Authorization")
	}
	return filter.Continue
}

func (f *basicAuth) refuse(x *filter.Exchange) filter.Verdict {
	x.Respond(401, CodeUnauthorized, "This needs a name and a password.\n")
	x.Response.Fields.Set("WWW-Authenticate", f.challenge)
	return filter.Respond
}

// verify tries a password while the request waits, unless so many wait already.
func (f *basicAuth) verify(x *filter.Exchange, hash htpasswd.Hash, password []byte) (good, answered bool) {
	if f.work.waiting.Add(1) > verifyQueue {
		f.work.waiting.Add(-1)
		x.Respond(503, CodeAuthBusy, "Try again in a moment.\n")
		return false, true
	}
	defer f.work.waiting.Add(-1)
	tried := false
	if !x.Wait(verifyLimit, func(ctx context.Context) {
		select {
		case f.work.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-f.work.slots }()
		tried = true
		good = hash.Verify(password)
	}) {
		return false, true
	}
	if !tried {
		x.Respond(503, CodeAuthBusy, "Try again in a moment.\n")
		return false, true
	}
	return good, false
}

// digest is what stands for a good password in memory.
func (f *basicAuth) digest(hash string, name, password []byte) key {
	var room [maxCredentials + 256]byte
	b := append(room[:0], f.pepper[:]...)
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(hash))), hash...)
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(name))), name...)
	sum := sha256.Sum256(append(b, password...))
	return key{4, [16]byte(sum[:16])}
}

func (f *basicAuth) remembers(id key) bool {
	s, _ := f.known.lock(id)
	defer s.Unlock()
	if _, ok := s.index[id]; !ok {
		return false
	}
	s.take(id)
	return true
}

func (f *basicAuth) remember(id key) {
	s, _ := f.known.lock(id)
	defer s.Unlock()
	s.take(id)
}

// credentials decodes an Authorization field into room.
func credentials(field string, room *[maxCredentials]byte) (name, password []byte, ok bool) {
	scheme, text, found := strings.Cut(field, " ")
	if !found || !http1.EqualFold(scheme, "Basic") {
		return nil, nil, false
	}
	var coded [maxCredentials]byte
	n := copy(coded[:], strings.Trim(text, " "))
	if n == len(coded) {
		return nil, nil, false
	}
	n, err := base64.StdEncoding.Decode(room[:], coded[:n])
	if err != nil {
		return nil, nil, false
	}
	for i, c := range room[:n] {
		if c == ':' {
			return room[:i], room[i+1 : n], true
		}
	}
	return nil, nil, false
}
