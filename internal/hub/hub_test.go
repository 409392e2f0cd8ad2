package hub

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a source that says what the test tells it to say, and fails when told to.
type scripted struct {
	name string
	say  chan source.Update
	fail chan error
}

func newScripted(name string) *scripted {
	return &scripted{name, make(chan source.Update), make(chan error)}
}

func (s *scripted) Name() string { return s.name }

func (s *scripted) Run(ctx context.Context, out chan<- source.Update) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.fail:
			return err
		case u := <-s.say:
			select {
			case out <- u:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// recorder is table and publisher in one: it notes what reaches it, in order.
type recorder struct {
	mu     sync.Mutex
	log    []string
	sets   map[string][]model.EndpointSet
	doubt  map[string]time.Duration
	known  map[string]bool
	snap   *snapshot.Snapshot
	refuse bool
	hold   chan struct{} // when set, Publish waits for it
}

func newRecorder() *recorder {
	return &recorder{sets: map[string][]model.EndpointSet{}, doubt: map[string]time.Duration{}, known: map[string]bool{}, snap: snapshot.Empty()}
}

func (r *recorder) SetContribution(source, group string, sets []model.EndpointSet, doubt time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, "endpoints "+source+"/"+group)
	r.sets[source+"/"+group], r.doubt[source+"/"+group] = sets, doubt
}

func (r *recorder) MarkKnown(keeper string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[keeper] = true
}

func (r *recorder) Publish(_ context.Context, next *snapshot.Snapshot) []string {
	r.mu.Lock()
	hold := r.hold
	r.mu.Unlock()
	if hold != nil {
		<-hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, "publish")
	r.snap = next
	if r.refuse {
		return []string{"plane"}
	}
	return nil
}

// start runs a hub for the length of the test.
func start(t *testing.T, cfg Config) *Hub {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	cfg.Check = func([]model.FilterSpec, []string) ([]model.FilterFault, []model.FilterPath, []model.FilterSetting) {
		return nil, nil, nil
	}
	cfg.Backoff = time.Millisecond
	h := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func (r *recorder) routes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, class := range r.snap.Classes() {
		for _, table := range r.snap.Tables(class) {
			for _, x := range table.Routes() {
				out = append(out, string(x.ID))
			}
		}
	}
	return out
}

func rule(key string, paths ...string) source.Group {
	g := source.Group{Key: key, Objects: &model.Objects{}}
	for _, p := range paths {
		g.Objects.Routes = append(g.Objects.Routes, model.Route{
			ID: model.RouteID(key + p), Attach: []model.Class{"ingress"},
			Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: p}}, Action: model.Respond{Status: 200},
		})
	}
	return g
}

func list(key string, addrs ...string) source.Group {
	set := model.EndpointSet{List: model.EndpointsID{Keeper: "kubernetes", Name: key}}
	for _, a := range addrs {
		set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.MustParseAddrPort(a)})
	}
	return source.Group{Key: key, Objects: &model.Objects{Endpoints: []model.EndpointSet{set}}}
}

func TestNothingBeforeEveryRequiredSourceIsSynced(t *testing.T) {
	a, b, r := newScripted("a"), newScripted("b"), newRecorder()
	h := start(t, Config{Parts: []Part{{Source: a, Required: true, Keepers: []string{"kubernetes"}}, {Source: b, Required: true, Keepers: []string{"kubernetes"}}}, Endpoints: r, Publisher: r})
	a.say <- source.Update{Groups: []source.Group{rule("x", "/x")}, Full: true}
	b.say <- source.Update{Groups: []source.Group{rule("y", "/y")}}
	if r.snap.Version() != 0 || h.Ready() || r.known["kubernetes"] {
		t.Fatal("published, ready or known before b is synced")
	}
	b.say <- source.Update{Full: true}
	eventually(t, "ready", h.Ready)
	if got := r.routes(); !slices.Equal(got, []string{"x/x", "y/y"}) {
		t.Errorf("routes %v", got)
	}
	if !r.known["kubernetes"] {
		t.Error("the keeper is not known")
	}
	h.Stop()
	if h.Ready() {
		t.Error("ready after Stop")
	}
}

func TestEndpointsComeBeforeRulesAndPastCompile(t *testing.T) {
	a, r := newScripted("a"), newRecorder()
	h := start(t, Config{Parts: []Part{{Source: a, Required: true}}, Endpoints: r, Publisher: r})
	g := list("order", "127.1.1.1:80")
	g.Objects.Routes = rule("x", "/x").Objects.Routes
	a.say <- source.Update{Groups: []source.Group{g}, Full: true}
	eventually(t, "ready", h.Ready)
	if want := []string{"endpoints a/order", "publish"}; !slices.Equal(r.log, want) {
		t.Errorf("order was %v, want %v", r.log, want)
	}
	r.mu.Lock()
	r.hold = make(chan struct{}) // compile and publish stand still
	hold := r.hold
	r.mu.Unlock()
	a.say <- source.Update{Groups: []source.Group{rule("y", "/y")}}
	for range 10 {
		a.say <- source.Update{Groups: []source.Group{list("user", "127.1.1.2:80")}}
	}
	eventually(t, "addresses pass while the worker is busy", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.sets["a/user"]) == 1
	})
	close(hold)
	eventually(t, "y is published", func() bool { return slices.Contains(r.routes(), "y/y") })
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := strings.Count(strings.Join(r.log, ","), "publish"); n > 3 {
		t.Errorf("%d generations for one change of rules and one new list", n)
	}
}

// A source is told when its addresses are in force, also while a generation is being published.
func TestAppliedIsTold(t *testing.T) {
	rec, src := newRecorder(), newScripted("k8s")
	rec.hold = make(chan struct{})
	start(t, Config{Parts: []Part{{Source: src, Required: true, Keepers: []string{"kubernetes"}}}, Endpoints: rec, Publisher: rec})
	src.say <- source.Update{Groups: []source.Group{rule("a", "/a")}, Full: true} // whose publication does not end
	applied := make(chan bool, 1)
	src.say <- source.Update{Groups: []source.Group{list("b", "10.0.0.1:80")}, Applied: func() {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		applied <- len(rec.sets["k8s/b"]) == 1
	}}
	select {
	case there := <-applied:
		if !there {
			t.Error("it was told before the addresses were there")
		}
	case <-time.After(5 * time.Second):
		t.Error("nobody was told")
	}
	close(rec.hold)
}

func TestFailingSourceKeepsItsLastGoodState(t *testing.T) {
	a, r := newScripted("a"), newRecorder()
	h := start(t, Config{Parts: []Part{{Source: a, Required: true}}, Endpoints: r, Publisher: r})
	a.say <- source.Update{Groups: []source.Group{rule("x", "/x"), rule("y", "/y"), list("l", "127.1.1.1:80")}, Full: true}
	eventually(t, "ready", h.Ready)
	a.fail <- errors.New("the disk is gone")
	eventually(t, "red", func() bool { s := h.Sources()[0]; return s.Failed && strings.Contains(s.Error, "disk is gone") })
	if !h.Ready() || len(r.routes()) != 2 {
		t.Fatalf("ready %v with routes %v after the failure", h.Ready(), r.routes())
	}
	a.say <- source.Update{Groups: []source.Group{rule("x", "/x", "/z")}} // a part of the new listing drops nothing
	eventually(t, "x is replaced", func() bool { return slices.Contains(r.routes(), "x/z") })
	if !slices.Contains(r.routes(), "y/y") {
		t.Error("y went before the listing was complete")
	}
	a.say <- source.Update{Full: true, Doubt: 30 * time.Second}
	eventually(t, "y is dropped", func() bool { return !slices.Contains(r.routes(), "y/y") })
	eventually(t, "the list is dropped with doubt", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.sets["a/l"]) == 0 && r.doubt["a/l"] == 30*time.Second
	})
	if h.Sources()[0].Failed {
		t.Error("still red")
	}
}

func TestRegistryThatDoesNotAnswerIsWaitedForOnce(t *testing.T) {
	rules, reg, r := newScripted("rules"), newScripted("registry"), newRecorder()
	keep := Directory(filepath.Join(t.TempDir(), "keep"))
	heard := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := keep.Save("registry", heard, []source.Group{list("order", "127.1.1.9:80")}); err != nil {
		t.Fatal(err)
	}
	h := start(t, Config{Parts: []Part{
		{Source: rules, Required: true},
		{Source: reg, Required: true, Wait: 20 * time.Millisecond, Saved: true, Keepers: []string{"registry"}},
	}, Endpoints: r, Publisher: r, Keep: keep})
	rules.say <- source.Update{Groups: []source.Group{rule("x", "/x")}, Full: true}
	eventually(t, "ready without the registry", h.Ready)
	r.mu.Lock()
	if len(r.sets["registry/order"]) != 1 || !r.known["registry"] {
		t.Errorf("saved addresses %v, known %v", r.sets, r.known)
	}
	r.mu.Unlock()
	if s := h.Sources()[1]; !s.Heard.Equal(heard) {
		t.Errorf("what was saved was heard at %v, want %v", s.Heard, heard)
	}
	began := time.Now()
	reg.say <- source.Update{Groups: []source.Group{list("user", "127.1.1.8:80")}, Full: true}
	eventually(t, "the saved list gives way to the true one", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.sets["registry/order"]) == 0 && len(r.sets["registry/user"]) == 1
	})
	eventually(t, "the new state is saved", func() bool {
		groups, heard, err := keep.Load("registry")
		return err == nil && len(groups) == 1 && groups[0].Key == "user" && heard.After(began.Add(-time.Second))
	})
}

func TestRefusingPlaneIsAskedAgain(t *testing.T) {
	a, r := newScripted("a"), newRecorder()
	r.refuse = true
	h := start(t, Config{Parts: []Part{{Source: a, Required: true}}, Endpoints: r, Publisher: r})
	a.say <- source.Update{Groups: []source.Group{rule("x", "/x")}, Full: true}
	eventually(t, "published", func() bool { return len(r.routes()) == 1 })
	if h.Ready() {
		t.Error("ready although a plane has not bound")
	}
	r.mu.Lock()
	r.refuse = false
	r.mu.Unlock()
	eventually(t, "ready", h.Ready)
}

func TestWorkIsTold(t *testing.T) {
	a, r := newScripted("a"), newRecorder()
	h := start(t, Config{Parts: []Part{{Source: a, Required: true}}, Endpoints: r, Publisher: r})
	if w := h.Work(); w != (Work{}) {
		t.Errorf("before the first generation: %+v", w)
	}
	a.say <- source.Update{Groups: []source.Group{rule("x", "/x")}, Full: true}
	eventually(t, "a generation is told", func() bool { return h.Work().Generations == 1 })
	one := h.Work()
	a.say <- source.Update{Groups: []source.Group{rule("y", "/y")}}
	eventually(t, "another one is told", func() bool { return h.Work().Generations == 2 })
	if w := h.Work(); w.Compile != one.Compile+w.Compiled || w.Publish != one.Publish+w.Published || w.Compiled <= 0 || w.Last.Before(one.Last) {
		t.Errorf("first %+v, then %+v", one, w)
	}
}

func TestReport(t *testing.T) {
	a, r := &reporting{scripted: *newScripted("a"), got: make(chan source.Report, 10)}, newRecorder()
	start(t, Config{Parts: []Part{{Source: a, Required: true}}, Endpoints: r, Publisher: r})
	g := rule("x", "bad")
	g.Objects.Routes[0].Origin.Source = "a"
	g.Objects.Upstreams = []model.Upstream{{ID: "u", Endpoints: []model.EndpointsID{{Keeper: "registry", Name: "n"}}}}
	a.say <- source.Update{Groups: []source.Group{g}, Full: true}
	got := <-a.got
	var own []model.Diagnostic
	for _, ds := range got.Diagnostics.All() {
		for _, d := range ds {
			if d.Origin.Source == "a" {
				own = append(own, d)
			}
		}
	}
	if len(own) != 1 || own[0].Code != model.CodeInvalid || got.InUse.Len() != 1 || got.Version != 1 {
		t.Errorf("report of version %d: %v, %d lists", got.Version, own, got.InUse.Len())
	}
}

type reporting struct {
	scripted
	got chan source.Report
}

func (r *reporting) Report(_ context.Context, x source.Report) error {
	r.got <- x
	return nil
}
