package registry

import (
	"context"
	"net/netip"
	"strings"

	"paifang/internal/registry/storage"
)

// Processes that share a storage know where each other's HTTP is: an instance that lives by heartbeats belongs to one of them, and a
// heartbeat that reaches another is passed on to it. That costs the storage nothing, where taking the instance over is a write.

// introduce writes where this process is, as a key that goes with it.
func (r *Registry) introduce() {
	if r.introduced || r.opt.Address == "" {
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

// process is another one on the same storage.
type process struct {
	address string
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
	o, ok := r.processes[p.owner]
	return o.address, ok
}

// Alone returns an error where this process cannot tell others of anything: who asks it for another one had better not rely on it.
func (r *Registry) Alone() error { return r.reachable("heartbeat") }

func (r *Registry) storedProcess(owner string, e *storage.Entry) {
	r.processes[owner] = process{string(e.Value), r.feed}
}

// sweepProcesses takes away those that are not in a full listing.
func (r *Registry) sweepProcesses() {
	for owner, p := range r.processes {
		if p.feed != r.feed {
			delete(r.processes, owner)
		}
	}
}

// unstoredProcess takes that a key went, and tells whether it was that of a process.
func (r *Registry) unstoredProcess(key string) bool {
	owner, ok := strings.CutPrefix(key, processRoot)
	delete(r.processes, owner)
	return ok
}
