package registry

import (
	"errors"
	"sync"
)

// Provider knows the registry that runs now, if one does.
type Provider interface {
	Current() (*Registry, bool)
}

// Handle is a registry that is stopped and started. One that is started begins empty. The zero value is stopped.
type Handle struct {
	mu  sync.Mutex
	cur *Registry
}

var _ Provider = (*Handle)(nil)

// Start starts an empty registry; it is an error when one runs.
func (h *Handle) Start(opt Options) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cur != nil {
		return errors.New("registry: start: it is running")
	}
	h.cur = New(opt)
	return nil
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
