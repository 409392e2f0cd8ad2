package bridge

import (
	"context"
	"errors"

	"paifang/internal/registry"
)

// Embedded is a registry of this process as a target: what is offered is published by a connection of the bridge's own, without
// heartbeats, and gone when that is closed.
type Embedded struct{ Handle registry.Starter }

var _ Target = Embedded{}

// Open waits until a registry runs.
func (e Embedded) Open(ctx context.Context) (Session, error) {
	select {
	case <-e.Handle.Started():
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r, runs := e.Handle.Current()
	if !runs {
		return nil, errors.New("bridge: the registry was stopped")
	}
	c, err := r.Connect()
	if err != nil {
		return nil, err
	}
	return &embedded{r, c}, nil
}

type embedded struct {
	r *registry.Registry
	c *registry.Connection
}

func (e *embedded) Publish(_ context.Context, key registry.Key, list []registry.Instance) error {
	return e.c.Publish(key, list)
}

func (e *embedded) Done() <-chan struct{} { return e.r.Done() }

func (e *embedded) Close() { e.c.Close() }
