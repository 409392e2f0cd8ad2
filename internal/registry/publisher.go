package registry

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
)

// Publication is an instance with who vouches for it.
type Publication struct {
	Key      Key
	Instance Instance
	By       *Connection // nil: its heartbeats, or nobody, where it is persistent
}

// Publications returns what this process' own clients have published for a service, and its persistent instances, by address.
func (r *Registry) Publications(key Key) []Publication {
	var out []Publication
	r.mu.Lock()
	if s := r.services[key]; s != nil {
		for _, p := range s.beating {
			out = append(out, Publication{key, p.in, nil})
		}
		for _, p := range s.fixed {
			out = append(out, Publication{key, p.in, nil})
		}
		for c, batch := range s.published {
			for _, p := range batch {
				out = append(out, Publication{key, p.in, c})
			}
		}
	}
	r.mu.Unlock()
	slices.SortFunc(out, func(a, b Publication) int { return a.Instance.Addr.Compare(b.Instance.Addr) })
	return out
}

// Processes returns the addresses of the processes on the same storage, this one first; it alone where no storage is shared. One that
// has not said where it is, is not among them.
func (r *Registry) Processes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var others []string
	for _, p := range r.processes {
		if p.address != "" && p.address != r.opt.Address {
			others = append(others, p.address)
		}
	}
	slices.Sort(others)
	if r.opt.Address != "" {
		others = slices.Insert(others, 0, r.opt.Address)
	}
	return others
}

// SetHealth says how a persistent instance is that nobody asks (probe.None). Of one that is asked, the error is ErrInvalid, in the words
// of a Nacos server. Errors are also ErrUnknown, ErrClosed and those of the storage.
func (r *Registry) SetHealth(key Key, addr netip.AddrPort, cluster string, well bool) error {
	if cluster == "" {
		cluster = defaultCluster
	}
	at := slot{netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), cluster}
	in, err := r.unasked(key, at)
	if err == nil {
		in.Healthy = well
		var value []byte
		if value, err = json.Marshal(newRecord(&in)); err == nil {
			err = r.commit(nil, storage.Put(fixedRoot+slotText(key, at), value))
		}
	}
	if err != nil {
		return fmt.Errorf("registry: set health of %s in %s: %w", at.addr, key, err)
	}
	return nil
}

// unasked returns a persistent instance whose cluster is not asked.
func (r *Registry) unasked(key Key, at slot) (Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[key]
	switch {
	case r.closed:
		return Instance{}, ErrClosed
	case s == nil || s.fixed[at] == nil:
		return Instance{}, fmt.Errorf("no persistent instance in cluster %s: %w", at.cluster, ErrUnknown)
	case s.check(at) != probe.None:
		return Instance{}, fmt.Errorf("health check is still working, service: %s@@%s, cluster: %s: %w", key.Group, key.Service, at.cluster, ErrInvalid)
	}
	return s.fixed[at].in, nil
}

// check is how the instances of a slot's cluster are asked.
func (s *service) check(at slot) probe.Kind {
	if s.settings == nil {
		return ""
	}
	return s.settings.Clusters[at.cluster].Check.Kind
}
