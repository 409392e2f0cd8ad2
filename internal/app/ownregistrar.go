package app

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"paifang/internal/registry"
)

// ownRegistrar keeps the gateway in the registry of its own process, which needs no password of itself.
type ownRegistrar struct {
	handle *registry.Handle
	key    registry.Key
	addr   netip.AddrPort
	log    *slog.Logger
}

// Run registers whenever a registry is started, sends heartbeats, and deregisters when ctx ends.
func (o *ownRegistrar) Run(ctx context.Context) error {
	said := ""
	for {
		wait := registry.DefaultInterval
		r, runs := o.handle.Current()
		var ended, started <-chan struct{}
		if runs {
			ended = r.Done()
			if err := o.beat(r); err != nil && err.Error() != said {
				said = err.Error()
				o.log.Warn("the gateway is not registered", "error", err)
			}
		} else {
			started = o.handle.Started()
		}
		select {
		case <-started:
		case <-ended:
		case <-time.After(wait):
		case <-ctx.Done():
			if r, runs := o.handle.Current(); runs {
				_, err := r.Deregister(o.key, o.addr)
				return err
			}
			return nil
		}
	}
}

// beat sends a heartbeat, and registers where that is not known.
func (o *ownRegistrar) beat(r *registry.Registry) error {
	_, known, err := r.Beat(o.key, o.addr)
	if err != nil || known {
		return err
	}
	return r.Register(o.key, registry.Instance{Addr: o.addr, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true})
}
