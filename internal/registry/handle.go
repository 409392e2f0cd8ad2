package registry

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Provider knows the registry that runs now, if one does.
type Provider interface {
	Current() (*Registry, bool)
}

// Starter is a Provider that tells when a registry begins to run.
type Starter interface {
	Provider
	// Started returns a channel that is closed once one runs, at once where one does.
	Started() <-chan struct{}
}

// Handle is a registry that is stopped and started. One that is started begins with what its storage has kept. The zero
// value is stopped.
type Handle struct {
	start   sync.Mutex // one at a time
	mu      sync.Mutex
	cur     *Registry
	started chan struct{} // closed by the next Start; nil: nobody waits
}

var _ Starter = (*Handle)(nil)

// openWithin bounds how long the storage may take to say what it has.
const openWithin = 30 * time.Second

// Start starts a registry; it is an error when one runs. It waits for the storage, for 30 s at most.
func (h *Handle) Start(opt Options) error {
	h.start.Lock()
	defer h.start.Unlock()
	if _, runs := h.Current(); runs {
		return errors.New("registry: start: it is running")
	}
	var r *Registry
	if opt.Store == nil {
		r = New(opt)
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), openWithin)
		defer cancel()
		var err error
		if r, err = Open(ctx, opt); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cur = r
	if h.started != nil {
		close(h.started)
		h.started = nil
	}
	return nil
}

// Started implements Starter.
func (h *Handle) Started() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cur != nil {
		running := make(chan struct{})
		close(running)
		return running
	}
	if h.started == nil {
		h.started = make(chan struct{})
	}
	return h.started
}

// Stop closes the registry, if it runs, and drops everything in it.
func (h *Handle) Stop() {
	h.mu.Lock()
	cur := h.cur
	h.cur = nil
	h.mu.Unlock()
	if cur != nil {
		cur.Close()
	}
}

// Current returns the registry that runs.
func (h *Handle) Current() (*Registry, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cur, h.cur != nil
}
