package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Register is where the webhook is registered, and what its replicas share; kubernetes.Registration is one.
type Register interface {
	// Names are those under which the API server calls the webhook.
	Names(context.Context) ([]string, error)
	// Load returns what was saved, which is nothing at first, and its version.
	Load(context.Context) (data map[string][]byte, version string, err error)
	// Save replaces what was loaded with a version. It fails with a conflict where another replica was faster.
	Save(ctx context.Context, data map[string][]byte, version string) error
	// Trust has the API server trust the authorities in bundle (PEM), where it does not yet.
	Trust(ctx context.Context, bundle []byte) error
}

// The pauses of looking after the certificate: what others changed at the API server, such as the trust that an update of
// the registration took away, is put right after as long.
const (
	lookPause  = 5 * time.Minute
	retryPause = 2 * time.Second
	askTimeout = 10 * time.Second
)

// registered is a certificate that is made here and shared with the other replicas.
type registered struct {
	at     Register
	loaded atomic.Pointer[tls.Certificate]
}

// errNoCertificate is what a client is told before there is one. The API server goes on without the webhook then.
var errNoCertificate = errors.New("webhook: there is no certificate yet")

func (r *registered) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := r.loaded.Load(); c != nil {
		return c, nil
	}
	return nil, errNoCertificate
}

// look takes over the certificate that the replicas share, makes one where there is none or it is old, and has it trusted.
func (r *registered) look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	names, err := r.at.Names(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("webhook: the registration names no service")
	}
	data, version, err := r.at.Load(ctx)
	if err != nil {
		return err
	}
	pair, fresh := usable(data, names, now)
	if pair != nil {
		r.loaded.Store(pair) // an old one is better than none, should it be impossible to save another
	}
	if !fresh {
		if data, err = renewed(data, names, now); err != nil {
			return err
		}
		if err := r.at.Save(ctx, data, version); err != nil {
			return err
		}
		made, err := tls.X509KeyPair(data[fileCert], data[fileKey])
		if err != nil {
			return fmt.Errorf("webhook: read the certificate: %w", err)
		}
		r.loaded.Store(&made)
	}
	return r.at.Trust(ctx, data[fileCA])
}

// follow looks again and again, until ctx ends.
func (s *Server) follow(ctx context.Context, r *registered) {
	said := ""
	for {
		pause := lookPause
		if err := r.look(ctx, time.Now()); err != nil && ctx.Err() == nil {
			if pause = retryPause; err.Error() != said && !apierrors.IsConflict(err) {
				s.cfg.Log.Warn("the webhook cannot be registered", "err", err)
			}
			said = err.Error()
		} else {
			said = ""
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
