package kubernetes

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
)

// Source follows a cluster. It keeps what it knows from one Run to the next.
type Source struct {
	opt Options

	mu    sync.Mutex // over store: Run changes it, others look things up
	store *translate.Store

	status   *statuses
	events   *events
	election *election
}

var (
	_ source.Source   = (*Source)(nil)
	_ source.Reporter = (*Source)(nil)
)

// New makes a source. It asks the server nothing yet.
func New(o Options) *Source {
	o = o.withDefaults()
	s := &Source{opt: o, store: translate.New(o.Translate), status: newStatuses(o), election: newElection(o.Client, o.Lease, o.Log)}
	s.events = newEvents(o, func(k translate.Key) (string, bool) {
		found, known := s.get(k)
		if !known {
			return "", false
		}
		return string(found.Value.GetUID()), true
	})
	return s
}

// Report has Events written for what came to be wrong.
func (s *Source) Report(_ context.Context, r source.Report) error {
	s.events.report(r)
	return nil
}

// Diagnostics are what is wrong with the source itself, besides its objects.
func (s *Source) Diagnostics() []model.Diagnostic { return s.status.diagnostics() }

// lead writes what the one replica writes that holds the lease.
func (s *Source) lead(ctx context.Context) {
	var all sync.WaitGroup
	if s.opt.Publish.enabled() {
		all.Go(func() { s.status.run(ctx) })
	}
	if s.opt.Events {
		all.Go(func() { s.events.run(ctx) })
	}
	all.Wait()
}

// Name is Options.Name.
func (s *Source) Name() string { return s.opt.Name }

// pending is how many changes wait for Run: more hold the watches up.
const pending = 256

// Run lists every kind once and follows it until ctx ends. It fails when a kind has had no answer for longer than the
// patience, and then lists once when the server is back: one feed is asked alone at first, so that a server which is away or
// starting is not asked for everything at each try.
func (s *Source) Run(ctx context.Context, out chan<- source.Update) error {
	ctx, cancel := context.WithCancel(logr.NewContext(ctx, logr.FromSlogHandler(s.opt.Log.Handler())))
	r := &run{Source: s, ctx: ctx, out: out, changes: make(chan change, pending), health: newHealth(), unlisted: map[*feed]bool{}, singles: map[translate.Key]*single{},
		chosen: map[string]*chosen{}, externals: map[translate.Key]*external{}, tokens: make(chan struct{}, externalAtOnce)}
	defer r.feeds.Wait()
	defer cancel()
	if err := r.start(); err != nil {
		return err
	}
	if s.opt.Publish.enabled() || s.opt.Events {
		r.feeds.Go(func() { s.election.run(ctx, s.lead) })
	}
	return r.follow()
}

// run is one Run of a Source, and belongs to its goroutine.
type run struct {
	*Source
	ctx       context.Context
	out       chan<- source.Update
	changes   chan change
	health    *health
	feeds     sync.WaitGroup
	unlisted  map[*feed]bool // that have not listed yet
	main      []*feed        // all but single objects and those aside
	aside     []*feed        // without which everything is served
	singles   map[translate.Key]*single
	chosen    map[string]*chosen // by namespace, where they are read by their labels
	hosts     *hosts             // nil where nobody wants to know
	externals map[translate.Key]*external
	tokens    chan struct{} // for lookups
}

// plan are the feeds of every kind but classes.
func (r *run) plan() []*feed {
	named := r.opt.Namespaces
	if len(named) == 0 && !r.opt.selects() {
		named = []string{""}
	}
	var out []*feed
	for _, ns := range named {
		out = append(out, r.follows(ns)...)
	}
	if len(r.opt.Translate.Nodes) > 0 {
		out = append(out, r.feed(nodes(), "", ""))
	}
	return out
}

func (r *run) feed(res resource, namespace, fields string) *feed {
	return &feed{resource: res, namespace: namespace, fields: fields, client: r.opt.Client, out: r.changes, health: r.health, ctx: r.ctx}
}

func (r *run) launch(f *feed) {
	r.unlisted[f] = true
	r.feeds.Go(f.run)
}

// start has everything listed and sends it.
func (r *run) start() error {
	var first []*feed
	if !r.opt.ServicesOnly { // classes are few, which makes them the ones to ask for first
		first = append(first, r.feed(ingressClasses(), "", ""))
	}
	if r.opt.selects() {
		f := r.feed(namespaces(), "", "")
		f.labels = r.opt.NamespaceSelector
		first = append(first, f)
	}
	all := slices.Concat(first, r.plan())
	for i, some := range [][]*feed{all[:1], all[1:]} {
		for _, f := range some {
			r.main = append(r.main, f)
			r.launch(f)
		}
		patience := time.Duration(0)
		if i > 0 { // a server that is starting answers for one kind before the others: each tries again, and what is listed stays so
			patience = r.opt.Patience
		}
		if err := r.listed(nil, patience); err != nil {
			return err
		}
	}
	r.changed() // what All repeats; until now nobody knew which single objects are named
	r.recall()
	r.aside = slices.Concat(r.hostFeeds(), r.frontFeeds())
	for _, f := range r.aside {
		r.feeds.Go(f.run) // nothing waits for it
	}
	r.refer()
	if err := r.listed(time.After(singlesWait), r.opt.Patience); err != nil {
		return err
	}
	return r.send(source.Update{Groups: r.all(), Full: true})
}

// singlesWait bounds how long the first listing waits for single objects: a server that does not answer for one of them costs
// whoever names it, and nobody else.
const singlesWait = 5 * time.Second

// listed takes changes until every feed has listed, enough is enough, or one has failed for so long.
func (r *run) listed(enough <-chan time.Time, patience time.Duration) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(r.unlisted) > 0 {
		select {
		case c := <-r.changes:
			r.take(c)
		case <-tick.C:
			if err := r.failing(patience); err != nil {
				return err
			}
		case <-enough:
			return nil
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
	return nil
}

// follow passes changes on as they come. Those that wait already are passed on together.
func (r *run) follow() error {
	tick := time.NewTicker(r.opt.Patience / 4)
	defer tick.Stop()
	for {
		select {
		case c := <-r.changes:
			r.take(c)
			for more := len(r.changes); more > 0; more-- {
				r.take(<-r.changes)
			}
			groups := r.changed()
			r.refer()
			if len(groups) == 0 {
				continue
			}
			if err := r.send(source.Update{Groups: groups}); err != nil {
				return err
			}
		case <-tick.C:
			if err := r.failing(r.opt.Patience); err != nil {
				return err
			}
			r.status.miss(r.missing())
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

func (r *run) send(u source.Update) error {
	select {
	case r.out <- u:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// failing is the failure of a feed that has lasted too long. A single object fails alone.
func (r *run) failing(patience time.Duration) error {
	for _, f := range r.main {
		if x, bad := r.health.of(f); bad && time.Since(x.since) >= patience {
			return reason(f, x.err)
		}
	}
	return nil
}

// take brings a change into the store.
func (r *run) take(c change) {
	if c.from.ctx.Err() != nil {
		return // of an object that nobody names any more
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.listed {
		delete(r.unlisted, c.from)
	}
	switch {
	case c.from.aside && c.from.kind == translate.KindService:
		r.front(c)
	case c.from.aside:
		r.status.publish(r.hosts.take(c, r.opt.Publish.Nodes))
	case c.from.kind == translate.KindNamespace:
		r.choose(c)
	case c.listed:
		r.replace(c)
		r.goOn(c.from.namespace)
	case c.gone:
		if key, ok := (translate.Object{Value: c.object}).Key(); ok && c.from.owns(c.object) {
			r.delete(key)
		}
	default:
		r.put(c.from, c.object)
	}
	if c.from.kind == translate.KindIngressClass {
		for key := range r.store.Each(translate.KindIngress) {
			r.status.serve(key, r.store.Served(key))
		}
	}
}

// replace takes over a whole listing: what it lacks of what its feed is for is gone.
func (r *run) replace(c change) {
	there := make(map[translate.Key]bool, len(c.all))
	for _, v := range c.all {
		key, _ := translate.Object{Value: v}.Key() // kinds of feeds have one
		there[key] = true
		r.put(c.from, v)
	}
	var gone []translate.Key
	for key, o := range r.store.Each(c.from.kind) {
		if !there[key] && c.from.covers(o.Value) {
			gone = append(gone, key)
		}
	}
	for _, key := range gone {
		r.delete(key)
	}
}

func (r *run) delete(key translate.Key) {
	r.store.Delete(key)
	switch key.Kind {
	case translate.KindIngress:
		r.status.forget(key)
	case translate.KindService:
		r.resolve(key, nil)
	}
}

func (r *run) put(f *feed, v translate.Value) {
	if !f.owns(v) {
		return
	}
	o := translate.Object{Value: v}
	key, _ := o.Key()
	defer r.observe(key, v)
	r.admit(v)
	if old, known := r.store.Get(key); known && same(old.Value, v) {
		return
	}
	if err := r.store.Put(o); err != nil { // a kind that is not read, and such a feed does not exist
		r.opt.Log.Error("an object cannot be kept", "object", key, "err", err)
	}
}

// get looks an object up.
func (s *Source) get(key translate.Key) (translate.Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store.Get(key)
}

// observe tells the writer of statuses what it needs to know of an object.
func (r *run) observe(key translate.Key, v translate.Value) {
	switch v := v.(type) {
	case *networkingv1.Ingress:
		r.status.observe(key, v, r.store.Served(key))
	case *corev1.Service:
		if x := r.externals[key]; x != nil || v.Spec.Type == corev1.ServiceTypeExternalName && !r.opt.External.Off {
			r.resolve(key, v)
		}
		if key.Namespace+"/"+key.Name == r.opt.Publish.Service && len(r.opt.Publish.Addresses) == 0 && !r.frontAside() {
			r.status.publish(addressesOf(v))
		}
	}
}

func (r *run) changed() []source.Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.Changed()
}

func (r *run) recall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store.Recall()
}

func (r *run) all() []source.Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.All()
}

// reads tells whether objects of a namespace are read at all.
func (r *run) reads(namespace string) bool {
	if r.opt.selects() {
		return r.chosen[namespace] != nil
	}
	return len(r.opt.Namespaces) == 0 || slices.Contains(r.opt.Namespaces, namespace)
}

func isTLS(v translate.Value) bool {
	s, ok := v.(*corev1.Secret)
	return ok && s.Type == corev1.SecretTypeTLS
}

// one tells whether the feed is for a single object.
func (f *feed) one() bool {
	return strings.HasPrefix(f.fields, "metadata.name=")
}

// owns tells whether what the feed says of an object counts: a TLS secret is the business of the feed for all of them, even
// while a single one looks for it too.
func (f *feed) owns(v translate.Value) bool {
	switch f.kind {
	case translate.KindSecret:
		return f.sole || f.one() != isTLS(v)
	case translate.KindEndpointSlice:
		return f.one() == isExternal(v)
	}
	return true
}

// covers tells whether a listing of the feed would have an object.
func (f *feed) covers(v translate.Value) bool {
	if f.namespace != "" && v.GetNamespace() != f.namespace || !f.owns(v) {
		return false
	}
	return !f.one() || f.fields == "metadata.name="+v.GetName()
}
