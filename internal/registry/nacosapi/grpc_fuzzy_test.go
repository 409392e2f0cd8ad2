package nacosapi

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// fuzzyTold takes messages of a fuzzy watch, acknowledges them, and keeps what the client knows by them, as a Java client does it.
type fuzzyTold struct {
	c     *client
	known map[string]bool
	sync  []string // types in the order they came
}

func (f *fuzzyTold) one() {
	f.c.t.Helper()
	p := f.c.next()
	switch p.Type {
	case nacoswire.TypeFuzzySync:
		q, err := nacoswire.Decode[nacoswire.FuzzySyncRequest](p)
		must(f.c.t, err)
		f.sync = append(f.sync, q.SyncType)
		for _, s := range q.Contexts {
			f.known[s.ServiceKey] = true
		}
		f.c.send(nacoswire.TypeFuzzyChangeAnswer, nacoswire.OK(q.RequestID))
	case nacoswire.TypeFuzzyChange:
		q, err := nacoswire.Decode[nacoswire.FuzzyChangeRequest](p)
		must(f.c.t, err)
		f.sync = append(f.sync, q.ChangedType)
		if f.known[q.ServiceKey] = q.ChangedType == nacoswire.ServiceAdded; !f.known[q.ServiceKey] {
			delete(f.known, q.ServiceKey)
		}
		f.c.send(nacoswire.TypeFuzzyChangeAnswer, nacoswire.OK(q.RequestID))
	default:
		f.c.t.Fatalf("a %s came", p.Type)
	}
}

func TestFuzzyWatch(t *testing.T) {
	f := serve(t, Config{}, registry.Options{KeepEmpty: 50 * time.Millisecond})
	key := func(name string) registry.Key {
		return registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: name}
	}
	for i := range 25 {
		must(t, f.registry().Register(key(fmt.Sprintf("shop-%d", i)), instance("10.0.0.1:80")))
	}
	must(t, f.registry().Register(key("other"), instance("10.0.0.1:80")))
	c := dial(t, f.grpc).setup()
	told := &fuzzyTold{c: c, known: map[string]bool{}}
	watch := nacoswire.FuzzyWatchRequest{Pattern: "public>>DEFAULT_GROUP>>shop-*", WatchType: nacoswire.FuzzyWatch, Initializing: true}
	if a := answerOf[nacoswire.Response](c, nacoswire.TypeFuzzyWatchAnswer, c.request(nacoswire.TypeFuzzyWatch, watch)); !a.Success {
		t.Fatalf("%+v", a)
	}
	for range 4 {
		told.one()
	}
	init := nacoswire.FuzzyInit
	if want := []string{init, init, init, nacoswire.FuzzyFinish}; !slices.Equal(told.sync, want) || len(told.known) != 25 || told.known["public@@DEFAULT_GROUP@@other"] {
		t.Fatalf("%v, %v", told.sync, told.known)
	}
	// One that comes, one whose instances change, one that goes.
	must(t, f.registry().Register(key("shop-new"), instance("10.0.0.1:80")))
	told.one()
	must(t, f.registry().Register(key("shop-1"), instance("10.0.0.2:80")))
	_, err := f.registry().Deregister(key("shop-2"), netip.MustParseAddrPort("10.0.0.1:80"))
	must(t, err)
	told.one()
	if got := told.sync[4:]; !slices.Equal(got, []string{nacoswire.ServiceAdded, nacoswire.ServiceDeleted}) ||
		!told.known["public@@DEFAULT_GROUP@@shop-new"] || told.known["public@@DEFAULT_GROUP@@shop-2"] {
		t.Fatalf("%v, %v", got, told.known)
	}
	// One that connects again says what it knows, and is told the difference.
	again := dial(t, f.grpc).setup()
	watch.Initializing, watch.Received = false, []string{"public@@DEFAULT_GROUP@@shop-2"}
	told = &fuzzyTold{c: again, known: map[string]bool{"public@@DEFAULT_GROUP@@shop-2": true}}
	again.request(nacoswire.TypeFuzzyWatch, watch)
	for len(told.known) != 25 || told.known["public@@DEFAULT_GROUP@@shop-2"] {
		told.one()
	}
	if slices.Contains(told.sync, nacoswire.FuzzyFinish) {
		t.Errorf("%v", told.sync)
	}
	// Too many patterns, and one that is none.
	for i := range maxPatterns {
		watch.Pattern = fmt.Sprintf("public>>DEFAULT_GROUP>>x%d", i)
		a, err := nacoswire.Decode[nacoswire.Response](again.request(nacoswire.TypeFuzzyWatch, watch))
		must(t, err)
		if want := i < maxPatterns-1; a.Success != want || !want && a.ErrorCode != nacoswire.ErrorFuzzyPatterns {
			t.Fatalf("pattern %d: %+v", i, a)
		}
	}
	watch.Pattern = strings.Repeat("x", 2000)
	if a := answerOf[nacoswire.Response](again, nacoswire.TypeErrorAnswer, again.request(nacoswire.TypeFuzzyWatch, watch)); a.ErrorCode != nacoswire.ErrorInvalidParam {
		t.Fatalf("%+v", a)
	}
}

// configsTold keeps what a client knows of configurations by what it was told, as a Java client does it.
func (c *client) configsTold(known map[string]bool) string {
	c.t.Helper()
	p := c.next()
	switch p.Type {
	case nacoswire.TypeConfigFuzzySync:
		q, err := nacoswire.Decode[nacoswire.ConfigFuzzySyncRequest](p)
		must(c.t, err)
		for _, s := range q.Contexts {
			known[s.ConfigKey] = true
		}
		c.send(nacoswire.TypeConfigFuzzySyncAnswer, nacoswire.OK(q.RequestID))
		return q.SyncType
	case nacoswire.TypeConfigFuzzyChange:
		q, err := nacoswire.Decode[nacoswire.ConfigFuzzyChangeRequest](p)
		must(c.t, err)
		if known[q.ConfigKey] = q.ChangeType == nacoswire.ConfigAdded; !known[q.ConfigKey] {
			delete(known, q.ConfigKey)
		}
		c.send(nacoswire.TypeConfigFuzzyChangeAnswer, nacoswire.OK(q.RequestID))
		return q.ChangeType
	}
	c.t.Fatalf("a %s came", p.Type)
	return ""
}

func TestFuzzyWatchOfConfigs(t *testing.T) {
	store, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	publish := func(name, content string) {
		t.Helper()
		_, err := store.Publish(t.Context(), config.Item{ID: config.ID{Namespace: "public", Group: "DEFAULT_GROUP", Name: name}, Content: content}, "")
		must(t, err)
	}
	for i := range 12 {
		publish(fmt.Sprintf("shop-%d.yaml", i), "1")
	}
	publish("other.yaml", "1")
	f := serve(t, Config{Configs: store}, registry.Options{})
	c, known := dial(t, f.grpc).setup(), map[string]bool{}
	watch := nacoswire.FuzzyWatchRequest{Pattern: "public>>DEFAULT_GROUP>>shop-*", WatchType: nacoswire.FuzzyWatch, Initializing: true}
	if a := answerOf[nacoswire.Response](c, nacoswire.TypeConfigFuzzyWatchAnswer, c.request(nacoswire.TypeConfigFuzzyWatch, watch)); !a.Success {
		t.Fatalf("%+v", a)
	}
	got := []string{c.configsTold(known), c.configsTold(known), c.configsTold(known)}
	if want := []string{nacoswire.FuzzyInit, nacoswire.FuzzyInit, nacoswire.FuzzyFinish}; !slices.Equal(got, want) || len(known) != 12 || !known["shop-11.yaml+DEFAULT_GROUP+public"] {
		t.Fatalf("%v, %v", got, known)
	}
	// One that comes, one whose content changes, of which a watch says nothing, one that goes.
	publish("shop-new.yaml", "1")
	if what := c.configsTold(known); what != nacoswire.ConfigAdded || !known["shop-new.yaml+DEFAULT_GROUP+public"] {
		t.Fatalf("%s, %v", what, known)
	}
	publish("shop-1.yaml", "2")
	_, err = store.Remove(t.Context(), config.ID{Namespace: "public", Group: "DEFAULT_GROUP", Name: "shop-2.yaml"}, "", "")
	must(t, err)
	if what := c.configsTold(known); what != nacoswire.ConfigDeleted || known["shop-2.yaml+DEFAULT_GROUP+public"] || len(known) != 12 {
		t.Fatalf("%s, %v", what, known)
	}
	// One that connects again says what it knows, and is told the difference.
	again := dial(t, f.grpc).setup()
	watch.Initializing, watch.Received = false, []string{"shop-2.yaml+DEFAULT_GROUP+public", "shop-3.yaml+DEFAULT_GROUP+public"}
	known = map[string]bool{"shop-2.yaml+DEFAULT_GROUP+public": true, "shop-3.yaml+DEFAULT_GROUP+public": true}
	again.request(nacoswire.TypeConfigFuzzyWatch, watch)
	for len(known) != 12 || known["shop-2.yaml+DEFAULT_GROUP+public"] {
		again.configsTold(known)
	}
	// Ended, it says nothing more.
	watch.WatchType = nacoswire.FuzzyCancel
	answerOf[nacoswire.Response](again, nacoswire.TypeConfigFuzzyWatchAnswer, again.request(nacoswire.TypeConfigFuzzyWatch, watch))
	publish("shop-late.yaml", "1")
	if what := c.configsTold(map[string]bool{}); what != nacoswire.ConfigAdded {
		t.Fatal(what)
	}
	select {
	case p := <-again.pushes:
		t.Fatalf("after the end came %s %s", p.Type, p.Body)
	default:
	}
	// Where no configurations are kept, there are none to watch.
	none := serve(t, Config{}, registry.Options{})
	watch.WatchType = nacoswire.FuzzyWatch
	n := dial(t, none.grpc).setup()
	if a := answerOf[nacoswire.Response](n, nacoswire.TypeConfigFuzzyWatchAnswer, n.request(nacoswire.TypeConfigFuzzyWatch, watch)); a.Success || a.ErrorCode != nacoswire.ErrorInvalidParam {
		t.Fatalf("%+v", a)
	}
}
