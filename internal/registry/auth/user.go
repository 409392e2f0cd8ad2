package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"paifang/internal/registry/storage"
)

// Keys of the storage. Names have no slash in them.
const (
	root     = "auth/"
	userRoot = root + "user/"
	roleRoot = root + "role/"
)

const (
	maxUsers    = 10_000
	maxRoles    = 100 // of one user
	maxName     = 64
	minPassword = 8
	maxPassword = 72 // what bcrypt looks at
)

// AdminRole is the role that may do everything, as Nacos calls it.
const AdminRole = "ROLE_ADMIN"

type user struct {
	Hash  string   `json:"hash"`
	Roles []string `json:"roles,omitempty"` // sorted
}

func (u user) admin() bool { return slices.Contains(u.Roles, AdminRole) }

// mark changes with the password.
func (u user) mark() string {
	sum := sha256.Sum256([]byte(u.Hash))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// User is what may be told of a user.
type User struct {
	Name  string
	Roles []string
}

// Users returns all, sorted.
func (a *Auth) Users() []User {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]User, 0, len(a.users))
	for name, u := range a.users {
		out = append(out, User{name, slices.Clone(u.Roles)})
	}
	slices.SortFunc(out, func(x, y User) int { return strings.Compare(x.Name, y.Name) })
	return out
}

func checkName(what, name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("auth: %s has %d bytes, want 1 to %d: %w", what, len(name), maxName, ErrInvalid)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-_.@", c) < 0 {
			return fmt.Errorf("auth: %s %q: only letters, digits and - _ . @ are allowed: %w", what, name, ErrInvalid)
		}
	}
	return nil
}

func (a *Auth) hash(password string) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", fmt.Errorf("auth: password has %d bytes, want %d to %d: %w", len(password), minPassword, maxPassword, ErrInvalid)
	}
	b, err := bcrypt.GenerateFromPassword([]byte(password), a.opt.Cost)
	return string(b), err
}

// CreateUser makes a user without roles; one that is there is ErrConflict.
func (a *Auth) CreateUser(ctx context.Context, name, password string) error {
	if err := checkName("user", name); err != nil {
		return err
	}
	hash, err := a.hash(password)
	if err != nil {
		return err
	}
	a.mu.Lock()
	n := len(a.users)
	a.mu.Unlock()
	if n >= maxUsers {
		return fmt.Errorf("auth: create user %s: %d are there: %w", name, n, ErrInvalid)
	}
	return a.change(ctx, "create user "+name, userRoot+name, func(_ []byte, found bool) (any, error) {
		if found {
			return nil, ErrConflict
		}
		return user{Hash: hash}, nil
	})
}

// SetPassword changes a password. Tokens that were given before are worth nothing afterwards.
func (a *Auth) SetPassword(ctx context.Context, name, password string) error {
	hash, err := a.hash(password)
	if err != nil {
		return err
	}
	return a.changeUser(ctx, "set password of "+name, name, func(u *user) error {
		u.Hash = hash
		return nil
	})
}

// RemoveUser takes a user away; the last one who may do everything stays.
func (a *Auth) RemoveUser(ctx context.Context, name string) error {
	if err := a.keepAdmin(name); err != nil {
		return fmt.Errorf("auth: remove user %s: %w", name, err)
	}
	return a.change(ctx, "remove user "+name, userRoot+name, func(_ []byte, found bool) (any, error) {
		if !found {
			return nil, ErrUnknown
		}
		return nil, nil
	})
}

// GiveRole gives a user a role.
func (a *Auth) GiveRole(ctx context.Context, name, role string) error {
	if err := checkName("role", role); err != nil {
		return err
	}
	return a.changeUser(ctx, "give role "+role, name, func(u *user) error {
		if len(u.Roles) >= maxRoles {
			return fmt.Errorf("%d roles are given: %w", len(u.Roles), ErrInvalid)
		}
		u.Roles = slices.Compact(slices.Sorted(slices.Values(append(u.Roles, role))))
		return nil
	})
}

// TakeRole takes a role from a user; the last one who may do everything keeps it.
func (a *Auth) TakeRole(ctx context.Context, name, role string) error {
	if role == AdminRole {
		if err := a.keepAdmin(name); err != nil {
			return fmt.Errorf("auth: take role %s: %w", role, err)
		}
	}
	return a.changeUser(ctx, "take role "+role, name, func(u *user) error {
		u.Roles = slices.DeleteFunc(u.Roles, func(r string) bool { return r == role })
		return nil
	})
}

func (a *Auth) keepAdmin(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for other, u := range a.users {
		if other != name && u.admin() {
			return nil
		}
	}
	if u, ok := a.users[name]; ok && u.admin() {
		return fmt.Errorf("%s is the last with the role %s: %w", name, AdminRole, ErrInvalid)
	}
	return nil
}

func (a *Auth) changeUser(ctx context.Context, what, name string, f func(*user) error) error {
	return a.change(ctx, what, userRoot+name, func(value []byte, found bool) (any, error) {
		var u user
		if !found {
			return nil, ErrUnknown
		}
		if err := json.Unmarshal(value, &u); err != nil {
			return nil, err
		}
		err := f(&u)
		return u, err
	})
}

// tries is how often a write is begun again because somebody else was faster.
const tries = 20

// change reads a key, lets f say what it is to be (nil: gone), writes it, and waits until it is known here.
func (a *Auth) change(ctx context.Context, what, key string, f func(value []byte, found bool) (any, error)) error {
	ctx, cancel := context.WithTimeout(ctx, a.opt.Wait)
	defer cancel()
	var err error
	for range tries {
		if err = a.try(ctx, key, f); !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("auth: %s: %w", what, err)
	}
	return nil
}

func (a *Auth) try(ctx context.Context, key string, f func(value []byte, found bool) (any, error)) error {
	e, found, err := a.kv.Get(ctx, key)
	if err != nil {
		return err
	}
	v, err := f(e.Value, found)
	if err != nil {
		return err
	}
	c := storage.Delete(key)
	if v != nil {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		c = storage.Put(key, b)
	}
	revision, err := a.kv.Commit(ctx, []storage.Condition{{Key: key, Revision: e.Revision}}, c)
	if err != nil {
		return err
	}
	return a.mirror.Await(ctx, revision)
}

// news keeps the copy in memory.
func (a *Auth) news(n storage.News) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n.Full {
		clear(a.users)
		clear(a.roles)
	}
	for _, e := range n.Entries {
		if name, ok := strings.CutPrefix(e.Key, userRoot); ok {
			var u user
			if json.Unmarshal(e.Value, &u) == nil {
				a.users[name] = u
			}
		} else if name, ok := strings.CutPrefix(e.Key, roleRoot); ok {
			var r role
			if json.Unmarshal(e.Value, &r) == nil {
				a.roles[name] = r
			}
		}
	}
	for _, k := range n.Gone {
		if name, ok := strings.CutPrefix(k, userRoot); ok {
			delete(a.users, name)
		} else if name, ok := strings.CutPrefix(k, roleRoot); ok {
			delete(a.roles, name)
		}
	}
}
