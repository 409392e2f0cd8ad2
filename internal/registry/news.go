package registry

import (
	"encoding/json"
	"strings"

	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
)

// news applies what the storage tells. What cannot be read was written by a later version of this program and is left
// alone.
func (r *Registry) news(n storage.News) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.refs.told(n.Revision)
	r.known = max(r.known, n.Revision)
	r.feed++ // what a full listing does not name has an older one
	for i := range n.Entries {
		if r.shared != nil && n.Entries[i].Key == clockKey { // before what is told with it: all of that is as of the same revision
			r.refs.set(&n.Entries[i])
		}
	}
	for i := range n.Entries {
		if err := r.stored(&n.Entries[i]); err != nil {
			r.opt.Log.Warn("what is stored cannot be read", "key", n.Entries[i].Key, "err", err)
		}
	}
	for _, k := range n.Gone {
		r.unstored(k)
	}
	if n.Full {
		r.sweep()
	}
	if r.regrouped {
		r.regrouped = false
		r.askAll()
	}
}

func (r *Registry) stored(e *storage.Entry) error {
	if text, ok := strings.CutPrefix(e.Key, settingsRoot); ok {
		return r.storedSettings(text, e)
	}
	if text, ok := strings.CutPrefix(e.Key, fixedRoot); ok {
		return r.storedFixed(text, e)
	}
	if text, ok := strings.CutPrefix(e.Key, patchRoot); ok {
		return r.storedPatch(text, e)
	}
	if r.shared == nil {
		return nil
	}
	if text, ok := strings.CutPrefix(e.Key, liveRoot); ok {
		return r.storedLive(text, e)
	}
	if owner, ok := strings.CutPrefix(e.Key, processRoot); ok {
		r.storedProcess(owner, e)
		return nil
	}
	return nil
}

func (r *Registry) storedSettings(text string, e *storage.Entry) error {
	key, err := ParseKey(text)
	if err != nil {
		return err
	}
	var d storedSettings
	if err := json.Unmarshal(e.Value, &d); err != nil {
		return err
	}
	s := r.service(key)
	s.settingsFeed = r.feed
	set := d.settings()
	if !set.same(s.settings) {
		s.settings = set
		for at, p := range s.fixed {
			r.ask(s, at, p)
		}
		r.changed(s)
	}
	return nil
}

func (r *Registry) storedFixed(text string, e *storage.Entry) error {
	key, at, err := parseSlot(text)
	if err != nil {
		return err
	}
	var d record
	if err := json.Unmarshal(e.Value, &d); err != nil {
		return err
	}
	s := r.service(key)
	in := d.instance(at, false)
	p := s.fixed[at]
	if p == nil {
		if s.fixed == nil {
			s.fixed = map[slot]*publication{}
		}
		p = &publication{}
		s.fixed[at] = p
	} else if s.check(at) != probe.None {
		in.Healthy = r.healthOf(probed{key, at}, p, in.Healthy)
	}
	p.feed, p.revision, p.stored = r.feed, e.Revision, !d.Unhealthy
	if !p.in.Same(&in) || s.local { // or the others know it now
		r.order++
		p.in, p.order = in, r.order
		r.changed(s)
	}
	r.ask(s, at, p)
	return nil
}

// prober is made for the first persistent instance; most registries have none. The mutex is held.
func (r *Registry) prober() *probe.Runner[probed] {
	if r.probes == nil {
		r.probes = probe.New(r.opt.Probes, r.probed)
	}
	return r.probes
}

func (r *Registry) storedPatch(text string, e *storage.Entry) error {
	key, at, err := parseSlot(text)
	if err != nil {
		return err
	}
	var d storedPatch
	if err := json.Unmarshal(e.Value, &d); err != nil {
		return err
	}
	s := r.service(key)
	o := s.overrides[at]
	if o == nil {
		o = &override{}
		o.lapse = lapse{service: s, override: at, index: notQueued}
		s.overrides[at] = o
		r.orphan(s, at)
	}
	o.feed = r.feed
	if o.revision != e.Revision {
		o.patch, o.revision = d.patch(), e.Revision
		r.renew(s, at)
		r.changed(s)
	}
	return nil
}

// service is open for what is stored already: limits were checked when it was written.
func (r *Registry) service(key Key) *service {
	s := r.services[key]
	if s == nil {
		s = newService(key, r.lastRef)
		r.services[key] = s
	}
	return s
}

func (r *Registry) unstored(k string) {
	if text, ok := strings.CutPrefix(k, settingsRoot); ok {
		if key, err := ParseKey(text); err == nil && r.services[key] != nil {
			r.unset(r.services[key])
		}
		return
	}
	if r.unstoredProcess(k) {
		return
	}
	for _, root := range []string{fixedRoot, patchRoot, liveRoot} {
		text, ok := strings.CutPrefix(k, root)
		if !ok {
			continue
		}
		key, at, err := parseSlot(text)
		if s := r.services[key]; err == nil && s != nil {
			switch root {
			case fixedRoot:
				r.dropFixed(s, at)
			case patchRoot:
				r.dropPatch(s, at)
			case liveRoot:
				r.unstoredLive(s, at)
			}
		}
	}
}

// unset takes the settings of a service away, and the service if there is nothing else.
func (r *Registry) unset(s *service) {
	if s.settings == nil {
		return
	}
	s.settings = nil
	if s.count() == 0 {
		r.clean(s)
		return
	}
	for at, p := range s.fixed {
		r.ask(s, at, p)
	}
	r.changed(s)
}

func (r *Registry) dropFixed(s *service, at slot) {
	if s.fixed[at] == nil {
		return
	}
	r.unask(probed{s.key, at}, s.fixed[at])
	delete(s.fixed, at)
	r.orphan(s, at)
	r.changed(s)
}

func (r *Registry) dropPatch(s *service, at slot) {
	if o := s.overrides[at]; o != nil {
		r.leases.remove(&o.lapse)
		delete(s.overrides, at)
		r.renew(s, at)
		r.changed(s)
	}
}

// sweep takes away what was stored once and is not in a full listing.
func (r *Registry) sweep() {
	r.sweepProcesses()
	for _, s := range r.services {
		for at, p := range s.fixed {
			if p.feed != r.feed {
				r.dropFixed(s, at)
			}
		}
		for at, o := range s.overrides {
			if o.feed != r.feed {
				r.dropPatch(s, at)
			}
		}
		for at, p := range s.foreign {
			if p.feed != r.feed {
				r.unstoredLive(s, at)
			}
		}
		s.eachOwn(func(p *publication) { r.announce(s.key, p.in.slot(), false) }) // it may have gone meanwhile
		if s.settings != nil && s.settingsFeed != r.feed {
			r.unset(s)
		}
	}
}

// forget notes a stored key that means nothing any more; the one who keeps house deletes it. The mutex is held.
func (r *Registry) forget(key string, revision int64) {
	if len(r.litter) < maxLitter {
		r.litter[key] = revision
	}
	select {
	case r.tidy <- struct{}{}:
	default:
	}
}

// maxLitter bounds what waits to be deleted while the storage is out of reach. What is not noted is found by the next
// process, which has no instance for it either.
const maxLitter = 100_000
