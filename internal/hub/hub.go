// Package hub owns the control state in one goroutine: the groups of every source, the last good of those that fail,
// who is synced, and whether the process is ready. It hands addresses to the endpoint table at once and rules to
// the compile worker, which compiles and publishes one generation after the other while the next updates collect.
package hub

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/compile"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/source"
)

// Endpoints takes the addresses; upstream.Table is one.
type Endpoints interface {
	// SetContribution replaces what one group of a source contributes; no sets takes it away. Addresses that are
	// lost by it stay for doubt as a last resort.
	SetContribution(source, group string, sets []model.EndpointSet, doubt time.Duration)
	// MarkKnown says that every source which keeps lists of this keeper has delivered its first full set: a list
	// that is missing is empty from now on, no longer unknown.
	MarkKnown(keeper string)
}

// Publisher makes a snapshot current and names the planes that refused it; snapshot.Store is one.
type Publisher interface {
	Publish(ctx context.Context, next *snapshot.Snapshot) (refused []string)
}

// Keep saves and loads the addresses of a source at their last good state, for a start without it.
type Keep interface {
	Save(source string, heard time.Time, groups []source.Group) error
	Load(source string) (groups []source.Group, heard time.Time, err error)
}

// Part is a source with what the hub has to know of it.
type Part struct {
	Source   source.Source
	Required bool          // nothing is published, and the process is not ready, before it is synced
	Wait     time.Duration // how long at most a required source is waited for; 0 = for ever
	Keepers  []string      // whose lists it delivers
	Saved    bool          // its addresses are kept for a start without it
}

// Config is what a Hub works with.
type Config struct {
	Parts     []Part
	Endpoints Endpoints
	Publisher Publisher
	Check     compile.CheckFilters
	Keep      Keep // may be nil
	Log       *slog.Logger
	// Published is called by the compile worker after each generation; it must not block. May be nil.
	Published func(old, now *snapshot.Snapshot)
	// SourceChanged is called by the hub's goroutine when a source failed or is back; it must not block. May be nil.
	SourceChanged func(SourceStatus)
	// Backoff is the first pause before a source that returned is started again; it doubles to 50 times that.
	// Default 100 ms.
	Backoff time.Duration
	// Unread is how long readiness waits for lists in use that their sources had not read when the first rules were bound. Default 5 s.
	Unread time.Duration
}

// SourceStatus is how one source stands.
type SourceStatus struct {
	Name     string    `json:"name"`
	Required bool      `json:"required"`
	Synced   bool      `json:"synced"`          // has delivered a full set since the process started
	Failed   bool      `json:"failed"`          // not running now: what is served is its last good state
	Error    string    `json:"error,omitempty"` // of the last failure, while Failed; readers add what else is wrong
	Since    time.Time `json:"since,omitzero"`  // of the present state, running or failed
	Heard    time.Time `json:"heard,omitzero"`  // when it last delivered anything; of what was saved, when that was heard
	Groups   int       `json:"groups"`
	Keepers  []string  `json:"keepers,omitempty"`
}

// Hub is the owner. Make one with New and let it Run.
type Hub struct {
	cfg     Config
	events  chan event
	work    chan compile.Input // to the compile worker, one at a time
	done    chan published     // from the compile worker
	reports chan *snapshot.Snapshot
	saves   chan saveJob // to the save worker; one it has no time for is offered again a second later
	parts   []*part
	groups  shard.Map[*model.Objects]
	edit    *shard.Editor[*model.Objects] // of groups, since they were handed over last; nil: unchanged
	lists   map[model.EndpointsID]int     // how often each is offered
	unread  map[model.EndpointsID]int     // and how often without being read
	inUse   shard.Map[model.EndpointsID]  // of the last generation that all planes have bound
	bound   bool                          // there is one
	offered shard.Map[model.Offer]        // these, by their text
	offers  *shard.Editor[model.Offer]    // of offered, as edit is of groups
	choices []*choice                     // of locators that ask for tags
	changed bool                          // rules differ from what the worker was given last
	busy    bool                          // the worker has something to do

	status   atomic.Pointer[[]SourceStatus]
	progress atomic.Pointer[Work] // written by the compile worker
	ready    atomic.Bool
	stop     atomic.Bool
}

type event struct {
	part   *part
	update *source.Update
	err    error
	kind   eventKind
}

type eventKind uint8

const (
	eventStarted eventKind = iota
	eventUpdate
	eventFailed
	eventOverdue
)

type published struct {
	refused []string
	inUse   shard.Map[model.EndpointsID]
}

// part is what the hub's goroutine knows of a source.
type part struct {
	Part
	groups   map[string]groupState
	named    map[string]bool // by this run of the source, since its start or its last full set
	synced   bool
	waived   bool // required, but no longer waited for
	failed   bool
	err      string
	since    time.Time
	heard    time.Time
	unsaved  bool
	saveFrom atomic.Int64 // when the save worker has time for the next; nanoseconds since 1970
}

type groupState struct {
	sets     []model.EndpointSet
	rules    bool
	locators []model.Locator // that ask for tags
}

// New returns a hub that has not started.
func New(cfg Config) *Hub {
	if cfg.Backoff == 0 {
		cfg.Backoff = 100 * time.Millisecond
	}
	if cfg.Unread == 0 {
		cfg.Unread = 5 * time.Second
	}
	h := &Hub{
		cfg: cfg, events: make(chan event), work: make(chan compile.Input, 1), done: make(chan published, 1),
		reports: make(chan *snapshot.Snapshot, 1), saves: make(chan saveJob), lists: map[model.EndpointsID]int{}, unread: map[model.EndpointsID]int{}, changed: true,
	}
	h.progress.Store(&Work{})
	now := time.Now()
	for _, p := range cfg.Parts {
		h.parts = append(h.parts, &part{Part: p, groups: map[string]groupState{}, since: now})
	}
	h.publishStatus()
	return h
}

// Sources returns how every source stands, in the order they were given.
func (h *Hub) Sources() []SourceStatus { return *h.status.Load() }

// Ready tells whether every required source has delivered its first full set and every plane has bound it. It stays
// true when a source is lost later, and is false from Stop on.
func (h *Hub) Ready() bool { return h.ready.Load() && !h.stop.Load() }

// Stop makes Ready false: the first step of a shutdown.
func (h *Hub) Stop() { h.stop.Store(true) }

// Run runs every source and publishes what they say until ctx ends. It returns when all of them have returned.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range h.parts {
		wg.Go(func() { h.runSource(ctx, p) })
		if p.Required && p.Wait > 0 {
			wg.Go(func() { h.overdue(ctx, p) })
		}
	}
	wg.Go(func() { h.compileLoop(ctx) })
	wg.Go(func() { h.reportLoop(ctx) })
	wg.Go(h.saveLoop)
	h.loop(ctx)
	cancel()
	close(h.saves)
	wg.Wait()
	return nil
}

func (h *Hub) overdue(ctx context.Context, p *part) {
	if pause(ctx, p.Wait) {
		h.send(ctx, event{part: p, kind: eventOverdue})
	}
}

// loop is the goroutine that owns the state.
func (h *Hub) loop(ctx context.Context) {
	h.know()
	save := time.NewTicker(time.Second)
	defer save.Stop()
	var late <-chan time.Time
	for {
		h.hand()
		select {
		case <-ctx.Done():
			h.save(true)
			return
		case e := <-h.events:
			h.handle(e)
			h.settle()
		case d := <-h.done:
			h.busy = false
			if len(d.refused) == 0 {
				if !h.bound {
					late = time.After(h.cfg.Unread)
				}
				h.bound, h.inUse = true, d.inUse
				h.settle()
			}
		case <-late: // what is not read by now is shown as unknown, and the rest is not held up
			h.ready.Store(true)
		case <-save.C:
			h.save(false)
		}
	}
}

// hand gives the worker the newest rules, once it is idle and every required source has been heard.
func (h *Hub) hand() {
	if h.busy || !h.changed || !h.complete() {
		return
	}
	if h.offers != nil {
		h.offered, h.offers = h.offers.Map(), nil
	}
	if h.edit != nil {
		h.groups, h.edit = h.edit.Map(), nil
	}
	h.busy, h.changed = true, false
	h.work <- compile.Input{Groups: h.groups, Lists: h.offered}
}

func (h *Hub) complete() bool {
	for _, p := range h.parts {
		if p.Required && !p.synced && !p.waived {
			return false
		}
	}
	return true
}

func (h *Hub) handle(e event) {
	p, now := e.part, time.Now()
	was := p.failed
	defer func() {
		h.publishStatus()
		if p.failed != was && h.cfg.SourceChanged != nil {
			h.cfg.SourceChanged(p.status())
		}
	}()
	switch e.kind {
	case eventStarted:
		p.named = map[string]bool{}
	case eventFailed:
		if !p.failed {
			p.since = now
			h.cfg.Log.Warn("source failed, its last good state stays", "source", p.Source.Name(), "err", e.err)
		}
		p.failed, p.err = true, e.err.Error()
	case eventOverdue:
		if !p.synced {
			h.waive(p)
		}
	case eventUpdate:
		if p.failed {
			p.failed, p.err, p.since = false, "", now
			h.cfg.Log.Info("source is back", "source", p.Source.Name())
		}
		p.heard = now
		h.apply(p, *e.update)
		if e.update.Applied != nil {
			e.update.Applied()
		}
	}
}

// waive starts without a required source: red, with what was saved of it.
func (h *Hub) waive(p *part) {
	p.waived = true
	name := p.Source.Name()
	h.cfg.Log.Warn("starting without a source that does not answer", "source", name, "waited", p.Wait)
	if h.cfg.Keep != nil && p.Saved {
		groups, heard, err := h.cfg.Keep.Load(name)
		if err != nil {
			h.cfg.Log.Warn("the saved addresses of a source cannot be read", "source", name, "err", err)
		}
		for _, g := range groups {
			h.replace(p, g, 0)
		}
		if p.heard.IsZero() {
			p.heard = heard
		}
	}
	h.changed = true
	h.know()
}

func (h *Hub) apply(p *part, u source.Update) {
	for _, g := range u.Groups {
		h.replace(p, g, u.Doubt)
		if p.named != nil {
			p.named[g.Key] = true
		}
	}
	if !u.Full {
		return
	}
	for key := range p.groups {
		if !p.named[key] {
			h.replace(p, source.Group{Key: key}, u.Doubt)
		}
	}
	p.named = map[string]bool{}
	if !p.synced {
		p.synced = true
		h.changed = true
		h.know()
	}
}

// replace puts a group in the place of the one with its key: addresses first, then rules.
func (h *Hub) replace(p *part, g source.Group, doubt time.Duration) {
	old, had := p.groups[g.Key]
	sets, rules := g.Endpoints(), g.Rules()
	empty := len(sets) == 0 && rules == nil
	if !had && empty {
		return
	}
	name := p.Source.Name()
	if len(old.sets) > 0 || len(sets) > 0 {
		h.cfg.Endpoints.SetContribution(name, g.Key, sets, doubt)
		p.unsaved = true
	}
	now := groupState{sets: sets, rules: rules != nil, locators: choosy(rules)}
	h.offer(old.sets, now.sets)
	h.recount(old.sets, now.sets, doubt > 0)
	if old.rules || now.rules {
		if h.edit == nil {
			h.edit = h.groups.Edit()
		}
		key := name + "/" + g.Key
		if now.rules {
			h.edit.Set(key, rules)
		} else {
			h.edit.Delete(key)
		}
		h.changed = true
	}
	if empty {
		delete(p.groups, g.Key)
	} else {
		p.groups[g.Key] = now
	}
	if len(old.locators)+len(now.locators) > 0 && !reflect.DeepEqual(old.locators, now.locators) {
		h.choose()
	}
}

// offer counts the lists that sources offer. A new or lost list is news to locators.
func (h *Hub) offer(old, now []model.EndpointSet) {
	for _, s := range now {
		id := s.List
		if s.Unread {
			h.unread[id]++
		}
		if h.lists[id]++; h.lists[id] == 1 && !slices.ContainsFunc(old, func(o model.EndpointSet) bool { return o.List == id }) {
			h.offering().Set(id.String(), model.Offer{List: id})
		}
	}
	for _, s := range old {
		id := s.List
		if s.Unread {
			if h.unread[id]--; h.unread[id] == 0 {
				delete(h.unread, id)
			}
		}
		if h.lists[id]--; h.lists[id] == 0 {
			delete(h.lists, id)
			h.offering().Delete(id.String())
		}
	}
}

func (h *Hub) offering() *shard.Editor[model.Offer] {
	if h.offers == nil {
		h.offers = h.offered.Edit()
	}
	h.changed = true
	return h.offers
}

// know marks the keepers all of whose sources are synced, or no longer waited for.
func (h *Hub) know() {
	open := map[string]bool{}
	for _, p := range h.parts {
		for _, k := range p.Keepers {
			open[k] = open[k] || !p.synced && !p.waived
		}
	}
	for k, waiting := range open {
		if !waiting {
			h.cfg.Endpoints.MarkKnown(k)
		}
	}
}

// save offers the save worker what changed of the sources that are saved. Where last is true it waits for its turn.
func (h *Hub) save(last bool) {
	for _, p := range h.parts {
		if !p.Saved || h.cfg.Keep == nil || !p.unsaved || !p.synced {
			continue
		}
		if !last && time.Now().UnixNano() < p.saveFrom.Load() {
			continue
		}
		job := saveJob{part: p, heard: p.heard}
		for key, g := range p.groups {
			if sets := read(g.sets); len(sets) > 0 {
				job.groups = append(job.groups, source.Group{Key: key, Objects: &model.Objects{Endpoints: sets}})
			}
		}
		if last {
			h.saves <- job
			continue
		}
		select {
		case h.saves <- job:
			p.unsaved = false
		default:
		}
	}
}

func (h *Hub) publishStatus() {
	out := make([]SourceStatus, len(h.parts))
	for i, p := range h.parts {
		out[i] = p.status()
	}
	h.status.Store(&out)
}

func (p *part) status() SourceStatus {
	return SourceStatus{Name: p.Source.Name(), Required: p.Required, Synced: p.synced, Failed: p.failed, Error: p.err,
		Since: p.since, Heard: p.heard, Groups: len(p.groups), Keepers: p.Keepers}
}
