// Package auth knows the users of a registry, what their roles let them do in which namespace, and the tokens that a login gives
// them. It knows no wire format.
//
// Users and roles stand in a storage.Store; passwords are hashed with bcrypt. A token is signed with a secret that all
// processes of one registry share, and ends with its time, with its user, or with a change of the password.
//
//	auth.go     opening, logging in, asking
//	user.go     users
//	role.go     roles and what they grant
//	token.go    tokens
//	secret.go   the secret that signs them, the first password
package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"paifang/internal/registry/storage"
)

// Errors that calls wrap, besides those of storage.
var (
	ErrUnauthenticated = errors.New("who asks is not known") // no token, a wrong or old one, a wrong password
	ErrForbidden       = errors.New("not permitted")
	ErrInvalid         = errors.New("invalid")
	ErrUnknown         = errors.New("not found")
	ErrConflict        = errors.New("changed by somebody else")
	ErrBusy            = errors.New("too many logins at once")
)

// Action is what somebody wants to do in a namespace.
type Action string

// Actions, with the letters by which Nacos names them.
const (
	Read  Action = "r"
	Write Action = "w"
)

// Options are what may be told. The zero value is usable.
type Options struct {
	Secret []byte        // signs tokens; 32 bytes at least; none: one is kept in the storage, for all who share it
	TTL    time.Duration // of a token; default 5 h, as Nacos has it
	Cost   int           // of bcrypt; default 10
	Wait   time.Duration // for the storage to take a change; default 3 s
	Now    func() time.Time
	// First is given the password of the first user, made when there is none, before that user can log in. An error keeps it
	// from being made. nil: no first user is made.
	First func(user, password string) error
	// FirstPassword is that password where somebody has chosen it; default: nobody has.
	FirstPassword string
}

// FirstUser is the name of the user that is made when there is none, as a Nacos server calls it.
const FirstUser = "nacos"

// Auth answers who somebody is and what they may do. Open makes it, Close ends it; it is used by any number of goroutines.
type Auth struct {
	opt    Options
	kv     storage.Store
	mirror *storage.Mirror
	nobody []byte        // a hash to compare with where there is no such user
	slots  chan struct{} // logins at one time: bcrypt is meant to be slow
	queue  chan struct{} // and those that wait for one

	mu    sync.Mutex
	users map[string]user
	roles map[string]role
}

// Logins at one time, and those that may wait.
const (
	loginsAtOnce  = 2
	loginsWaiting = 64
)

// Open reads users and roles. It waits for the storage until ctx ends. The caller closes it, before the storage.
func Open(ctx context.Context, kv storage.Store, opt Options) (*Auth, error) {
	opt.TTL = cmp.Or(opt.TTL, 5*time.Hour)
	opt.Cost = cmp.Or(opt.Cost, bcrypt.DefaultCost)
	opt.Wait = cmp.Or(opt.Wait, 3*time.Second)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	a := &Auth{opt: opt, kv: kv, users: map[string]user{}, roles: map[string]role{},
		slots: make(chan struct{}, loginsAtOnce), queue: make(chan struct{}, loginsAtOnce+loginsWaiting)}
	var err error
	if a.nobody, err = bcrypt.GenerateFromPassword([]byte("nobody"), opt.Cost); err != nil {
		return nil, fmt.Errorf("auth: open: %w", err)
	}
	if a.opt.Secret == nil {
		if a.opt.Secret, err = storedSecret(ctx, kv); err != nil {
			return nil, fmt.Errorf("auth: open: %w", err)
		}
	}
	if len(a.opt.Secret) < secretBytes {
		return nil, fmt.Errorf("auth: open: the secret has %d bytes, want %d at least: %w", len(a.opt.Secret), secretBytes, ErrInvalid)
	}
	a.mirror = storage.NewMirror(kv, root, a.news)
	if err = a.mirror.Await(ctx, 0); err == nil && opt.First != nil {
		err = a.first(ctx)
	}
	if err != nil {
		a.mirror.Close()
		return nil, fmt.Errorf("auth: open: %w", err)
	}
	return a, nil
}

// Close ends following the storage.
func (a *Auth) Close() { a.mirror.Close() }

// Grant is what a login gives.
type Grant struct {
	User  string
	Token string
	TTL   time.Duration
	Admin bool // may do everything, users and roles included
}

// Login checks a password and returns a token. Errors are ErrUnauthenticated, ErrBusy and that of ctx.
func (a *Auth) Login(ctx context.Context, name, password string) (Grant, error) {
	select {
	case a.queue <- struct{}{}:
		defer func() { <-a.queue }()
	default:
		return Grant{}, fmt.Errorf("auth: login: %w", ErrBusy)
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return Grant{}, fmt.Errorf("auth: login: %w", ctx.Err())
	}
	a.mu.Lock()
	u, known := a.users[name]
	a.mu.Unlock()
	hash := []byte(u.Hash)
	if !known {
		hash = a.nobody // as much time as for a wrong password, so that names cannot be tried
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !known {
		return Grant{}, fmt.Errorf("auth: login of %.64q: %w", name, ErrUnauthenticated)
	}
	return Grant{User: name, Token: a.sign(name, u), TTL: a.opt.TTL, Admin: u.admin()}, nil
}

// Identity is who a token was given to.
type Identity struct {
	User  string
	Admin bool
	roles []string
	auth  *Auth
}

// Identify tells who a token was given to. Errors are ErrUnauthenticated.
func (a *Auth) Identify(token string) (Identity, error) {
	name, mark, err := a.open(token)
	if err != nil {
		return Identity{}, err
	}
	a.mu.Lock()
	u, known := a.users[name]
	a.mu.Unlock()
	if !known || u.mark() != mark {
		return Identity{}, fmt.Errorf("auth: token of %.64q: it is withdrawn: %w", name, ErrUnauthenticated)
	}
	return Identity{User: name, Admin: u.admin(), roles: u.Roles, auth: a}, nil
}

// May tells whether something is permitted in a namespace. Errors are ErrForbidden.
func (i Identity) May(action Action, namespace string) error {
	if i.Admin {
		return nil
	}
	i.auth.mu.Lock()
	defer i.auth.mu.Unlock()
	for _, r := range i.roles {
		granted := i.auth.roles[r]
		if strings.Contains(granted[namespace], string(action)) || strings.Contains(granted[AllNamespaces], string(action)) {
			return nil
		}
	}
	verb := "read"
	if action == Write {
		verb = "write"
	}
	return fmt.Errorf("auth: user %q may not %s in namespace %q: %w", i.User, verb, namespace, ErrForbidden)
}
