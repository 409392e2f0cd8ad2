package bridge

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"paifang/internal/model"
	"paifang/internal/registry"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

// Lists knows the addresses; upstream.Table is one.
type Lists interface {
	List(id model.EndpointsID) (upstream.ListStatus, bool)
}

// Target is a registry.
type Target interface {
	// Open waits until the registry answers, at most until ctx ends.
	Open(ctx context.Context) (Session, error)
}

// Session vouches for what is published in it until Close, or until the registry has lost it.
type Session interface {
	// Publish replaces the instances of a service; none takes them back.
	Publish(ctx context.Context, key registry.Key, list []registry.Instance) error
	// Done is closed when what was published is lost.
	Done() <-chan struct{}
	Close()
}

// Options are what a Bridge works with. Lists and Target are required.
type Options struct {
	Lists   Lists
	Target  Target
	From    string        // the mark of its instances; default "kubernetes"
	Cluster string        // of its instances; default the registry's
	Retry   time.Duration // before what failed is tried again; default 1 s
	Log     *slog.Logger  // default: nothing is logged
}

// Bridge offers lists. Make it with New and let it Run.
type Bridge struct {
	opt  Options
	wake chan struct{}

	mu       sync.Mutex
	read     shard.Map[*model.Upstream]           // what offering was made from
	offering map[model.UpstreamID]*model.Upstream // those that say so
	offers   map[registry.Key][]model.EndpointsID // what is to be offered; replaced, never changed in place
	listed   map[model.EndpointsID]bool           // of offers
	wrong    []model.Diagnostic
	failed   map[registry.Key]string
}

// New returns a bridge that offers nothing yet.
func New(opt Options) *Bridge {
	opt.From = cmp.Or(opt.From, model.KeeperKubernetes)
	opt.Retry = cmp.Or(opt.Retry, time.Second)
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Bridge{opt: opt, wake: make(chan struct{}, 1), offering: map[model.UpstreamID]*model.Upstream{}, failed: map[registry.Key]string{}}
}

// Published takes the offers of a generation, at the cost of what it changed since the one before. It does not block.
func (b *Bridge) Published(now *snapshot.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	upstreams := now.Contents().Upstreams
	changed := false
	for c := range upstreams.Changes(b.read) {
		id := model.UpstreamID(c.Key)
		if _, had := b.offering[id]; had {
			delete(b.offering, id)
			changed = true
		}
		if c.HasNew && c.New.Offer != "" && c.New.Endpoints[0].Road() == 1 {
			b.offering[id] = c.New
			changed = true
		}
	}
	b.read = upstreams
	if changed {
		b.collect()
		b.rouse()
	}
}

// collect makes the offers of what upstreams say. The lock is held.
func (b *Bridge) collect() {
	b.offers, b.listed, b.wrong = map[registry.Key][]model.EndpointsID{}, map[model.EndpointsID]bool{}, nil
	for _, id := range slices.Sorted(maps.Keys(b.offering)) {
		u := b.offering[id]
		key, err := registry.ParseKey(u.Offer)
		if err == nil {
			err = key.Validate()
		}
		if err != nil {
			b.wrong = append(b.wrong, model.Diagnostic{Origin: u.Origin, Severity: model.Error, Code: model.CodeInvalid, Message: "cannot be offered: " + err.Error()})
			continue
		}
		b.offers[key] = append(b.offers[key], u.Endpoints[0])
		b.listed[u.Endpoints[0]] = true
	}
}

// Listed notes that a list has changed. It does not block.
func (b *Bridge) Listed(id model.EndpointsID) {
	b.mu.Lock()
	mine := b.listed[id]
	b.mu.Unlock()
	if mine {
		b.rouse()
	}
}

func (b *Bridge) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Diagnostics are the offers that cannot be made.
func (b *Bridge) Diagnostics() []model.Diagnostic {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(b.wrong)
	for key, why := range b.failed {
		out = append(out, model.Diagnostic{Origin: model.Origin{Source: "bridge", Kind: "service", Namespace: key.Namespace, Name: key.Group + "/" + key.Service},
			Severity: model.Warning, Code: model.CodeSourceFailed, Message: "is not offered as it is: " + why})
	}
	return out
}

// Run offers until ctx ends, and takes everything back then. While the registry is away it waits for it and then offers
// everything again.
func (b *Bridge) Run(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		s, err := b.opt.Target.Open(ctx)
		if err == nil {
			said = ""
			b.serve(ctx, s)
			s.Close()
			continue
		}
		if ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			b.opt.Log.Warn("bridge: the registry does not answer", "error", err)
		}
		pause(ctx, b.opt.Retry)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// serve offers in one session, until it or ctx ends.
func (b *Bridge) serve(ctx context.Context, s Session) {
	told := map[registry.Key][]registry.Instance{}
	for {
		var again <-chan time.Time
		if !b.offer(ctx, s, told) {
			again = time.After(b.opt.Retry)
		}
		select {
		case <-b.wake:
		case <-again:
		case <-s.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// offer brings the registry to what is to be offered, and told with it. It is false where something has to be tried again.
func (b *Bridge) offer(ctx context.Context, s Session, told map[registry.Key][]registry.Instance) bool {
	b.mu.Lock()
	offers := b.offers
	b.mu.Unlock()
	failed := map[registry.Key]string{}
	publish := func(key registry.Key, list []registry.Instance) {
		if err := s.Publish(ctx, key, list); err != nil {
			failed[key] = err.Error()
			return
		}
		if told[key] = list; len(list) == 0 {
			delete(told, key)
		}
	}
	for key, lists := range offers {
		list, known := b.addresses(lists)
		if known && !same(list, told[key]) {
			publish(key, list)
		}
	}
	for key := range told {
		if offers[key] == nil {
			publish(key, nil)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, why := range failed {
		if b.failed[key] != why && ctx.Err() == nil {
			b.opt.Log.Warn("bridge: a service is not offered as it is", "service", key.String(), "error", why)
		}
	}
	b.failed = failed
	return len(failed) == 0
}

// addresses are the instances of the lists of a service, an address counted once. They are not known while one of the lists is
// not: what was told stays.
func (b *Bridge) addresses(lists []model.EndpointsID) ([]registry.Instance, bool) {
	var out []registry.Instance
	for _, id := range lists {
		l, _ := b.opt.Lists.List(id)
		if !l.Known {
			return nil, false
		}
		for _, in := range instances(b.opt.From, b.opt.Cluster, l.Endpoints) {
			if !slices.ContainsFunc(out, func(have registry.Instance) bool { return have.Addr == in.Addr }) {
				out = append(out, in)
			}
		}
	}
	return out, true
}
