package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"paifang/internal/registry/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, kv storage.Store, opt Options) *Auth {
	t.Helper()
	opt.Cost = bcrypt.MinCost
	a, err := Open(t.Context(), kv, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// login returns who a password makes one.
func login(t *testing.T, a *Auth, name, password string) Identity {
	t.Helper()
	g, err := a.Login(t.Context(), name, password)
	must(t, err)
	id, err := a.Identify(g.Token)
	must(t, err)
	return id
}

func TestRolesByNamespace(t *testing.T) {
	kv := storage.NewMemory()
	a, ctx := open(t, kv, Options{}), t.Context()
	must(t, a.CreateUser(ctx, "ann", "password-1"))
	if err := a.CreateUser(ctx, "ann", "password-2"); !errors.Is(err, ErrConflict) {
		t.Errorf("made twice: %v", err)
	}
	must(t, a.GiveRole(ctx, "ann", "dev"))
	must(t, a.Permit(ctx, Permission{"dev", "test", "r"}))
	must(t, a.Permit(ctx, Permission{"dev", "test", "w"}))
	must(t, a.Permit(ctx, Permission{"dev", "prod", "r"}))
	ann := login(t, a, "ann", "password-1")
	for _, c := range []struct {
		action    Action
		namespace string
		may       bool
	}{{Read, "test", true}, {Write, "test", true}, {Read, "prod", true}, {Write, "prod", false}, {Read, "public", false}} {
		if err := ann.May(c.action, c.namespace); (err == nil) != c.may || err != nil && !errors.Is(err, ErrForbidden) {
			t.Errorf("%s in %s: %v", c.action, c.namespace, err)
		}
	}
	must(t, a.Permit(ctx, Permission{"dev", AllNamespaces, "r"}))
	if err := ann.May(Read, "public"); err != nil {
		t.Error(err)
	}
	if ann.May(Write, "public") == nil {
		t.Error("who may read everywhere writes")
	}
	must(t, a.Forbid(ctx, Permission{"dev", AllNamespaces, "r"}))
	if ann.May(Read, "public") == nil {
		t.Error("who might read everywhere still does")
	}
	must(t, a.Forbid(ctx, Permission{"dev", "test", "w"}))
	if ann.May(Write, "test") == nil {
		t.Error("a permission that was taken away still holds")
	}
	// Another process on the same storage knows the same users and takes the same tokens.
	b := open(t, kv, Options{})
	g, err := b.Login(ctx, "ann", "password-1")
	must(t, err)
	if id, err := a.Identify(g.Token); err != nil || id.User != "ann" || id.Admin {
		t.Errorf("%+v, %v", id, err)
	}
	must(t, a.GiveRole(ctx, "ann", AdminRole))
	if err := a.RemoveUser(ctx, "ann"); !errors.Is(err, ErrInvalid) {
		t.Errorf("the last admin went: %v", err)
	}
	if err := a.TakeRole(ctx, "ann", AdminRole); !errors.Is(err, ErrInvalid) {
		t.Errorf("the last admin lost the role: %v", err)
	}
	if err := login(t, a, "ann", "password-1").May(Write, "anywhere"); err != nil {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	now := time.Unix(1e9, 0)
	a, ctx := open(t, storage.NewMemory(), Options{Now: func() time.Time { return now }, TTL: time.Hour}), t.Context()
	must(t, a.CreateUser(ctx, "ann", "password-1"))
	must(t, a.CreateUser(ctx, "bob", "password-1"))
	g, err := a.Login(ctx, "ann", "password-1")
	must(t, err)
	other := open(t, storage.NewMemory(), Options{Now: func() time.Time { return now }})
	must(t, other.CreateUser(ctx, "ann", "password-1"))
	foreign, err := other.Login(ctx, "ann", "password-1")
	must(t, err)
	head, rest, _ := strings.Cut(g.Token, ".")
	body, signature, _ := strings.Cut(rest, ".")
	none := encode([]byte(`{"alg":"none","typ":"JWT"}`))
	bob := encode([]byte(`{"sub":"bob","exp":9999999999,"mark":""}`))
	for name, token := range map[string]string{
		"empty": "", "word": "AUTH_DISABLED", "foreign": foreign.Token, "cut": g.Token[:len(g.Token)-2], "unsigned": none + "." + body + ".",
		"signed as none": none + "." + body + "." + encode(a.signature(none+"."+body)), "body": head + "." + bob + "." + signature, "long": g.Token + strings.Repeat("x", maxToken),
	} {
		if _, err := a.Identify(token); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	now = now.Add(time.Hour - time.Second)
	if _, err := a.Identify(g.Token); err != nil {
		t.Errorf("before its time is over: %v", err)
	}
	now = now.Add(time.Second)
	if _, err := a.Identify(g.Token); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("after its time: %v", err)
	}
	if g, err = a.Login(ctx, "ann", "password-1"); err != nil {
		t.Fatal(err)
	}
	// A clock that goes back makes no token live longer, but for what clocks of several processes may differ by.
	now = now.Add(-maxSkew)
	if _, err := a.Identify(g.Token); err != nil {
		t.Errorf("from a clock that is a little ahead: %v", err)
	}
	now = now.Add(-time.Second)
	if _, err := a.Identify(g.Token); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("from a clock that was ahead: %v", err)
	}
	now = now.Add(maxSkew + time.Second)
	must(t, a.SetPassword(ctx, "ann", "password-2"))
	if _, err := a.Identify(g.Token); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("after a change of the password: %v", err)
	}
	for _, c := range [][2]string{{"ann", "password-1"}, {"nobody", "nobody"}, {"ann", ""}, {"", ""}} {
		if _, err := a.Login(ctx, c[0], c[1]); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%v: %v", c, err)
		}
	}
	must(t, a.RemoveUser(ctx, "bob"))
	if err := a.RemoveUser(ctx, "bob"); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed twice: %v", err)
	}
}

// Of several processes that begin on an empty storage, one makes the first user.
func TestFirstUser(t *testing.T) {
	kv := storage.NewMemory()
	var mu sync.Mutex
	var passwords []string
	first := func(_, password string) error {
		mu.Lock()
		defer mu.Unlock()
		passwords = append(passwords, password)
		return nil
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { open(t, kv, Options{First: first}) })
	}
	wg.Wait()
	a, works := open(t, kv, Options{First: first}), 0
	for _, p := range passwords {
		if g, err := a.Login(t.Context(), FirstUser, p); err == nil && g.Admin {
			works++
		}
	}
	if works != 1 {
		t.Errorf("%d of %d passwords work", works, len(passwords))
	}
	broken := errors.New("disk full")
	if _, err := Open(t.Context(), storage.NewMemory(), Options{Cost: bcrypt.MinCost, First: func(string, string) error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("a password that nobody could read was set: %v", err)
	}
}

func TestRefused(t *testing.T) {
	a, ctx := open(t, storage.NewMemory(), Options{}), t.Context()
	for name, err := range map[string]error{
		"short":     a.CreateUser(ctx, "ann", "short"),
		"long":      a.CreateUser(ctx, "ann", strings.Repeat("x", 73)),
		"name":      a.CreateUser(ctx, "a/b", "password-1"),
		"no name":   a.CreateUser(ctx, "", "password-1"),
		"role":      a.Permit(ctx, Permission{"a/b", "public", "r"}),
		"admin":     a.Permit(ctx, Permission{AdminRole, "public", "r"}),
		"actions":   a.Permit(ctx, Permission{"dev", "public", "x"}),
		"no action": a.Permit(ctx, Permission{"dev", "public", ""}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.GiveRole(ctx, "nobody", "dev"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a role for nobody: %v", err)
	}
	if _, err := Open(ctx, storage.NewMemory(), Options{Secret: []byte("short")}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a short secret: %v", err)
	}
	for range cap(a.queue) {
		a.queue <- struct{}{}
	}
	if _, err := a.Login(ctx, "ann", "password-1"); !errors.Is(err, ErrBusy) {
		t.Errorf("a flood of logins: %v", err)
	}
	<-a.queue
	for range cap(a.slots) {
		a.slots <- struct{}{}
	}
	late, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := a.Login(late, "ann", "password-1"); !errors.Is(err, context.Canceled) {
		t.Errorf("a login that waits for ever: %v", err)
	}
}

// silent is a store that stops answering: calls end with their context.
type silent struct {
	storage.Store
	stopped bool
}

func (s *silent) Get(ctx context.Context, key string) (storage.Entry, bool, error) {
	if !s.stopped {
		return s.Store.Get(ctx, key)
	}
	<-ctx.Done()
	return storage.Entry{}, false, fmt.Errorf("%w: %w", storage.ErrUnavailable, ctx.Err())
}

// A change is given up by itself: who asks over HTTP sets no deadline.
func TestStorageIsSilent(t *testing.T) {
	kv := &silent{Store: storage.NewMemory()}
	a := open(t, kv, Options{Wait: 20 * time.Millisecond})
	kv.stopped = true
	done := make(chan error, 1)
	go func() { done <- a.CreateUser(t.Context(), "ann", "password-1") }()
	select {
	case err := <-done:
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it still waits")
	}
}

func TestSecretFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token-secret")
	a, err := SecretFile(file)
	must(t, err)
	b, err := SecretFile(file)
	must(t, err)
	info, err := os.Stat(file)
	must(t, err)
	if string(a) != string(b) || len(a) != secretBytes || info.Mode().Perm() != 0o600 {
		t.Errorf("%x, %x, %v", a, b, info.Mode())
	}
	if err := WriteOnce(file, "x"); !errors.Is(err, os.ErrExist) {
		t.Errorf("written twice: %v", err)
	}
	must(t, os.WriteFile(file, []byte("c2hvcnQ=\n"), 0o600))
	if _, err := SecretFile(file); !errors.Is(err, ErrInvalid) {
		t.Errorf("a short secret: %v", err)
	}
}
