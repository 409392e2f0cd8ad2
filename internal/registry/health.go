package registry

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"time"

	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
)

// How persistent instances are, is asked by one of the processes that share a storage, each its share of them, and what it finds is
// written to where the instance stands: so all show the same, under the same lastRefTime. A write is made when an instance falls or
// rises and not for each answer. A process that cannot reach the storage asks all by itself and goes by that alone, until it can.

// probed names a persistent instance for the one who asks it.
type probed struct {
	key  Key
	slot slot
}

// probed takes the answer of a health check.
func (r *Registry) probed(id probed, well bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[id.key]
	if r.closed || s == nil {
		return
	}
	p := s.fixed[id.slot]
	switch {
	case p == nil:
	case r.shared != nil:
		p.seen = well
		r.flips[id] = struct{}{}
		r.flipSoon()
	case p.in.Healthy != well:
		p.in.Healthy = well
		r.changed(s)
	}
}

// asks tells whether this process asks a persistent instance how it is. The mutex is held.
func (r *Registry) asks(id probed) bool { return r.shared == nil || r.cutOff || r.mine(id) }

// mine tells whether an instance is of this process' share: the one with the highest hash of both names has it, so that few change
// hands when a process comes or goes. Two may think so for the moment in which they hear of that; their writes have conditions.
func (r *Registry) mine(id probed) bool {
	text, self := slotText(id.key, id.slot), r.shared.Owner()
	own := rank(self, text)
	for other := range r.processes {
		if n := rank(other, text); other != self && (n > own || n == own && other > self) {
			return false
		}
	}
	return true
}

func rank(owner, text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(owner))
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

// ask has a persistent instance checked as its cluster's settings say, where that is for this process to do.
func (r *Registry) ask(s *service, at slot, p *publication) {
	var c probe.Check
	if s.settings != nil {
		c = s.settings.Clusters[at.cluster].Check
	}
	id := probed{s.key, at}
	if err := r.checkTarget(c, at.addr); c.Kind == probe.None || err != nil || !r.asks(id) { // rules may have become stricter
		r.unask(id, p)
		r.asStored(s, p)
		return
	}
	if !p.asked {
		p.asked, p.seen = true, p.in.Healthy
	}
	r.prober().Set(id, c, at.addr, p.in.Healthy)
}

func (r *Registry) unask(id probed, p *publication) {
	r.prober().Remove(id)
	delete(r.flips, id)
	p.asked = false
}

// askAll looks anew at who asks which instances. The mutex is held.
func (r *Registry) askAll() {
	for _, s := range r.services {
		for at, p := range s.fixed {
			r.ask(s, at, p)
		}
	}
}

// asStored ends what this process alone has seen of an instance.
func (r *Registry) asStored(s *service, p *publication) {
	if p.seenAlone {
		p.seenAlone, p.in.Healthy = false, p.stored
		r.changed(s)
	}
}

// healthOf takes how an instance that is asked is stored, and returns what it is to be shown as.
func (r *Registry) healthOf(id probed, p *publication, stored bool) bool {
	if r.shared == nil {
		return p.in.Healthy // as checks have it
	}
	if stored != p.stored && stored != p.seen {
		r.unask(id, p) // another process found that, whose share it was: begin from there
	}
	if _, waits := r.flips[id]; waits && p.seenAlone && stored != p.seen {
		return p.seen // it is still to be written
	}
	p.seenAlone = false
	return stored
}

// contactEvery is how often tellHealth looks whether the storage answers.
const contactEvery = time.Second

// tellHealth writes what checks have found until the registry is closed.
func (r *Registry) tellHealth() {
	look := time.NewTicker(contactEvery)
	defer look.Stop()
	size := maxFlips
	for {
		select {
		case <-r.flipping:
		case <-look.C:
			r.lookAtContact()
		case <-r.done:
			return
		}
		for more := true; more; {
			more, size = r.flipSome(size)
			select {
			case <-r.done:
				return
			default:
			}
		}
	}
}

// lookAtContact notes whether the storage answers, and has more or fewer instances asked.
func (r *Registry) lookAtContact() {
	lost := r.shared.Reachable().Lost
	r.mu.Lock()
	back := r.cutOff && !lost
	r.mu.Unlock()
	if back { // what is written now is to be newer than what was shown meanwhile
		r.keep(r.moveClock)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if lost != r.cutOff {
		r.cutOff = lost
		r.askAll()
	}
}

// flipSoon wakes tellHealth.
func (r *Registry) flipSoon() {
	select {
	case r.flipping <- struct{}{}:
	default:
	}
}

// maxFlips is how many instances one write speaks of: each in a condition and a change.
const maxFlips = storage.MaxCommit / 2

// flipSome writes how some instances are, and tells whether to go on at once and with how many. What failed is tried again a little
// later; where somebody else has written one of them, each by itself.
func (r *Registry) flipSome(size int) (bool, int) {
	r.lookAtContact()
	r.mu.Lock()
	conditions, changes := r.toFlip(size)
	waits := len(r.flips) > 0
	r.mu.Unlock()
	if len(changes) == 0 {
		if waits { // for the storage
			time.AfterFunc(shareRetry, r.flipSoon)
		}
		return false, size
	}
	err := r.commit(conditions, changes...)
	switch {
	case err == nil:
		return true, maxFlips
	case errors.Is(err, storage.ErrConflict):
		size = 1
	}
	time.AfterFunc(shareRetry, r.flipSoon)
	return false, size
}

// toFlip takes some of the instances that are not as they are stored. Where the storage is known not to answer, all are shown as they
// were seen, and nothing is to be written. The mutex is held.
func (r *Registry) toFlip(size int) (conditions []storage.Condition, changes []storage.Change) {
	lost := r.reachable("") != nil
	for id := range r.flips {
		s := r.services[id.key]
		if s == nil || s.fixed[id.slot] == nil {
			delete(r.flips, id)
			continue
		}
		p := s.fixed[id.slot]
		switch {
		case p.seen == p.stored:
			delete(r.flips, id)
			r.asStored(s, p)
		case lost:
			if p.in.Healthy != p.seen {
				p.seenAlone, p.in.Healthy = true, p.seen
				r.changed(s)
			}
		case !r.mine(id) || len(changes) == size:
		default:
			in := p.in
			in.Healthy = p.seen
			value, err := json.Marshal(newRecord(&in))
			if err != nil {
				r.opt.Log.Error("an instance cannot be written", "service", id.key, "err", err) // texts and numbers that were checked
				delete(r.flips, id)
				continue
			}
			stored := fixedRoot + slotText(id.key, id.slot)
			conditions = append(conditions, storage.Condition{Key: stored, Revision: p.revision})
			changes = append(changes, storage.Put(stored, value))
		}
	}
	return conditions, changes
}
