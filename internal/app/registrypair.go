package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"paifang/internal/model"
	"paifang/internal/watch"
)

// followedPair are a certificate and its key in files that are followed: who renews them need not start anything again. A pair that cannot be
// used, because one of both was replaced and the other not yet, leaves the one before in force.
type followedPair struct {
	certificate, key string
	log              *slog.Logger

	mu    sync.Mutex
	pair  *tls.Certificate
	fault error // of the last reading
}

// newFollowedPair reads them once. Without a pair nothing starts.
func newFollowedPair(certificate, key string, log *slog.Logger) (*followedPair, error) {
	f := &followedPair{certificate: certificate, key: key, log: log}
	if f.read(); f.fault != nil {
		return nil, f.fault
	}
	return f, nil
}

func (f *followedPair) read() {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault = err; err == nil {
		f.pair = &pair
	}
}

// config is TLS with the newest pair for each connection that begins.
func (f *followedPair) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.pair, nil
	}}
}

// run follows the files until ctx ends.
func (f *followedPair) run(ctx context.Context) {
	err := watch.Run(ctx, watch.Options{Paths: []string{f.certificate, f.key}}, func(c watch.Change) {
		settled := false
		for _, file := range c.Files {
			settled = settled || file.Settled // half of a file may be a file
		}
		if c.Full || !settled {
			return
		}
		if f.read(); f.fault != nil {
			f.log.Warn("the registry's certificate cannot be read, the one before stays in force", "file", f.certificate, "err", f.fault)
			return
		}
		f.log.Info("the registry's certificate was read", "file", f.certificate)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		f.mu.Lock()
		f.fault = err
		f.mu.Unlock()
		f.log.Warn("the registry's certificate is not followed", "file", f.certificate, "err", err)
	}
}

// Diagnostics tells what is wrong with the files.
func (f *followedPair) Diagnostics() []model.Diagnostic {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == nil {
		return nil
	}
	file := f.certificate
	if p := (*os.PathError)(nil); errors.As(f.fault, &p) {
		file = p.Path
	}
	return []model.Diagnostic{{Origin: model.Origin{Source: "configuration", Kind: "registry", Name: "certificate", File: file}, Severity: model.Warning, Code: model.CodeUnreadable,
		Message: fmt.Sprintf("%v: the pair before stays in force", f.fault)}}
}
