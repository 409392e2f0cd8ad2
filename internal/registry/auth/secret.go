package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"paifang/internal/registry/storage"
)

const secretBytes = 32

func random() []byte {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // it ends the process where it cannot read
	return b
}

// SecretFile reads a secret from a file that only its owner may read, and makes both where there is no file.
func SecretFile(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		if err = WriteOnce(file, base64.StdEncoding.EncodeToString(random())); err == nil || errors.Is(err, os.ErrExist) {
			text, err = os.ReadFile(file) // another process may have been faster
		}
	}
	if err != nil {
		return nil, fmt.Errorf("auth: secret: %w", err)
	}
	secret, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(secret) < secretBytes {
		return nil, fmt.Errorf("auth: secret: %s: want %d bytes or more in base64: %w", file, secretBytes, ErrInvalid)
	}
	return secret, nil
}

// WriteOnce writes a line into a new file that only its owner may read; a file that is there is os.ErrExist. The file
// appears whole or not at all.
func WriteOnce(file, line string) error {
	made := fmt.Sprintf("%s.%d.new", file, os.Getpid())
	f, err := os.OpenFile(made, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(made)
	_, err = f.WriteString(line + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(made, file) // unlike a rename, it does not replace
}

// storedSecret is the one that processes on one storage share. It stands apart from what is followed, so that it is in
// nobody's copy.
func storedSecret(ctx context.Context, kv storage.Store) ([]byte, error) {
	const key = "auth-secret"
	for range tries {
		e, found, err := kv.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if found {
			return e.Value, nil
		}
		if _, err = kv.Commit(ctx, []storage.Condition{{Key: key}}, storage.Put(key, random())); err != nil && !errors.Is(err, storage.ErrConflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("auth: secret: %w", ErrConflict)
}

// first makes a user that may do everything, where there is none.
func (a *Auth) first(ctx context.Context) error {
	if len(a.Users()) > 0 {
		return nil
	}
	password := cmp.Or(a.opt.FirstPassword, base64.RawURLEncoding.EncodeToString(random()[:18]))
	hash, err := a.hash(password)
	if err == nil {
		err = a.opt.First(FirstUser, password)
	}
	if err != nil {
		return fmt.Errorf("auth: first password: %w", err)
	}
	err = a.change(ctx, "create user "+FirstUser, userRoot+FirstUser, func(_ []byte, found bool) (any, error) {
		if found {
			return nil, ErrConflict
		}
		return user{Hash: hash, Roles: []string{AdminRole}}, nil
	})
	if errors.Is(err, ErrConflict) { // another process that shares the storage
		return nil
	}
	return err
}
