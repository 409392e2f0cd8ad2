package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"paifang/internal/certs"
	"paifang/internal/model"
	"paifang/internal/watch"
)

// of returns the bounds as a listener has them; one in clear text has none.
func (b Bounds) of(p model.Protocol) model.ListenerTLS {
	if p != model.HTTPS {
		return model.ListenerTLS{}
	}
	return model.ListenerTLS{MinVersion: model.TLSVersion(b.MinVersion), MaxVersion: model.TLSVersion(b.MaxVersion), Ciphers: b.Ciphers, Staple: b.Staple}
}

func checkBounds(prefix string, b Bounds, say func(field, format string, args ...any)) {
	err := b.of(model.HTTPS).Validate()
	var f *model.FieldError
	if errors.As(err, &f) {
		say(prefix+f.Field, "%s", f.Problem)
	}
}

// roots reads the CAs of upstreams; nil are those of the system.
func (t TLS) roots() (*x509.CertPool, error) {
	if t.UpstreamCA == "" {
		return nil, nil
	}
	text, err := os.ReadFile(t.UpstreamCA)
	if err != nil {
		return nil, fmt.Errorf("app: tls.upstreamCA: %w", err)
	}
	all, err := model.ParseCertificates(string(text))
	if err != nil {
		return nil, fmt.Errorf("app: tls.upstreamCA: %s %w", t.UpstreamCA, err)
	}
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool, nil
}

// ticketFile follows the file with the keys of session tickets. Keys that cannot be read leave those before in force.
type ticketFile struct {
	path    string // empty: the keys are the process's own
	tickets *certs.Tickets
	log     *slog.Logger

	mu    sync.Mutex
	fault error // of the last reading
}

// newTicketFile returns the tickets of a process, with the keys of its file. Without them it does not start: its clients
// would be served, but nobody would hear why their sessions are resumed by no other process.
func newTicketFile(t TLS, log *slog.Logger) (*ticketFile, error) {
	f := &ticketFile{path: t.TicketKeys, tickets: certs.NewTickets(certs.TicketConfig{Every: t.TicketRotation.or(0)}), log: log}
	if f.path == "" {
		return f, nil
	}
	text, err := os.ReadFile(f.path)
	if err == nil {
		err = f.use(text)
	}
	if err != nil {
		return nil, fmt.Errorf("app: tls.ticketKeys: %w", err)
	}
	return f, nil
}

func (f *ticketFile) use(text []byte) error {
	keys, err := certs.ParseTicketKeys(text)
	if err == nil {
		f.tickets.Use(keys)
	}
	return err
}

// run follows the file until ctx ends.
func (f *ticketFile) run(ctx context.Context) error {
	if f.path == "" {
		<-ctx.Done()
		return nil
	}
	err := watch.Run(ctx, watch.Options{Paths: []string{f.path}}, f.take)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (f *ticketFile) take(c watch.Change) {
	for _, file := range c.Files {
		if !file.Settled {
			continue // half of a file may be a file
		}
		err := file.Err
		switch {
		case err != nil:
		case file.Gone:
			err = errors.New("it is gone")
		default:
			err = f.use(file.Data)
		}
		f.mu.Lock()
		f.fault = err
		f.mu.Unlock()
		if err != nil {
			f.log.Warn("the keys of session tickets cannot be read, those before stay in force", "file", f.path, "err", err)
			continue
		}
		f.log.Info("the keys of session tickets were read", "file", f.path)
	}
}

// Diagnostics tells what is wrong with the file.
func (f *ticketFile) Diagnostics() []model.Diagnostic {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault == nil {
		return nil
	}
	return []model.Diagnostic{{Origin: model.Origin{Source: "configuration", Kind: "tls", Name: "ticketKeys", File: f.path}, Severity: model.Warning, Code: model.CodeUnreadable,
		Message: fmt.Sprintf("the keys of session tickets cannot be read, those before stay in force: %v", f.fault)}}
}
