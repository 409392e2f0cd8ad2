package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/registry/storage"
)

// perKey bounds what is saved under one key, bytes, and with it what is written again when one instance changes.
const perKey = 64 << 10

// unsave notes that the ephemeral instances of a service are not saved as they are. The mutex is held.
func (r *Registry) unsave(s *service) {
	if r.own != nil || r.shared != nil || s.dirty {
		return
	}
	s.dirty = true
	r.unsaved[s] = struct{}{}
	select {
	case r.tidy <- struct{}{}:
	default:
	}
}

// discard has the saved instances of a service deleted that goes itself. The mutex is held.
func (r *Registry) discard(s *service) {
	delete(r.unsaved, s)
	for i := range s.saved {
		r.forget(savedKey(s.key, i), 0)
	}
}

func savedKey(key Key, part int) string { return fmt.Sprintf("%s%s %d", savedRoot, key, part) }

// keepHouse saves ephemeral instances, deletes what means nothing any more and moves the mark, until the registry is
// closed. Instances are saved some time after they changed, so that many changes are one write: a process that is killed
// meanwhile loses what its clients repeat anyway.
func (r *Registry) keepHouse() {
	every := markEvery
	if r.shared != nil {
		every = clockEvery
	}
	mark := time.NewTicker(every)
	defer mark.Stop()
	for {
		select {
		case <-r.tidy:
			select {
			case <-time.After(r.opt.SaveEvery):
			case <-r.done:
				r.keep(r.save)
				return
			}
			r.keep(r.save)
			r.keep(r.sweepLitter)
		case <-mark.C:
			switch {
			case r.shared != nil:
				r.keep(r.moveClock)
			case r.own == nil:
				r.keep(r.moveMark)
			}
		case <-r.done:
			return
		}
	}
}

func (r *Registry) keep(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Wait)
	defer cancel()
	if err := f(ctx); err != nil && r.reachable("") == nil { // of a cluster that does not answer the storage itself tells, once
		r.opt.Log.Warn("the registry's storage does not take what is saved now and then", "err", err)
	}
}

// save writes the ephemeral instances of services that have changed.
func (r *Registry) save(ctx context.Context) error {
	for {
		changes, s := r.toSave()
		if s == nil {
			return nil
		}
		for batch := range slices.Chunk(changes, storage.MaxCommit) {
			if _, err := r.store.Commit(ctx, nil, batch...); err != nil {
				r.mu.Lock()
				if r.services[s.key] == s {
					s.dirty = false
					r.unsave(s)
				}
				r.mu.Unlock()
				return err
			}
		}
	}
}

// toSave takes one of the services that have changed.
func (r *Registry) toSave() ([]storage.Change, *service) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.unsaved {
		delete(r.unsaved, s)
		s.dirty = false
		parts := savedParts(s)
		changes := make([]storage.Change, 0, max(len(parts), s.saved))
		for i, value := range parts {
			changes = append(changes, storage.Put(savedKey(s.key, i), value))
			delete(r.litter, savedKey(s.key, i))
		}
		for i := len(parts); i < s.saved; i++ {
			changes = append(changes, storage.Delete(savedKey(s.key, i)))
		}
		s.saved = len(parts)
		return changes, s
	}
	return nil, nil
}

// savedParts are the ephemeral instances of a service: lines of JSON, in parts.
func savedParts(s *service) [][]byte {
	var parts [][]byte
	add := func(p *publication) {
		d := newRecord(&p.in)
		d.Addr, d.Cluster = p.in.Addr, p.in.Cluster
		line, err := json.Marshal(d)
		if err != nil {
			return // texts and numbers that were checked
		}
		if n := len(parts); n == 0 || len(parts[n-1])+len(line) > perKey {
			parts = append(parts, nil)
		}
		n := len(parts) - 1
		parts[n] = append(append(parts[n], line...), '\n')
	}
	s.eachOwn(add)
	for _, p := range s.restored {
		add(p)
	}
	return parts
}

// sweepLitter deletes stored keys that mean nothing any more, unless somebody has written them again.
func (r *Registry) sweepLitter(ctx context.Context) error {
	r.mu.Lock()
	litter := r.litter
	r.litter = map[string]int64{}
	r.mu.Unlock()
	for key, revision := range litter {
		var conditions []storage.Condition
		if revision > 0 {
			conditions = []storage.Condition{{Key: key, Revision: revision}}
		}
		_, err := r.store.Commit(ctx, conditions, storage.Delete(key))
		if err != nil && ctx.Err() != nil {
			r.mu.Lock()
			for key, revision := range litter {
				r.forget(key, revision)
			}
			r.mu.Unlock()
			return err
		}
		delete(litter, key)
	}
	return nil
}

// restore brings back the ephemeral instances that a process before this one had. Each has the time after which a silent
// one is removed to be confirmed by its client.
func (r *Registry) restore(ctx context.Context) error {
	list, _, err := r.store.List(ctx, savedRoot)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range list {
		text, _, _ := strings.Cut(strings.TrimPrefix(e.Key, savedRoot), " ")
		key, err := ParseKey(text)
		if err != nil {
			r.opt.Log.Warn("what was saved cannot be read", "key", e.Key, "err", err)
			continue
		}
		s := r.service(key)
		s.saved++
		for line := range bytes.Lines(e.Value) {
			var d record
			if err := json.Unmarshal(line, &d); err != nil {
				r.opt.Log.Warn("what was saved cannot be read", "key", e.Key, "err", err)
				continue
			}
			r.bringBack(s, &d)
		}
	}
	return nil
}

func (r *Registry) bringBack(s *service, d *record) {
	in, err := r.check(d.instance(slot{d.Addr, d.Cluster}, true))
	if err != nil { // rules have become stricter
		r.opt.Log.Warn("an instance that was saved is refused", "service", s.key, "err", err)
		return
	}
	p := &publication{in: in, lease: r.lease(s, &in), unconfirmed: true}
	p.lapse = lapse{service: s, publication: p, index: notQueued}
	if s.restored == nil {
		s.restored = map[slot]*publication{}
	}
	if q := s.restored[in.slot()]; q != nil {
		r.leases.remove(&q.lapse)
	}
	s.restored[in.slot()] = p
	r.leases.put(&p.lapse, time.Now().Add(p.lease.remove))
	r.nudge()
	r.changed(s)
}

// confirm ends the doubt about an instance, or the wait for its client, if there was any, and returns it. The mutex is held.
func (r *Registry) confirm(s *service, at slot) *publication {
	p := s.restored[at]
	if p == nil {
		return r.arrived(s, at)
	}
	delete(s.restored, at)
	r.leases.remove(&p.lapse)
	s.view = nil
	return p
}

// adopt turns an instance in doubt whose client sends heartbeats into one that lives by them. The mutex is held.
func (r *Registry) adopt(s *service, addr netip.AddrPort) *publication {
	for at, p := range s.restored {
		if at.addr != addr {
			continue
		}
		r.confirm(s, at)
		r.order++
		p.unconfirmed, p.order, p.beat, p.lease = false, r.order, time.Now(), r.lease(s, &p.in)
		s.beating[addr] = p
		r.leases.put(&p.lapse, p.next())
		r.nudge()
		r.changed(s)
		return p
	}
	return nil
}
