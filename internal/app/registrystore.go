package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/bolt"
	"paifang/internal/registry/storage/etcd"
)

// Values of registry.storage.
const (
	storageMemory = "memory"
	storageBolt   = "bolt"
	storageEtcd   = "etcd"
)

// openStoreWithin bounds how long a storage may take to say what it has.
const openStoreWithin = 30 * time.Second

// registryStore is what a registry keeps beside its services, with the storage under both.
type registryStore struct {
	store   storage.Store // nil: memory, and nothing is to be saved for the next start
	configs *config.Store
	auth    *auth.Auth    // nil: everybody may do everything
	under   storage.Store // of configs; store, or a memory
}

// storage is the one that is meant.
func (r *Registry) storage(data string) string {
	if r.Storage == "" && data != "" {
		return storageBolt
	}
	return orDefault(r.Storage, storageMemory)
}

// keeps tells whether a registry that is started again has anything of the one before.
func (p *registryPiece) keeps() bool { return p.cfg.storage(p.data) != storageMemory }

// OnOff is "on", "off" or, where nothing is said, empty.
type OnOff string

// Values of an OnOff.
const (
	authOn  OnOff = "on"
	authOff OnOff = "off"
)

// UnmarshalJSON takes true and false as well: on and off without quotes are these in YAML 1.1. Other texts are left to be refused with what
// may stand there.
func (o *OnOff) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", `"true"`:
		*o = authOn
	case "false", `"false"`:
		*o = authOff
	default:
		return json.Unmarshal(b, (*string)(o))
	}
	return nil
}

// guarded tells whether clients log in: unless somebody has said that they do not. Who may register decides where gateways
// connect to, and a port on loopback is open to everybody on the machine.
func (r *Registry) guarded() bool { return r.Auth != authOff }

// PasswordFile is where the password of the first user (auth.FirstUser) is written once, in a data directory.
func PasswordFile(data string) string { return filepath.Join(data, "registry", "password") }

// openAuth knows the users. The first one's password is in a file of the configuration, or written to one that only its owner may
// read, beside the secret that signs tokens; a storage that several processes share keeps that itself.
func openAuth(ctx context.Context, cfg *Registry, data string, kv storage.Store, log *slog.Logger) (*auth.Auth, error) {
	dir := filepath.Join(data, "registry")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var secret []byte
	if cfg.Storage != storageEtcd {
		var err error
		if secret, err = auth.SecretFile(filepath.Join(dir, "secret")); err != nil {
			return nil, err
		}
	}
	given, err := cfg.firstPassword()
	if err != nil {
		return nil, err
	}
	return auth.Open(ctx, kv, auth.Options{Secret: secret, FirstPassword: given, First: func(user, password string) error {
		if given != "" {
			log.Info("the registry's first user was made", "user", user, "password", "in "+cfg.PasswordFile)
			return nil
		}
		file := PasswordFile(data)
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) { // of a storage that is gone
			return err
		}
		log.Info("the registry's first user was made", "user", user, "password", "in "+file)
		return auth.WriteOnce(file, password)
	}})
}

// firstPassword is the one that is chosen for the first user; empty: none is.
func (r *Registry) firstPassword() (string, error) {
	if r.PasswordFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(r.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("passwordFile: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("passwordFile: %s is empty", r.PasswordFile)
	}
	return password, nil
}

func openRegistryStore(cfg *Registry, data string, log *slog.Logger) (*registryStore, error) {
	s := &registryStore{}
	var err error
	switch cfg.storage(data) {
	case storageBolt:
		if s.store, err = bolt.Open(filepath.Join(data, "registry", "registry.db")); err != nil {
			return nil, fmt.Errorf("app: registry: %w", err)
		}
		s.under = s.store
	case storageEtcd:
		if s.store, err = openEtcd(cfg.Etcd, log); err != nil {
			return nil, fmt.Errorf("app: registry: %w", err)
		}
		s.under = s.store
	default:
		s.under = storage.NewMemory()
	}
	ctx, cancel := context.WithTimeout(context.Background(), openStoreWithin)
	defer cancel()
	if s.configs, err = config.Open(ctx, s.under, config.Options{}); err != nil {
		return nil, errors.Join(fmt.Errorf("app: registry: %w", err), s.close())
	}
	if cfg.guarded() {
		if s.auth, err = openAuth(ctx, cfg, data, s.under, log); err != nil {
			return nil, errors.Join(fmt.Errorf("app: registry: %w", err), s.close())
		}
	}
	return s, nil
}

func openEtcd(e *Etcd, log *slog.Logger) (storage.Store, error) {
	c := etcd.Config{Endpoints: e.Endpoints, Prefix: e.Prefix, Username: e.Username, Log: log}
	if e.PasswordFile != "" {
		text, err := os.ReadFile(e.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("etcd.passwordFile: %w", err)
		}
		c.Password = strings.TrimSpace(string(text))
	}
	if e.CA == "" && e.Certificate == "" {
		return etcd.Open(c) // https:// uses the roots of the system
	}
	c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if e.CA != "" {
		text, err := os.ReadFile(e.CA)
		if err != nil {
			return nil, fmt.Errorf("etcd.ca: %w", err)
		}
		c.TLS.RootCAs = x509.NewCertPool()
		if !c.TLS.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("etcd.ca: %s has no certificate in it", e.CA)
		}
	}
	if e.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(e.Certificate, e.Key)
		if err != nil {
			return nil, fmt.Errorf("etcd.certificate: %w", err)
		}
		c.TLS.Certificates = []tls.Certificate{pair}
	}
	return etcd.Open(c)
}

// close ends everything; the registry on it was stopped before.
func (s *registryStore) close() error {
	if s.configs != nil {
		s.configs.Close()
	}
	if s.auth != nil {
		s.auth.Close()
	}
	return s.under.Close()
}
