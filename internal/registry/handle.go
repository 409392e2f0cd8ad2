package registry

import (
	"errors"
	"sync"
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

// Handle is a registry that is stopped and started. One that is started begins empty. The zero value is stopped.
type Handle struct {
	mu      sync.Mutex
	cur     *Registry
	started chan struct{} // closed by the next Start; nil: nobody waits
}

var _ Starter = (*Handle)(nil)

// Start starts an empty registry; it is an error when one runs.
func (h *Handle) Start(opt Options) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cur != nil {
		return errors.New("registry: start: it is running")
	}
	h.cur = New(opt)
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
	defer h.mu.Unlock()
	if h.cur != nil {
		h.cur.Close()
		h.cur = nil
	}
}

// Current returns the registry that runs.
func (h *Handle) Current() (*Registry, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cur, h.cur != nil
}
