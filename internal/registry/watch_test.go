package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/source"
)

func woken(t *testing.T, w *Watcher) []Key {
	t.Helper()
	select {
	case <-w.C():
		return w.Take()
	case <-time.After(5 * time.Second):
		t.Fatal("the watcher is not woken")
		return nil
	}
}

func TestWatch(t *testing.T) {
	r := open(t, Options{})
	w, names := r.Watch(), r.WatchNames()
	defer w.Close()
	defer names.Close()
	if v := w.Add(order); v.Known || v.LastRef == 0 {
		t.Fatalf("%+v", v)
	}
	other := Key{"public", "g", "other"}
	must(t, r.Register(other, at("10.0.0.1:80")))
	if got := woken(t, names); len(got) != 1 || got[0] != other {
		t.Fatal(got)
	}
	must(t, r.Register(other, at("10.0.0.2:80")))
	select {
	case <-names.C():
		t.Fatal("a watcher of names is woken for what is in a service")
	default:
	}
	select {
	case <-w.C():
		t.Fatal("woken for a service that is not watched")
	default:
	}
	// The wake-up is there before the call that caused it returns, and many changes are one.
	for i := range 100 {
		must(t, r.Register(order, at(fmt.Sprintf("10.0.0.1:%d", i+1))))
	}
	select {
	case <-w.C():
	default:
		t.Fatal("not woken when Register returned")
	}
	if got := w.Take(); len(got) != 1 || got[0] != order || len(r.View(order).Instances) != 100 {
		t.Fatal(got)
	}
	w.Remove(order)
	must(t, r.Register(order, at("10.0.0.2:80")))
	select {
	case <-w.C():
		t.Fatal("woken after Remove")
	default:
	}
	w.Add(order)
	w.Close()
	w.Add(order)
	if len(r.watching) != 0 {
		t.Fatal("a closed watcher is kept")
	}
}

// Many writers, and a watcher that must end with the last view.
func TestWatcherSeesTheLast(t *testing.T) {
	r := open(t, Options{})
	w := r.Watch()
	defer w.Close()
	for i := range 3 {
		w.Add(Key{"public", "g", fmt.Sprint("s", i)})
	}
	var writers sync.WaitGroup
	for g := range 8 {
		writers.Go(func() {
			key := Key{"public", "g", fmt.Sprint("s", g%3)}
			c, err := r.Connect()
			if err != nil {
				t.Error(err)
				return
			}
			for range 300 {
				switch a := fmt.Sprintf("10.0.%d.1:%d", g, 1+rand.IntN(5)); rand.IntN(5) {
				case 0:
					_, err = r.Deregister(key, netip.MustParseAddrPort(a))
				case 1:
					err = c.Publish(key, []Instance{at(a)})
				case 2:
					err = c.Withdraw(key)
				default:
					err = r.Register(key, at(a))
				}
				if err != nil {
					t.Error(err)
				}
			}
			c.Close()
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	seen := map[Key]*View{}
	take := func() {
		for _, k := range w.Take() {
			v := r.View(k)
			if old := seen[k]; old != nil && (v.Revision < old.Revision || v.LastRef < old.LastRef) {
				t.Errorf("%s went back from %d to %d", k, old.Revision, v.Revision)
			}
			seen[k] = v
		}
	}
	for running := true; running; {
		select {
		case <-w.C():
			take()
		case <-done:
			take()
			running = false
		}
	}
	for _, k := range r.Keys() {
		if seen[k] != r.View(k) {
			t.Errorf("%s: the last view was not told", k)
		}
	}
	if s := r.Stats(); s.Connections != 0 || s.Instances != s.Beating {
		t.Errorf("%+v", s)
	}
}

func receive(t *testing.T, out <-chan source.Update) source.Update {
	t.Helper()
	select {
	case u := <-out:
		return u
	case <-time.After(5 * time.Second):
		t.Fatal("no update")
		return source.Update{}
	}
}

func TestSource(t *testing.T) {
	var h Handle
	src := NewSource("registry", model.KeeperRegistry, &h)
	out := make(chan source.Update)
	waiting, cancel := context.WithCancel(t.Context())
	silent := make(chan error, 1)
	go func() { silent <- src.Run(waiting, out) }()
	cancel()
	select {
	case u := <-out:
		t.Fatalf("a registry that is stopped says %+v", u)
	case err := <-silent:
		if err != nil {
			t.Fatalf("stopped: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Run did not end with its context")
	}
	must(t, h.Start(Options{}))
	if h.Start(Options{}) == nil {
		t.Fatal("started twice")
	}
	r, _ := h.Current()
	secure := at("10.0.0.2:443")
	secure.Metadata = model.NewTags(map[string]string{"version": "v2", "secure": "True"})
	secure.Weight, secure.Enabled = 0.25, false
	must(t, r.Register(order, at("10.0.0.1:80")))
	must(t, r.Register(order, secure))

	inUse := func(keys ...Key) {
		edit := shard.Map[model.EndpointsID]{}.Edit()
		for _, key := range keys {
			id := model.EndpointsID{Keeper: model.KeeperRegistry, Name: key.String()}
			edit.Set(id.String(), id)
		}
		must(t, src.Report(t.Context(), source.Report{InUse: edit.Map()}))
	}
	inUse(order)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(t.Context(), out) }()
	u := receive(t, out)
	if !u.Full || u.Doubt != 30*time.Second || len(u.Groups) != 1 || u.Groups[0].Key != "service/public/DEFAULT_GROUP/order" {
		t.Fatalf("%+v", u)
	}
	set := u.Groups[0].Objects.Endpoints[0]
	if set.List.String() != "registry:public/DEFAULT_GROUP/order" || set.Revision != r.View(order).Revision || len(set.Endpoints) != 2 {
		t.Fatalf("%+v", set)
	}
	if e := set.Endpoints[0]; e.State != model.Ready || e.Weight.Thousandths() != 1000 || e.Secure || e.Since.IsZero() {
		t.Errorf("%+v", e)
	}
	if e := set.Endpoints[1]; e.State != model.Disabled || e.Cluster != "DEFAULT" || e.Weight != 250 || !e.Secure || len(e.Tags) != 2 || e.Tags[0].Name != "secure" {
		t.Errorf("%+v", e)
	}

	for _, addr := range []string{"10.0.0.1:80", "10.0.0.2:443"} {
		_, err := r.Deregister(order, netip.MustParseAddrPort(addr))
		must(t, err)
		u = receive(t, out)
	}
	if u.Full || u.Doubt != 0 || len(u.Groups[0].Objects.Endpoints) != 1 || len(u.Groups[0].Objects.Endpoints[0].Endpoints) != 0 {
		t.Fatalf("last instance gone: %+v", u)
	}

	// What nobody uses is a name, whatever is in it, until it is used.
	var told []source.Group
	next := func() model.EndpointSet {
		t.Helper()
		for len(told) == 0 {
			u := receive(t, out)
			if u.Full || u.Doubt != 0 {
				t.Fatalf("%+v", u)
			}
			told = u.Groups
		}
		g := told[0]
		told = told[1:]
		if len(g.Endpoints()) == 0 {
			return model.EndpointSet{List: model.EndpointsID{Name: "gone: " + g.Key}}
		}
		return g.Endpoints()[0]
	}
	other := Key{"public", "g", "other"}
	must(t, r.Register(other, at("10.0.0.1:80")))
	if set := next(); !set.Unread || set.Endpoints != nil || set.List.Name != other.String() {
		t.Fatalf("%+v", set)
	}
	for i := range 3 {
		must(t, r.Register(other, at(fmt.Sprintf("10.0.1.%d:80", i+1))))
	}
	must(t, r.Register(order, at("10.0.0.1:80")))
	if set := next(); set.List.Name != order.String() || len(set.Endpoints) != 1 {
		t.Fatalf("told of a service that nobody uses: %+v", set)
	}
	inUse(order, other)
	if set := next(); set.Unread || len(set.Endpoints) != 4 || set.List.Name != other.String() {
		t.Fatalf("%+v", set)
	}
	must(t, r.Register(other, at("10.0.0.9:80")))
	if set := next(); len(set.Endpoints) != 5 {
		t.Fatalf("%+v", set)
	}
	// Requests of a route that went may be on their way: it is read as long as it is there.
	inUse(order)
	if set := next(); set.Unread || len(set.Endpoints) != 5 {
		t.Fatalf("%+v", set)
	}
	for _, in := range r.View(other).Instances {
		_, err := r.Deregister(other, in.Addr)
		must(t, err)
	}
	must(t, r.RemoveService(other))
	for set := next(); set.List.Name != "gone: service/public/g/other"; set = next() {
		if set.Unread || set.List.Name != other.String() {
			t.Fatalf("%+v", set)
		}
	}
	must(t, r.Register(other, at("10.0.0.1:80")))
	if set := next(); !set.Unread {
		t.Fatalf("%+v", set)
	}
	if src.mu.Lock(); len(src.used) != 1 {
		t.Errorf("what went is kept: %v", src.used)
	}
	src.mu.Unlock()

	h.Stop()
	if err := <-ended; err == nil {
		t.Fatal("Run goes on without a registry")
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- src.Run(ctx, out) }() // it waits, and hears of the start at once
	must(t, h.Start(Options{}))
	defer h.Stop()
	if u := receive(t, out); !u.Full || u.Doubt == 0 || len(u.Groups) != 0 {
		t.Fatalf("started again: %+v", u)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestWeight(t *testing.T) {
	for share, thousandths := range map[float64]int{1: 1000, 0: 0, 0.5: 500, 0.0001: 1, 10_000: 10_000_000, 1.0001: 1000} {
		if got := weight(share).Thousandths(); got != thousandths {
			t.Errorf("%v is %d thousandths, want %d", share, got, thousandths)
		}
	}
}

func BenchmarkRegister(b *testing.B) {
	r := New(Options{MaxServices: 1 << 30})
	defer r.Close()
	for i := 0; b.Loop(); i++ {
		key := Key{"public", "g", fmt.Sprint("s", i/10)}
		if err := r.Register(key, at(fmt.Sprintf("10.%d.%d.%d:80", i>>16&255, i>>8&255, i&255))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBeat(b *testing.B) {
	r := New(Options{})
	defer r.Close()
	in := at("10.0.0.1:80")
	if err := r.Register(order, in); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, known, err := r.Beat(order, in.Addr); !known || err != nil {
			b.Fatal(err)
		}
	}
}

// A few changes are news at once; a crowd of them has what follows wait for the end of a short span, and no longer.
func TestPacer(t *testing.T) {
	var p pacer
	now := time.Now()
	for range crowd - 1 {
		if wait := p.wait(now); wait != 0 {
			t.Fatal(wait)
		}
		p.took(1, now)
	}
	p.took(1, now)
	if wait := p.wait(now.Add(time.Millisecond)); wait != span-time.Millisecond {
		t.Fatal(wait)
	}
	if wait := p.wait(now.Add(span)); wait > 0 {
		t.Fatal(wait)
	}
	p.took(1, now.Add(span))
	if wait := p.wait(now.Add(span)); wait != 0 {
		t.Fatal(wait)
	}
}
