package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/model"
	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/bolt"
)

func fixed(s string) Instance {
	in := at(s)
	in.Ephemeral = false
	return in
}

func reopen(t *testing.T, opt Options) *Registry {
	t.Helper()
	r, err := Open(t.Context(), opt)
	must(t, err)
	return r
}

// A service takes one kind of instances; the other is refused.
func TestKinds(t *testing.T) {
	r := open(t, Options{Probes: probe.Options{Every: time.Hour}})
	must(t, r.Register(order, at("10.0.0.1:80")))
	if err := r.Register(order, fixed("10.0.0.2:80")); !errors.Is(err, ErrInvalid) {
		t.Errorf("a persistent instance of an ephemeral service: %v", err)
	}
	bill := Key{"public", "g", "bill"}
	must(t, r.Register(bill, fixed("10.0.0.1:80")))
	if err := r.Register(bill, at("10.0.0.2:80")); !errors.Is(err, ErrInvalid) {
		t.Errorf("an ephemeral instance of a persistent service: %v", err)
	}
	c, err := r.Connect()
	must(t, err)
	defer c.Close()
	if err := c.Publish(bill, []Instance{at("10.0.0.2:80")}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a connection's instance of a persistent service: %v", err)
	}
	if err := c.Publish(Key{"public", "g", "new"}, []Instance{fixed("10.0.0.2:80")}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a persistent instance of a connection: %v", err)
	}
	if _, known, err := r.Beat(bill, netip.MustParseAddrPort("10.0.0.1:80")); known || err != nil {
		t.Errorf("a heartbeat of a persistent instance: %v, %v", known, err)
	}
	v := r.View(bill)
	must(t, r.Register(bill, fixed("10.0.0.1:80"))) // the same again
	if r.View(bill) != v {
		t.Error("the same registration made another view")
	}
	b := fixed("10.0.0.1:80")
	b.Cluster = "b"
	must(t, r.Register(bill, b))
	want(t, r, bill, "10.0.0.1:80, 10.0.0.1:80")
	if gone, err := r.Deregister(bill, b.Addr); !gone || err != nil {
		t.Fatalf("%v, %v", gone, err)
	}
	want(t, r, bill, "")
	must(t, r.Register(bill, at("10.0.0.2:80"))) // nothing of the other kind is left
	want(t, r, bill, "10.0.0.2:80")
}

func TestSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		defer r.Close()
		set := Settings{Ephemeral: true, ProtectThreshold: 0.5, Metadata: model.NewTags(map[string]string{"team": "a"})}
		must(t, r.CreateService(order, set))
		if err := r.CreateService(order, set); !errors.Is(err, ErrExists) {
			t.Errorf("made twice: %v", err)
		}
		if err := r.Register(order, fixed("10.0.0.1:80")); !errors.Is(err, ErrInvalid) {
			t.Errorf("the other kind: %v", err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if v := r.View(order); !v.Known || v.Settings.ProtectThreshold != 0.5 {
			t.Errorf("an empty service with settings went: %+v", v)
		}
		must(t, r.Register(order, at("10.0.0.1:80")))
		v := r.View(order)
		for _, c := range []struct {
			healthy, total int
			protected      bool
		}{{0, 0, false}, {0, 2, true}, {1, 2, true}, {2, 3, false}, {2, 2, false}} {
			if v.Protected(c.healthy, c.total) != c.protected {
				t.Errorf("%d of %d healthy: protected %v", c.healthy, c.total, !c.protected)
			}
		}
		set.Ephemeral = false
		if err := r.ChangeService(order, set); !errors.Is(err, ErrInvalid) {
			t.Errorf("another kind while instances are there: %v", err)
		}
		if err := r.RemoveService(order); !errors.Is(err, ErrInvalid) {
			t.Errorf("removed with instances: %v", err)
		}
		if gone, err := r.Deregister(order, netip.MustParseAddrPort("10.0.0.1:80")); !gone || err != nil {
			t.Fatal(gone, err)
		}
		must(t, r.RemoveService(order))
		if err := r.RemoveService(order); !errors.Is(err, ErrUnknown) {
			t.Errorf("removed twice: %v", err)
		}
		for name, bad := range map[string]Settings{
			"threshold": {ProtectThreshold: 1.5}, "cluster": {Clusters: map[string]Cluster{"a b": {}}}, "check": {Clusters: map[string]Cluster{"a": {Check: probe.Check{Kind: "MYSQL"}}}},
		} {
			if err := r.CreateService(order, bad); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r.View(Key{"public", "g", "none"}).Protected(0, 2) {
			t.Error("a service without settings is protected")
		}
	})
}

// A persistent instance is asked how it is, as its cluster's settings say.
func TestChecks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	addr := netip.MustParseAddrPort(l.Addr().String())
	r := open(t, Options{Probes: probe.Options{Every: 5 * time.Millisecond},
		Addresses: AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	w := r.Watch()
	defer w.Close()
	w.Add(order)
	becomes := func(list string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); text(r.View(order)) != list; {
			select {
			case <-w.C():
				w.Take()
			case <-time.After(time.Until(end)):
				t.Fatalf("%q, want %q", text(r.View(order)), list)
			}
		}
	}
	in := Instance{Addr: addr, Weight: 1, Enabled: true, Healthy: true}
	must(t, r.Register(order, in))
	must(t, r.ChangeService(order, Settings{Clusters: map[string]Cluster{"DEFAULT": {Check: probe.Check{Port: 1}}}}))
	becomes(addr.String() + " unhealthy")
	must(t, r.ChangeService(order, Settings{}))
	becomes(addr.String())

	// Over HTTP, on another port: the path, the headers and the status that was said count.
	health := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/health" && q.Header.Get("X-By") == "registry" && q.Host == "order.test" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	defer health.Close()
	port := netip.MustParseAddrPort(health.Listener.Addr().String()).Port()
	check := probe.Check{Kind: probe.HTTP, Port: port, Path: "/health", Headers: map[string]string{"X-By": "registry", "Host": "order.test"}, Code: 204}
	set := func(c probe.Check) {
		t.Helper()
		must(t, r.ChangeService(order, Settings{Clusters: map[string]Cluster{"DEFAULT": {Check: c}}}))
	}
	other := check
	other.Path = "/other"
	set(other)
	becomes(addr.String() + " unhealthy")
	set(check)
	becomes(addr.String())
	must(t, l.Close()) // nobody asks there
	check.Code = 200
	set(check)
	becomes(addr.String() + " unhealthy")
}

// A check goes where an instance may be, whoever sets its port, and whichever of the two is there first.
func TestCheckPortIsRestricted(t *testing.T) {
	r := open(t, Options{Probes: probe.Options{Every: time.Hour}, Addresses: AddressRule{Refuse: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:8088")}}})
	to := func(kind probe.Kind, port uint16) Settings {
		return Settings{Clusters: map[string]Cluster{"DEFAULT": {Check: probe.Check{Kind: kind, Port: port}}}}
	}
	must(t, r.Register(order, fixed("10.0.0.1:80")))
	if err := r.ChangeService(order, to(probe.HTTP, 8088)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a check of the admin port: %v", err)
	}
	must(t, r.ChangeService(order, to(probe.HTTP, 8087)))
	must(t, r.ChangeService(order, to(probe.None, 8088))) // which is not made
	bill := Key{"public", "g", "bill"}
	must(t, r.CreateService(bill, to(probe.TCP, 8088)))
	if err := r.Register(bill, fixed("10.0.0.1:80")); !errors.Is(err, ErrInvalid) {
		t.Errorf("an instance whose check would go to the admin port: %v", err)
	}
	must(t, r.Register(bill, fixed("10.0.0.2:80")))
}

// What is stored is there again after the file was opened anew, and lastRefTime goes on growing, also when the clock went
// back.
func TestStored(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registry.db")
	now := time.UnixMilli(1_700_000_000_000)
	opt := Options{Now: func() time.Time { return now }, Probes: probe.Options{Every: time.Hour}, SaveEvery: time.Millisecond}
	with := func(f func(r *Registry)) {
		t.Helper()
		s, err := bolt.Open(file)
		must(t, err)
		opt.Store = s
		r := reopen(t, opt)
		f(r)
		r.Close()
		must(t, s.Close())
	}
	bill := Key{"public", "g", "bill"}
	half, off := 0.5, false
	clusters := map[string]Cluster{
		"DEFAULT": {Check: probe.Check{Kind: probe.None}},
		"EAST": {Check: probe.Check{Kind: probe.HTTP, Port: 81, Path: "/health", Headers: map[string]string{"A": "b"}, Code: 204}, CheckPort: 81,
			Metadata: model.Tags{{Name: "zone", Value: "east"}}},
		"WEST": {CheckPort: 82},
	}
	last := now.Add(5 * time.Second).UnixMilli() // what clients have of another server, whose clock is ahead
	with(func(r *Registry) {
		if v := r.View(order); v.LastRef < last {
			t.Errorf("lastRef %d of a registry that is new, after %d", v.LastRef, last)
		}
		in := fixed("10.0.0.1:80")
		in.Metadata = model.NewTags(map[string]string{"zone": "a"})
		must(t, r.Register(order, in))
		must(t, r.Register(order, fixed("10.0.0.2:80")))
		must(t, r.Update(order, netip.MustParseAddrPort("10.0.0.2:80"), "", Patch{Enabled: &off}))
		must(t, r.Update(order, netip.MustParseAddrPort("10.0.0.2:80"), "", Patch{Weight: &half, Metadata: model.Tags{{Name: "zone", Value: "b"}}}))
		must(t, r.CreateService(bill, Settings{Ephemeral: true, ProtectThreshold: 0.25, Clusters: clusters}))
		last = r.View(order).LastRef
	})
	now = now.Add(-time.Hour)
	with(func(r *Registry) {
		want(t, r, order, "10.0.0.1:80, 10.0.0.2:80 disabled weight 0.5")
		if s := r.View(bill).Settings; s == nil || !s.same(&Settings{Ephemeral: true, ProtectThreshold: 0.25, Clusters: clusters}) {
			t.Errorf("%+v, want %+v", s, clusters)
		}
		v := r.View(order)
		if zone, _ := v.Instances[0].Metadata.Get("zone"); zone != "a" || v.LastRef <= last || v.Instances[0].Ephemeral || v.Instances[0].Unconfirmed {
			t.Errorf("lastRef %d after %d, %+v", v.LastRef, last, v.Instances[0])
		}
		if gone, err := r.Deregister(order, netip.MustParseAddrPort("10.0.0.1:80")); !gone || err != nil {
			t.Fatal(gone, err)
		}
		last = r.View(order).LastRef
	})
	with(func(r *Registry) {
		want(t, r, order, "10.0.0.2:80 disabled weight 0.5")
		again := fixed("10.0.0.2:80")
		again.Metadata = model.Tags{{Name: "version", Value: "1"}, {Name: "zone", Value: "a"}}
		must(t, r.Register(order, again))
		if labels := r.View(order).Instances[0].Metadata.String(); labels != "version=1,zone=b" {
			t.Errorf("an update outlives a restart, and is laid over what is registered then: %s", labels)
		}
		if v := r.View(order); v.LastRef <= last {
			t.Errorf("lastRef %d after %d", v.LastRef, last)
		}
	})
}

// saved waits until nothing waits to be saved, and returns how many keys are.
func saved(t *testing.T, r *Registry, keys int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		list, _, err := r.store.List(t.Context(), savedRoot)
		must(t, err)
		r.mu.Lock()
		waiting := len(r.unsaved) + len(r.litter)
		r.mu.Unlock()
		if waiting == 0 && len(list) == keys {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d keys are saved, %d wait; want %d", len(list), waiting, keys)
		}
	}
}

// Ephemeral instances are back after a restart, in doubt: a client that is heard of again confirms its own, the others go
// when the time is over in which a silent one is believed.
func TestEphemeralOutliveRestart(t *testing.T) {
	kv := storage.NewMemory()
	defer kv.Close()
	opt := Options{Store: kv, SaveEvery: time.Millisecond, Delete: 2 * time.Second, Unhealthy: 1500 * time.Millisecond, KeepEmpty: 50 * time.Millisecond}
	r := reopen(t, opt)
	c, err := r.Connect()
	must(t, err)
	for i := range 1000 { // more than fits under one key
		in := at(fmt.Sprintf("10.1.%d.%d:80", i/250, i%250))
		in.Metadata = model.NewTags(map[string]string{"text": "0123456789012345678901234567890123456789"})
		must(t, r.Register(Key{"public", "g", "many"}, in))
	}
	must(t, r.Register(order, at("10.0.0.1:80")))
	must(t, r.Register(order, at("10.0.0.2:80")))
	must(t, r.Register(order, at("10.0.0.5:80")))
	must(t, c.Publish(order, []Instance{at("10.0.0.3:80"), at("10.0.0.4:80")}))
	saved(t, r, 4)
	since := r.View(order).Instances[0].Since
	r.Close() // as far as the storage knows, it was killed: nothing is taken back

	r = reopen(t, opt)
	defer r.Close()
	want(t, r, order, "10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80, 10.0.0.5:80")
	v := r.View(order)
	if !v.Instances[0].Unconfirmed || !v.Instances[0].Since.Equal(since) || len(r.View(Key{"public", "g", "many"}).Instances) != 1000 {
		t.Errorf("%+v", v.Instances[0])
	}
	if _, known, err := r.Beat(order, netip.MustParseAddrPort("10.0.0.1:80")); !known || err != nil {
		t.Errorf("heartbeat of an instance in doubt: %v, %v", known, err)
	}
	if c, err = r.Connect(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must(t, c.Publish(order, []Instance{at("10.0.0.3:80")}))
	if gone, err := r.Deregister(order, netip.MustParseAddrPort("10.0.0.5:80")); !gone || err != nil {
		t.Error(gone, err)
	}
	v = r.View(order)
	want(t, r, order, "10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80")
	if v.Instances[0].Unconfirmed || v.Instances[2].Unconfirmed || !v.Instances[1].Unconfirmed || !v.Instances[2].Since.Before(v.Instances[3].Since.Add(time.Second)) {
		t.Errorf("%+v", v.Instances)
	}
	for end := time.Now().Add(10 * time.Second); len(r.View(order).Instances) > 2; time.Sleep(5 * time.Millisecond) {
		if _, _, err := r.Beat(order, netip.MustParseAddrPort("10.0.0.1:80")); err != nil || time.Now().After(end) {
			t.Fatalf("%s, %v", text(r.View(order)), err)
		}
	}
	want(t, r, order, "10.0.0.1:80, 10.0.0.3:80")
	saved(t, r, 1) // of the other service nothing is left
}

// With the usual times, who is in doubt after a restart is listed as healthy for 30 s, and then no more.
func TestDoubtAfterRestartLasts30s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := storage.NewMemory()
		defer kv.Close()
		r := reopen(t, Options{Store: kv})
		must(t, r.Register(order, at("10.0.0.1:80")))
		c, err := r.Connect()
		must(t, err)
		must(t, c.Publish(order, []Instance{at("10.0.0.2:80")}))
		time.Sleep(5 * time.Second) // it is saved once in a second
		r.Close()
		time.Sleep(time.Hour) // how long nobody ran does not count
		r = reopen(t, Options{Store: kv})
		defer r.Close()
		time.Sleep(29 * time.Second)
		want(t, r, order, "10.0.0.1:80, 10.0.0.2:80")
		if v := r.View(order); !v.Instances[0].Unconfirmed || !v.Instances[1].Unconfirmed {
			t.Errorf("%+v are not in doubt", v.Instances)
		}
		time.Sleep(2 * time.Second)
		want(t, r, order, "")
	})
}

// The gateway sends to unhealthy instances where the service says so, and only there.
func TestThresholdInTheGateway(t *testing.T) {
	v := &View{Key: order, Known: true, Instances: []Instance{at("10.0.0.1:80"), at("10.0.0.2:80"), at("10.0.0.3:80")}, Settings: &Settings{ProtectThreshold: 0.5}}
	v.Instances[0].Healthy, v.Instances[2].Enabled = false, false
	states := func() (out string) {
		for _, e := range Group("registry", "registry", v).Objects.Endpoints[0].Endpoints {
			out += fmt.Sprint(e.State, " ")
		}
		return out
	}
	plain := fmt.Sprint(model.Unhealthy, " ", model.Ready, " ", model.Disabled, " ")
	if got := states(); got != fmt.Sprint(model.Ready, " ", model.Ready, " ", model.Disabled, " ") {
		t.Error(got)
	}
	v.Settings.ProtectThreshold = 0.4
	if got := states(); got != plain {
		t.Error(got)
	}
	v.Settings.ProtectThreshold, v.Instances[1].Healthy = 0, false
	if got := states(); got != fmt.Sprint(model.Unhealthy, " ", model.Unhealthy, " ", model.Disabled, " ") {
		t.Error(got)
	}
}

// Who says how an instance is, is heard where nobody asks it, and only there.
func TestHealthBySaying(t *testing.T) {
	kv := storage.NewMemory()
	r, err := Open(t.Context(), Options{Store: kv, Address: "10.0.0.9:8848"})
	must(t, err)
	key := Key{Namespace: "public", Group: "g", Service: "database"}
	at := netip.MustParseAddrPort("10.0.0.1:80")
	if err := r.SetHealth(key, at, "", false); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	must(t, r.CreateService(key, Settings{Clusters: map[string]Cluster{"DEFAULT": {Check: probe.Check{Kind: probe.None}}}}))
	for _, cluster := range []string{"DEFAULT", "asked"} {
		must(t, r.Register(key, Instance{Addr: at, Cluster: cluster, Weight: 1, Enabled: true, Healthy: true}))
	}
	if err := r.SetHealth(key, at, "asked", false); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "health check is still working") {
		t.Fatal(err)
	}
	must(t, r.SetHealth(key, at, "", false))
	if got := r.Publications(key); len(got) != 2 || got[0].By != nil || r.View(key).Instances[0].Healthy || !r.View(key).Instances[1].Healthy {
		t.Fatalf("%+v", got)
	}
	// It is stored.
	r.Close()
	r, err = Open(t.Context(), Options{Store: kv})
	must(t, err)
	defer r.Close()
	if v := r.View(key); len(v.Instances) != 2 || v.Instances[0].Healthy {
		t.Fatalf("%+v", v)
	}
	must(t, r.SetHealth(key, at, "", true))
	if !r.View(key).Instances[0].Healthy || len(r.Processes()) != 0 {
		t.Fatalf("%+v, %v", r.View(key), r.Processes())
	}
}
