package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
)

// registerFixed stores a persistent instance. It is there until somebody deregisters it.
func (r *Registry) registerFixed(key Key, in Instance) error {
	r.mu.Lock()
	have, err := r.reserve(key, &in)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	defer r.release(key)
	if have != nil {
		if have.Healthy = in.Healthy; have.Same(&in) { // checks say how it is
			return nil
		}
	}
	for range patchTries {
		if err = r.storeFixed(key, in); !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("registry: register %s %s: %w", key, in.Addr, err)
	}
	return nil
}

// storeFixed writes an instance, over what is written of it: that may be by another process, which has found how it is.
func (r *Registry) storeFixed(key Key, in Instance) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Wait)
	defer cancel()
	stored := fixedRoot + slotText(key, in.slot())
	e, found, err := r.store.Get(ctx, stored)
	if err != nil {
		return err
	}
	in.Since = time.Now()
	if found {
		var d record
		if err := json.Unmarshal(e.Value, &d); err != nil {
			return err
		}
		in.Since = d.Since
		if r.shared != nil && r.isAsked(key, in.slot()) {
			in.Healthy = !d.Unhealthy
		}
	}
	value, err := json.Marshal(newRecord(&in))
	if err != nil {
		return err
	}
	return r.commit([]storage.Condition{{Key: stored, Revision: e.Revision}}, storage.Put(stored, value))
}

// isAsked tells whether somebody asks an instance how it is.
func (r *Registry) isAsked(key Key, at slot) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[key]
	return s == nil || s.check(at) != probe.None
}

// reserve keeps ephemeral instances out while a persistent one is being stored, and returns the one that is there.
func (r *Registry) reserve(key Key, in *Instance) (*Instance, error) {
	if r.closed {
		return nil, fmt.Errorf("registry: register %s: %w", key, ErrClosed)
	}
	if err := r.takes(key, persistent); err != nil {
		return nil, err
	}
	var out *Instance
	s := r.services[key]
	if s != nil && s.settings != nil {
		if err := r.checkTarget(s.settings.Clusters[in.Cluster].Check, in.Addr); err != nil {
			return nil, fmt.Errorf("registry: register %s: %w", key, err)
		}
	}
	switch {
	case s == nil && len(r.services) >= r.opt.MaxServices:
		return nil, fmt.Errorf("registry: register %s: %d services are there: %w", key, len(r.services), ErrLimit)
	case s != nil && s.fixed[in.slot()] != nil:
		have := s.fixed[in.slot()].in
		out = &have
	case s != nil && s.count()+r.reserved[key] >= r.opt.MaxInstances:
		return nil, fmt.Errorf("registry: register %s: %d instances are there: %w", key, s.count(), ErrLimit)
	}
	r.reserved[key]++
	return out, nil
}

func (r *Registry) release(key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reserved[key]--; r.reserved[key] == 0 {
		delete(r.reserved, key)
	}
}

// deregisterFixed takes away the persistent instances of an address, in whatever cluster.
func (r *Registry) deregisterFixed(key Key, slots []slot) error {
	changes := make([]storage.Change, 0, len(slots))
	for _, at := range slots {
		changes = append(changes, storage.Delete(fixedRoot+slotText(key, at)))
	}
	if err := r.commit(nil, changes...); err != nil {
		return fmt.Errorf("registry: deregister %s %s: %w", key, slots[0].addr, err)
	}
	return nil
}

// fixedAt are the persistent instances of an address. The mutex is held.
func (s *service) fixedAt(addr netip.AddrPort) []slot {
	var out []slot
	for at := range s.fixed {
		if at.addr == addr {
			out = append(out, at)
		}
	}
	return out
}
