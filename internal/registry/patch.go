package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/registry/storage"
)

// Patch changes what it names of an instance. What it says of metadata is laid over what the client says, label by label, however
// often that registers again: as a Nacos server does (InstanceMetadata).
type Patch struct {
	Weight   *float64
	Enabled  *bool
	Metadata model.Tags // in place of what earlier updates said; nil: that stays
	Add      model.Tags // to that
	Drop     []string   // labels that no update says anything of any more: the client's own are seen again
}

// override is what an update by API says of an instance, however it was registered.
type override struct {
	patch    Patch
	lapse    lapse // when it goes, after its instance went
	revision int64 // of the storage
	feed     uint64
}

func (p Patch) apply(in *Instance) {
	if p.Weight != nil {
		in.Weight = *p.Weight
	}
	if p.Enabled != nil {
		in.Enabled = *p.Enabled
	}
	in.Metadata = laid(p.Metadata, in.Metadata)
}

// laid are the labels of both; over counts where both have one. Neither is changed.
func laid(over, under model.Tags) model.Tags {
	switch {
	case len(over) == 0:
		return under
	case len(under) == 0:
		return over
	}
	out := make(model.Tags, 0, len(over)+len(under))
	out = append(append(out, over...), under...)
	slices.SortStableFunc(out, func(a, b model.Tag) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b model.Tag) bool { return a.Name == b.Name })
}

// after is what an earlier patch and this one say together.
func (p Patch) after(earlier Patch) Patch {
	out := earlier
	if p.Weight != nil {
		out.Weight = p.Weight
	}
	if p.Enabled != nil {
		out.Enabled = p.Enabled
	}
	if p.Metadata != nil {
		out.Metadata = p.Metadata
	}
	out.Metadata = laid(p.Add, out.Metadata)
	if len(p.Drop) > 0 {
		out.Metadata = slices.DeleteFunc(slices.Clone(out.Metadata), func(t model.Tag) bool { return slices.Contains(p.Drop, t.Name) })
	}
	return out
}

// lease is how long an instance is believed, by its metadata with what was laid over it. The mutex is held.
func (r *Registry) lease(s *service, in *Instance) lease {
	if o := s.overrides[in.slot()]; o != nil {
		shown := *in
		o.patch.apply(&shown)
		in = &shown
	}
	return in.lease(r.usual)
}

// renew gives an instance that lives by heartbeats the lease that it has since an update. The mutex is held.
func (r *Registry) renew(s *service, at slot) {
	if p := s.beating[at.addr]; p != nil && p.in.slot() == at {
		p.lease = r.lease(s, &p.in)
		r.leases.put(&p.lapse, p.next())
		r.nudge()
	}
}

// Update changes an instance by hand, however it was registered. It outlives the registration for Options.KeepEmpty,
// so that an instance that was taken out does not come back by registering again. It is stored: errors are ErrUnknown,
// ErrInvalid and those of the storage.
func (r *Registry) Update(key Key, addr netip.AddrPort, cluster string, patch Patch) error {
	if patch.Weight != nil {
		if err := checkWeight(*patch.Weight); err != nil {
			return err
		}
	}
	for _, t := range []model.Tags{patch.Metadata, patch.Add} {
		if err := r.checkMetadata(t); err != nil {
			return err
		}
	}
	if err := checkTimes(patch.Metadata); err != nil {
		return err
	}
	if cluster == "" {
		cluster = defaultCluster
	}
	at := slot{netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), cluster}
	r.mu.Lock()
	s, closed := r.services[key], r.closed
	there := s != nil && s.holds(at)
	r.mu.Unlock()
	switch {
	case closed:
		return fmt.Errorf("registry: update %s %s: %w", key, addr, ErrClosed)
	case !there:
		return fmt.Errorf("registry: update %s: no instance %s in cluster %s: %w", key, at.addr, cluster, ErrUnknown)
	}
	var err error
	for range patchTries {
		if err = r.patch(patchRoot+slotText(key, at), patch); !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("registry: update %s %s: %w", key, at.addr, err)
	}
	return nil
}

// patchTries is how often an update is begun again because another one of the same instance was faster.
const patchTries = 20

// patch stores a patch together with the one that is.
func (r *Registry) patch(stored string, patch Patch) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Wait)
	defer cancel()
	e, found, err := r.store.Get(ctx, stored)
	if err != nil {
		return err
	}
	var d storedPatch
	if found {
		if err := json.Unmarshal(e.Value, &d); err != nil {
			return err
		}
	}
	all := patch.after(d.patch())
	if err := r.checkMetadata(all.Metadata); err != nil { // many small ones are a large one
		return err
	}
	value, err := json.Marshal(all.stored())
	if err != nil {
		return err
	}
	return r.commit([]storage.Condition{{Key: stored, Revision: e.Revision}}, storage.Put(stored, value))
}

// orphan lets the override of a slot that nobody publishes any more run out.
func (r *Registry) orphan(s *service, at slot) {
	if o := s.overrides[at]; o != nil && !s.holds(at) {
		r.leases.put(&o.lapse, time.Now().Add(r.opt.KeepEmpty))
		r.nudge()
	}
}
