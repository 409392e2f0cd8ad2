package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"paifang/internal/registry/storage"
)

// What several processes share (storage.Shared): each writes the ephemeral instances of its own clients, as keys that go when
// the process does, and has those of the others by following. What this process wants to be written is never kept as a list
// of writes: a slot is noted as not being written as it is, and what it is then is looked up when its turn comes. So what waits is
// bounded by what there is, and what was out of reach converges by itself.
//
// Whether a write happened is not always known, and one that was given up may happen yet: a member of the cluster that hangs has it, and
// goes on. So a claim has an end: it counts against what was written until the client made it. And what followers are told is an answer too.

// place is a slot of a service.
type place struct {
	key  Key
	slot slot
}

// unshared is a slot that is not written as it is.
type unshared struct {
	claim   bool  // a client of this process has said so just now: it takes the key from whoever had it
	asOf    int64 // the revision of the storage then, as far as it is known here
	made    time.Time
	evict   int64 // likewise that it is to go: the revision of the key that another process has written
	waiters []chan struct{}
}

// Times of writing.
const (
	shareRetry = 200 * time.Millisecond
	shareBatch = storage.MaxCommit / 2
)

// announce notes that a slot changed. What it returns is closed when it is written as it was then, or later. It is nil
// where nothing is shared. The mutex is held.
func (r *Registry) announce(key Key, at slot, claim bool) chan struct{} {
	if r.shared == nil {
		return nil
	}
	p := place{key, at}
	u := r.unshared[p]
	if u == nil {
		u = &unshared{}
		r.unshared[p] = u
	}
	if claim {
		u.claim, u.asOf, u.made = true, r.known, time.Now()
	}
	done := make(chan struct{})
	u.waiters = append(u.waiters, done)
	select {
	case r.sharing <- struct{}{}:
	default:
	}
	return done
}

// announceAll notes every slot of this process's clients.
func (r *Registry) announceAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.services {
		s.eachOwn(func(p *publication) { r.announce(s.key, p.in.slot(), false) })
	}
}

// Storage tells whether the storage that is shared answers; false where this process alone uses it.
func (r *Registry) Storage() (storage.Contact, bool) {
	if r.shared == nil {
		return storage.Contact{}, false
	}
	return r.shared.Reachable(), true
}

// reachable fails at once where the storage that is shared does not answer. The mutex need not be held.
func (r *Registry) reachable(what string) error {
	if r.shared == nil {
		return nil
	}
	if c := r.shared.Reachable(); c.Lost {
		return fmt.Errorf("registry: %s: %w: %s", what, storage.ErrUnavailable, c.Error)
	}
	return nil
}

// sharesNow is shares, and fails at once where the storage is known not to answer.
func (r *Registry) sharesNow(what string, done ...chan struct{}) error {
	if err := r.reachable(what); err != nil {
		return err
	}
	return r.shares(what, done...)
}

// shares waits until announcements are written. The mutex is not held.
func (r *Registry) shares(what string, done ...chan struct{}) error {
	if r.shared == nil {
		return nil
	}
	late := time.NewTimer(r.opt.Wait)
	defer late.Stop()
	for _, d := range done {
		select {
		case <-d:
		case <-late.C:
			return fmt.Errorf("registry: %s: not written within %s: %w", what, r.opt.Wait, storage.ErrUnavailable)
		case <-r.done:
			return fmt.Errorf("registry: %s: %w", what, ErrClosed)
		}
	}
	return nil
}

// share writes what was announced until the registry is closed.
func (r *Registry) share() {
	r.introduce()
	for {
		select {
		case <-r.sharing:
		case <-r.shared.Lost():
			r.announceAll()
			r.introduced = false
		case <-r.done:
			r.depart()
			return
		}
		r.introduce()
		for r.shareSome() {
			select {
			case <-r.done:
				r.depart()
				return
			default:
			}
		}
	}
}

// shareSome writes one batch and tells whether to go on at once. What failed is tried again a little later.
func (r *Registry) shareSome() bool {
	places, batch, steps := r.toShare()
	if len(batch) == 0 {
		return false
	}
	// A write that a leader had when it went away is answered by nobody for 7 s: what is tried again may be written within Wait yet.
	ctx, cancel := context.WithTimeout(context.Background(), r.opt.Wait/3)
	defer cancel()
	done, revision, err := r.shared.Batch(ctx, steps)
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.flying)
	if err != nil {
		for i, p := range places {
			r.again(p, batch[i])
		}
		r.shareLater()
		select { // not before that
		case <-r.sharing:
		default:
		}
		return false
	}
	r.known = max(r.known, revision)
	for i, p := range places {
		s := r.services[p.key]
		// Somebody was faster than the client, or than its word came to here. Who has waited longer was refused, and may be elsewhere since.
		if batch[i].claim && !done[i] && s.present(p.slot) && time.Since(batch[i].made) <= r.opt.Wait {
			batch[i].asOf, batch[i].claim = revision, !s.newest(p.slot).in.Offered() // of what has registered itself an offer takes nothing
			r.again(p, batch[i])
			continue
		}
		if batch[i].evict > 0 && !done[i] { // it is another one now, and this process's perhaps
			batch[i].evict = 0
			r.again(p, batch[i])
			continue
		}
		if own := s.newest(p.slot); own != nil && done[i] {
			own.revision = revision
			own.doubted = own.doubted && r.unshared[p] != nil
		}
		// Somebody else has it, since this was written or instead of it.
		if s != nil && r.unshared[p] == nil {
			if q := s.foreign[p.slot]; q != nil && (q.revision > revision || !done[i]) {
				r.moved(s, p.slot, q.in.Offered())
			}
		}
		batch[i].written()
	}
	return true
}

// again notes a slot once more, as it was noted before. The mutex is held.
func (r *Registry) again(p place, before *unshared) {
	now := r.unshared[p]
	if now == nil {
		r.unshared[p] = before
		return
	}
	if before.claim && !now.claim {
		now.claim, now.asOf, now.made = true, before.asOf, before.made
	}
	now.evict = max(now.evict, before.evict)
	now.waiters = append(now.waiters, before.waiters...)
}

// written tells who waits for it.
func (u *unshared) written() {
	for _, w := range u.waiters {
		close(w)
	}
	u.waiters = nil
}

// present tells whether a client of this process that is here now publishes a slot, and not one that was here before.
func (s *service) present(at slot) bool {
	p := s.newest(at)
	return p != nil && p != s.moving[at]
}

// shareLater has the goroutine look again a little later.
func (r *Registry) shareLater() {
	time.AfterFunc(shareRetry, func() {
		select {
		case r.sharing <- struct{}{}:
		default:
		}
	})
}

// toShare takes some of what was announced, with what it is now.
func (r *Registry) toShare() (places []place, batch []*unshared, steps []storage.Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, u := range r.unshared {
		if len(places) == shareBatch {
			break
		}
		delete(r.unshared, p)
		r.flying[p] = u
		step := storage.Step{Change: storage.Delete(liveRoot + slotText(p.key, p.slot)), If: storage.Mine}
		if u.evict > 0 {
			step.If, step.At = storage.Anybody, u.evict
		}
		if own := r.services[p.key].newest(p.slot); own != nil {
			value, err := json.Marshal(newRecord(&own.in))
			if err != nil {
				r.opt.Log.Error("an instance cannot be written", "service", p.key, "err", err) // texts and numbers that were checked
			}
			step = storage.Step{Change: storage.Put(step.Key, value), If: storage.NotOther}
			if u.claim {
				step.If, step.AsOf = storage.Anybody, u.asOf
			}
		}
		places, batch, steps = append(places, p), append(batch, u), append(steps, step)
	}
	return places, batch, steps
}

// newest is what clients of this process publish for a slot: the last of them, or nil.
func (s *service) newest(at slot) *publication {
	if s == nil {
		return nil
	}
	p := s.beating[at.addr]
	if p != nil && p.in.slot() != at {
		p = nil
	}
	if q := s.moving[at]; q != nil && (p == nil || q.order > p.order) {
		p = q
	}
	for _, batch := range s.published {
		if q := find(batch, at); q != nil && (p == nil || q.order > p.order) {
			p = q
		}
	}
	return p
}

// writing tells whether this process is about to write a slot. The mutex is held.
func (r *Registry) writing(key Key, at slot) bool {
	p := place{key, at}
	return r.flying[p] != nil || r.unshared[p] != nil
}

// storedLive takes what a process has written.
func (r *Registry) storedLive(text string, e *storage.Entry) error {
	key, at, err := parseSlot(text)
	if err != nil {
		return err
	}
	if e.Owner == r.shared.Owner() {
		r.echo(key, at, e)
		return nil
	}
	var d record
	if err := json.Unmarshal(e.Value, &d); err != nil {
		return err
	}
	s := r.service(key)
	in := d.instance(at, true)
	if own := s.newest(at); own != nil && own.revision > e.Revision {
		return nil // of before what this process has written, which is told next
	}
	if !r.writing(key, at) || !s.present(at) && r.outdated(place{key, at}, e.Revision) {
		r.moved(s, at, in.Offered())
	}
	p := s.foreign[at]
	if p == nil {
		if s.foreign == nil {
			s.foreign = map[slot]*publication{}
		}
		p = &publication{}
		s.foreign[at] = p
	}
	p.feed, p.owner, p.revision = r.feed, e.Owner, e.Revision
	if !p.in.Same(&in) {
		r.order++
		p.in, p.order = in, r.order
		r.changed(s)
	}
	return nil
}

// outdated tells whether what a client of this process has said last of a slot is older than a revision. The mutex is held.
func (r *Registry) outdated(p place, revision int64) bool {
	old := func(u *unshared) bool { return u == nil || u.asOf < revision }
	return old(r.flying[p]) && old(r.unshared[p])
}

// echo is what this process has written itself. Where it is as it should be, nobody needs to wait for the answer to the write any more,
// which may have been lost. What nobody wants any more, because it was taken back meanwhile, goes.
func (r *Registry) echo(key Key, at slot, e *storage.Entry) {
	s := r.services[key]
	if s != nil && s.foreign[at] != nil {
		delete(s.foreign, at)
		r.changed(s)
	}
	p := place{key, at}
	own := s.newest(at)
	if own == nil {
		if r.unshared[p] == nil { // what is being written may be before this
			r.announce(key, at, false)
		}
		return
	}
	if !r.writing(key, at) {
		return
	}
	if want, err := json.Marshal(newRecord(&own.in)); err != nil || !bytes.Equal(e.Value, want) {
		return
	}
	answers := func(u *unshared) bool { return u != nil && (!u.claim || e.Revision > u.asOf) } // and not what was written before
	if u := r.flying[p]; answers(u) {
		u.claim = false
		u.written()
	}
	if u := r.unshared[p]; answers(u) && u.evict == 0 && r.flying[p] == nil { // which may be a deletion
		delete(r.unshared, p)
		u.written()
	}
	if r.unshared[p] == nil && (r.flying[p] == nil || !r.flying[p].claim) {
		own.revision, own.doubted = max(own.revision, e.Revision), false
	}
}

// unstoredLive takes that a key went.
func (r *Registry) unstoredLive(s *service, at slot) {
	if s.foreign[at] != nil {
		delete(s.foreign, at)
		r.orphan(s, at)
		r.changed(s)
	}
	if own := s.newest(at); own != nil && own.revision > r.refs.revision {
		return // before this process wrote it
	}
	if s.moving[at] != nil && !r.writing(s.key, at) {
		r.lost(s, at) // somebody has taken it away: its client is elsewhere, or has ended
	}
	if s.newest(at) != nil && r.unshared[place{s.key, at}] == nil { // what is being written may be before this
		r.announce(s.key, at, false) // it hung on a lease that was lost
	}
}

// moved drops what clients of this process have published for a slot: the client is with another process now. The mutex is
// held.
//
// Offers are another matter: several processes may make the same one, of which one has the key and the others stand by. And an offer
// has no claim to the key of what has registered itself, which takes it back.
func (r *Registry) moved(s *service, at slot, toOffer bool) {
	stays := func(p *publication) bool {
		if p.in.Offered() {
			return true
		}
		if toOffer {
			r.announce(s.key, at, true)
		}
		return toOffer
	}
	if p := s.moving[at]; p != nil && !stays(p) {
		r.arrived(s, at)
		r.changed(s)
	}
	if p := s.beating[at.addr]; p != nil && p.in.slot() == at && !stays(p) {
		delete(s.beating, at.addr)
		r.leases.remove(&p.lapse)
		r.changed(s)
	}
	for c, batch := range s.published {
		if p := find(batch, at); p == nil || stays(p) {
			continue
		}
		var rest []*publication
		for _, p := range batch {
			if p.in.slot() != at {
				rest = append(rest, p)
			}
		}
		if s.published[c] = rest; len(rest) == 0 {
			delete(s.published, c)
			delete(c.services, s)
		}
		r.changed(s)
	}
}

// claims tells whether a publication takes its key from whoever has it: an offer leaves it to what has registered itself.
func (s *service) claims(in *Instance) bool {
	other := s.foreign[in.slot()]
	return other == nil || other.in.Offered() || !in.Offered()
}

// takeOver makes an instance of another process's client, whose heartbeats come here, one of this process.
func (r *Registry) takeOver(s *service, from *publication) *publication {
	r.order++
	p := &publication{in: from.in, order: r.order, beat: time.Now(), lease: r.lease(s, &from.in), doubted: true}
	p.lapse = lapse{service: s, publication: p, index: notQueued}
	s.beating[p.in.Addr] = p
	r.leases.put(&p.lapse, p.next())
	r.nudge()
	r.announce(s.key, p.in.slot(), true)
	r.changed(s)
	return p
}

// evict takes an instance of another process's client away. What it returns is closed when others know.
func (r *Registry) evict(s *service, p *publication) chan struct{} {
	at := p.in.slot()
	delete(s.foreign, at)
	r.orphan(s, at)
	r.changed(s)
	done := r.announce(s.key, at, false)
	r.unshared[place{s.key, at}].evict = p.revision
	return done
}

// takenBack announces that a client has taken back what it published here, also where it is known elsewhere as that of another process
// yet. The mutex is held.
func (r *Registry) takenBack(s *service, p *publication) chan struct{} {
	if q := s.foreign[p.in.slot()]; q != nil && p.doubted && s.claims(&p.in) {
		return r.evict(s, q)
	}
	return r.announce(s.key, p.in.slot(), false)
}

// foreignAt is an instance of another process with an address, or nil.
func (s *service) foreignAt(addr netip.AddrPort) *publication {
	if p := s.foreign[slot{addr, defaultCluster}]; p != nil {
		return p
	}
	for at, p := range s.foreign {
		if at.addr == addr {
			return p
		}
	}
	return nil
}
