package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"paifang/internal/model"
	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
)

// Settings are what an operator says of a service. A service has them when they were set, and stays, empty or not, until
// they are taken away.
type Settings struct {
	Ephemeral        bool               // which kind of instances it takes; the other kind is refused
	ProtectThreshold float64            // share of healthy instances, 0 to 1, at which all are shown as healthy; see View.Protected
	Metadata         model.Tags         // of the service
	Clusters         map[string]Cluster // by name
}

// Cluster is what an operator says of the instances of one cluster of a service.
type Cluster struct {
	Check     probe.Check // how persistent ones are asked; default TCP on their own port
	CheckPort uint16      // as it was given, to be shown: Check.Port is 0 while each is asked on its own port
	Metadata  model.Tags
}

// storedCluster is a Cluster as it is stored.
type storedCluster struct {
	probe.Check
	CheckPort uint16 `json:"checkPort,omitempty"`
	Metadata  labels `json:"metadata,omitempty"`
}

// storedSettings are Settings as they are stored.
type storedSettings struct {
	Ephemeral        bool                     `json:"ephemeral"`
	ProtectThreshold float64                  `json:"protectThreshold,omitempty"`
	Metadata         labels                   `json:"metadata,omitempty"`
	Clusters         map[string]storedCluster `json:"clusters,omitempty"`
}

func (s *Settings) stored() storedSettings {
	out := storedSettings{s.Ephemeral, s.ProtectThreshold, labels(s.Metadata), make(map[string]storedCluster, len(s.Clusters))}
	for name, c := range s.Clusters {
		out.Clusters[name] = storedCluster{c.Check, c.CheckPort, labels(c.Metadata)}
	}
	return out
}

func (d *storedSettings) settings() *Settings {
	out := &Settings{d.Ephemeral, d.ProtectThreshold, model.Tags(d.Metadata), make(map[string]Cluster, len(d.Clusters))}
	for name, c := range d.Clusters {
		out.Clusters[name] = Cluster{c.Check, c.CheckPort, model.Tags(c.Metadata)}
	}
	return out
}

const maxClusters = 100 // with settings of their own, of one service

func (r *Registry) checkSettings(s *Settings) error {
	if math.IsNaN(s.ProtectThreshold) || s.ProtectThreshold < 0 || s.ProtectThreshold > 1 {
		return fmt.Errorf("registry: protect threshold %v: want 0 to 1: %w", s.ProtectThreshold, ErrInvalid)
	}
	if len(s.Clusters) > maxClusters {
		return fmt.Errorf("registry: %d clusters have settings, at most %d may: %w", len(s.Clusters), maxClusters, ErrInvalid)
	}
	all := slices.Clone(s.Metadata)
	for name, c := range s.Clusters {
		if err := checkName("cluster", name, maxCluster, "-_"); err != nil {
			return err
		}
		if err := c.Check.Validate(); err != nil {
			return fmt.Errorf("registry: cluster %s: %w: %w", name, err, ErrInvalid)
		}
		all = append(all, c.Metadata...)
	}
	return r.checkMetadata(all) // together they are one stored value
}

// CreateService sets the settings of a service that has none; ErrExists where it has, or has instances of the other kind.
func (r *Registry) CreateService(key Key, s Settings) error { return r.set(key, s, "create", true) }

// ChangeService sets the settings of a service, there or not. Whether it is ephemeral cannot change while it has
// instances: ErrInvalid.
func (r *Registry) ChangeService(key Key, s Settings) error { return r.set(key, s, "change", false) }

func (r *Registry) set(key Key, s Settings, verb string, fresh bool) error {
	err := key.Validate()
	if err == nil {
		err = r.checkSettings(&s)
	}
	if err != nil {
		return err
	}
	value, err := json.Marshal(s.stored())
	if err != nil {
		return fmt.Errorf("registry: %s service %s: %w", verb, key, err)
	}
	r.mu.Lock()
	err = r.settable(key, s, fresh)
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("registry: %s service %s: %w", verb, key, err)
	}
	var conditions []storage.Condition
	if fresh {
		conditions = []storage.Condition{{Key: settingsRoot + key.String()}}
	}
	err = r.commit(conditions, storage.Put(settingsRoot+key.String(), value))
	if errors.Is(err, storage.ErrConflict) {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("registry: %s service %s: %w", verb, key, err)
	}
	return nil
}

func (r *Registry) settable(key Key, s Settings, fresh bool) error {
	have := r.services[key]
	switch kind := r.kind(key, have); {
	case r.closed:
		return ErrClosed
	case have == nil && len(r.services) >= r.opt.MaxServices:
		return fmt.Errorf("%d services are there: %w", len(r.services), ErrLimit)
	case have != nil && have.count() > 0 && (kind == ephemeral) != s.Ephemeral:
		return fmt.Errorf("it has %s instances: %w", kind, ErrInvalid)
	case have != nil && have.settings != nil && fresh:
		return ErrExists
	}
	if have != nil {
		for at := range have.fixed {
			if err := r.checkTarget(s.Clusters[at.cluster].Check, at.addr); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTarget tells whether a persistent instance may be asked where a check says. Whoever sets the port of a check has this process
// connect there, so it has to be one at which an instance may be.
func (r *Registry) checkTarget(c probe.Check, addr netip.AddrPort) error {
	if c.Kind == probe.None || c.Port == 0 {
		return nil
	}
	_, err := r.opt.Addresses.Check(c.Target(addr))
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	return nil
}

// RemoveService takes the settings of a service away, and the service with them: ErrInvalid while it has instances,
// ErrUnknown where there is none.
func (r *Registry) RemoveService(key Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	r.mu.Lock()
	s, closed := r.services[key], r.closed
	var err error
	switch {
	case closed:
		err = ErrClosed
	case s == nil:
		err = ErrUnknown
	case s.count() > 0:
		err = fmt.Errorf("it has %d instances: %w", s.count(), ErrInvalid)
	case s.settings == nil:
		r.clean(s)
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	if err == nil {
		err = r.commit(nil, storage.Delete(settingsRoot+key.String()))
	}
	if err != nil {
		return fmt.Errorf("registry: remove service %s: %w", key, err)
	}
	return nil
}

// Protected tells whether so few instances of a list are healthy that all are to be shown as healthy: those that are left would
// take the load of all. It holds where a threshold or metadata was set, and, as in Nacos, also when the share is exactly the threshold.
func (v *View) Protected(healthy, total int) bool {
	return v.Settings != nil && total > 0 && float64(healthy)/float64(total) <= v.Settings.ProtectThreshold
}

// kindOf is which instances a service takes.
type kind string

const (
	either     kind = "no"
	ephemeral  kind = "ephemeral"
	persistent kind = "persistent"
)

// kind is which instances a service takes: what its settings say, else the kind of those that it has. The mutex is held.
func (r *Registry) kind(key Key, s *service) kind {
	switch {
	case s != nil && s.settings != nil:
		if s.settings.Ephemeral {
			return ephemeral
		}
		return persistent
	case r.reserved[key] > 0 || s != nil && len(s.fixed) > 0:
		return persistent
	case s != nil && s.count() > 0:
		return ephemeral
	}
	return either
}

// takes tells whether a service takes instances of a kind, in the words of a Nacos server.
func (r *Registry) takes(key Key, want kind) error {
	if have := r.kind(key, r.services[key]); have != either && have != want {
		return fmt.Errorf("registry: register %s: current service is %s service, can't register %s instance: %w", key, have, want, ErrInvalid)
	}
	return nil
}

func (s *Settings) same(as *Settings) bool {
	return s != nil && as != nil && s.Ephemeral == as.Ephemeral && s.ProtectThreshold == as.ProtectThreshold && sameTags(s.Metadata, as.Metadata) &&
		maps.EqualFunc(s.Clusters, as.Clusters, func(x, y Cluster) bool {
			return x.Check.Same(y.Check) && x.CheckPort == y.CheckPort && sameTags(x.Metadata, y.Metadata)
		})
}

// commit writes and waits until it is known here. The mutex is not held.
func (r *Registry) commit(conditions []storage.Condition, changes ...storage.Change) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Wait)
	defer cancel()
	revision, err := r.store.Commit(ctx, conditions, changes...)
	if err != nil {
		return err
	}
	return r.mirror.Await(ctx, revision)
}
