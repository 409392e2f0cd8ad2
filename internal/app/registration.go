package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"

	"paifang/internal/registry"
)

// registration keeps the gateway in the registry while it runs, and takes it out while it is stopped.
type registration struct {
	registrar registrar // nil: it does not register

	mu     sync.Mutex
	held   bool
	change chan struct{} // one per change of held; buffered
	out    chan struct{} // closed while nothing is registered
}

// registrar keeps one instance registered until ctx ends, and takes it out then.
type registrar interface {
	Run(ctx context.Context) error
}

func newRegistration(c *Config, own *registry.Handle, log *slog.Logger) (*registration, error) {
	r := &registration{change: make(chan struct{}, 1)}
	g := c.Gateway
	if g == nil || g.Elsewhere || !g.registers() {
		return r, nil
	}
	addr := netip.AddrPortFrom(g.advertise(), g.HTTP.Port())
	if c.Registry != nil {
		r.registrar = &ownRegistrar{own, registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: g.service()}, addr, log}
		return r, nil
	}
	var err error
	r.registrar, err = c.Sources.Nacos[0].registrar(g.service(), addr, log)
	if err != nil {
		return nil, fmt.Errorf("app: register the gateway: %w", err)
	}
	return r, nil
}

// run registers until ctx ends, and deregisters then.
func (r *registration) run(ctx context.Context) error {
	if r.registrar == nil {
		<-ctx.Done()
		return nil
	}
	for ctx.Err() == nil {
		out := r.enter()
		if out == nil {
			r.await(ctx)
			continue
		}
		r.register(ctx, out)
	}
	return nil
}

// enter returns what is closed once the gateway is out again, which hold waits for from now on; nil where it is held.
func (r *registration) enter() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held {
		return nil
	}
	out := make(chan struct{})
	r.out = out
	return out
}

// await returns once something may have changed, or ctx ends.
func (r *registration) await(ctx context.Context) {
	select {
	case <-r.change:
	case <-ctx.Done():
	}
}

func (r *registration) holds() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// register keeps the gateway registered until it is held or ctx ends.
func (r *registration) register(ctx context.Context, out chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(out)
		_ = r.registrar.Run(ctx) // it logs what fails, and tries again until ctx ends
	})
	for ctx.Err() == nil && !r.holds() { // a word may be about a change that is over
		r.await(ctx)
	}
	cancel()
	wg.Wait()
}

// hold takes the gateway out of the registry, or lets it in again. It returns when it is out, or when ctx ends.
func (r *registration) hold(ctx context.Context, hold bool) {
	if r.registrar == nil {
		return
	}
	r.mu.Lock()
	changed := r.held != hold
	r.held = hold
	out := r.out
	r.mu.Unlock()
	if !changed {
		return
	}
	select {
	case r.change <- struct{}{}:
	default:
	}
	if hold && out != nil {
		select {
		case <-out:
		case <-ctx.Done():
		}
	}
}
