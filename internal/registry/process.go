package registry

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"paifang/internal/registry/storage"
)

// Processes that share a storage know where each other's HTTP is: an instance that lives by heartbeats belongs to one of them, and a
// heartbeat that reaches another is passed on to it. That costs the storage nothing, where taking the instance over is a write. And they
// have to know of each other to share out the persistent instances, see health.go.

// introduce writes that this process is there, and where, as a key that goes with it.
func (r *Registry) introduce() {
	if r.introduced {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Wait)
	defer cancel()
	step := storage.Step{Change: storage.Put(processRoot+r.shared.Owner(), []byte(r.opt.Address))}
	if _, _, err := r.shared.Batch(ctx, []storage.Step{step}); err != nil {
		r.shareLater()
		return
	}
	r.introduced = true
}

// departWithin bounds the last write of a process.
const departWithin = time.Second

// depart takes that key away, so that the others need not wait for the end of the lease: they ask the instances that this process did.
func (r *Registry) depart() {
	if !r.introduced || r.shared.Reachable().Lost {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), departWithin)
	defer cancel()
	step := storage.Step{Change: storage.Delete(processRoot + r.shared.Owner()), If: storage.Mine}
	if _, _, err := r.shared.Batch(ctx, []storage.Step{step}); err != nil {
		r.opt.Log.Warn("the other registries are not told that this one ends: they will see", "err", err)
	}
}

// process is one on the same storage.
type process struct {
	address string // empty: it has not said
	feed    uint64
}

// Elsewhere returns the address of the process whose client an instance belongs to. It is false for one of this process, one that
// is not known, and one of a process that has not said where it is.
func (r *Registry) Elsewhere(key Key, addr netip.AddrPort) (string, bool) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[key]
	if s == nil || s.beating[addr] != nil {
		return "", false
	}
	p := s.foreignAt(addr)
	if p == nil {
		return "", false
	}
	address := r.processes[p.owner].address
	return address, address != ""
}

// Alone returns an error where this process cannot tell others of anything: who asks it for another one had better not rely on it.
func (r *Registry) Alone() error { return r.reachable("heartbeat") }

func (r *Registry) storedProcess(owner string, e *storage.Entry) {
	if _, known := r.processes[owner]; !known {
		r.regrouped = true
	}
	r.processes[owner] = process{string(e.Value), r.feed}
}

// sweepProcesses takes away those that are not in a full listing.
func (r *Registry) sweepProcesses() {
	for owner, p := range r.processes {
		if p.feed != r.feed {
			delete(r.processes, owner)
			r.regrouped = true
		}
	}
}

// unstoredProcess takes that a key went, and tells whether it was that of a process.
func (r *Registry) unstoredProcess(key string) bool {
	owner, ok := strings.CutPrefix(key, processRoot)
	if _, known := r.processes[owner]; known {
		delete(r.processes, owner)
		r.regrouped = true
	}
	return ok
}
