package upstream

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"paifang/internal/model"
)

func TestUnionTakesTheMoreRestrictiveState(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.give("slice-1", orders, at("10.0.0.1:80"), at("10.0.0.2:80"))
	table.give("slice-2", orders, in(model.Draining, at("10.0.0.2:80")), at("10.0.0.3:80"))
	if got, want := picks(t, h, 4), map[string]int{"10.0.0.1:80": 2, "10.0.0.3:80": 2}; !maps.Equal(got, want) {
		t.Errorf("with .2 draining in one of two: got %v, want %v", got, want)
	}
	table.give("slice-2", orders)
	if got, want := picks(t, h, 4), map[string]int{"10.0.0.1:80": 2, "10.0.0.2:80": 2}; !maps.Equal(got, want) {
		t.Errorf("a contribution that goes takes only its own: got %v, want %v", got, want)
	}
	table.SetContribution("test", "slice-1", nil, 0)
	wantErr(t, h, ErrNoEndpoints)
}

func TestClassesAreAskedInOrder(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	all := []model.Endpoint{
		at("10.0.0.1:80"), in(model.Draining, at("10.0.0.2:80")), in(model.LastResort, at("10.0.0.3:80")),
		in(model.Unhealthy, at("10.0.0.4:80")), in(model.Disabled, at("10.0.0.5:80")), weighed(at("10.0.0.6:80"), model.WeightNone),
	}
	for i, want := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
		table.give("g", orders, all[i:]...)
		if got := picks(t, h, 5); got[want] != 5 {
			t.Errorf("got %v, want %s alone", got, want)
		}
	}
	table.give("g", orders, all[3:]...)
	wantErr(t, h, ErrAllUnhealthy)
}

func TestLastResortCountsOnlyWhereNobodyElseListsTheAddress(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders, in(model.LastResort, at("10.0.0.1:80")))
	table.give("b", orders, at("10.0.0.1:80"))
	if got := pick(t, h).State; got != model.Ready {
		t.Errorf("got %v, want ready", got)
	}
	table.give("b", orders, in(model.Unhealthy, at("10.0.0.1:80")))
	wantErr(t, h, ErrAllUnhealthy)
}

func TestUpstreamOfTwoListsAndTags(t *testing.T) {
	table := newTable(t, Config{})
	other := model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/order"}
	up := upstreamOf(orders, other)
	up.Select = model.NewTags(map[string]string{"lane": "blue"})
	blue := func(addr string) model.Endpoint {
		e := at(addr)
		e.Tags = model.NewTags(map[string]string{"lane": "blue", "zone": "a"})
		return e
	}
	h := acquire(t, table, up)
	table.give("a", orders, blue("10.0.0.1:80"), at("10.0.0.9:80"))
	table.give("b", other, blue("10.0.0.2:80"), blue("10.0.0.1:80"))
	if got, want := picks(t, h, 4), map[string]int{"10.0.0.1:80": 2, "10.0.0.2:80": 2}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOtherUpstreamsAreNotTouched(t *testing.T) {
	table := newTable(t, Config{})
	other := model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/cart"}
	h := acquire(t, table, upstreamOf(orders))
	g := acquire(t, table, upstreamOf(other))
	table.give("a", orders, at("10.0.0.1:80"))
	table.give("b", other, at("10.0.0.2:80"))
	hp, gp := h.picker.Load(), g.picker.Load()
	table.give("a", orders, at("10.0.0.1:80"), at("10.0.0.3:80"))
	if h.picker.Load() == hp || g.picker.Load() != gp {
		t.Error("want a new picker for the one that uses the list and none for the other")
	}
	hp = h.picker.Load()
	table.give("a", orders, at("10.0.0.1:80"), at("10.0.0.3:80"))
	if h.picker.Load() != hp {
		t.Error("a contribution that says the same made a new picker")
	}
}

func TestUnknownIsNotEmpty(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	wantErr(t, h, ErrUnknown)
	table.MarkKnown(model.KeeperRegistry)
	wantErr(t, h, ErrUnknown)
	table.MarkKnown(model.KeeperKubernetes)
	wantErr(t, h, ErrNoEndpoints)
	late := acquire(t, table, &model.Upstream{ID: "late", Endpoints: []model.EndpointsID{{Keeper: model.KeeperKubernetes, Name: "x"}}})
	wantErr(t, late, ErrNoEndpoints)
}

func TestAnEmptySetIsKnown(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders)
	wantErr(t, h, ErrNoEndpoints)
	table.SetContribution("test", "a", nil, 0)
	wantErr(t, h, ErrNoEndpoints)
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Config{MaxWaiters: 1})
		defer table.Close()
		h := table.Acquire(upstreamOf(orders))
		defer h.Release()
		start := time.Now()
		if err := h.Wait(t.Context()); !errors.Is(err, ErrUnknown) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want ErrUnknown after 1s", err, time.Since(start))
		}
		waited := make(chan error)
		go func() { waited <- h.Wait(t.Context()) }()
		synctest.Wait()
		start = time.Now()
		if err := h.Wait(t.Context()); !errors.Is(err, ErrUnknown) || time.Since(start) != 0 {
			t.Errorf("one more than may wait: got %v after %v, want ErrUnknown at once", err, time.Since(start))
		}
		table.give("a", orders, at("10.0.0.1:80"))
		if err := <-waited; err != nil || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want success at once", err, time.Since(start))
		}
		if err := h.Wait(t.Context()); err != nil {
			t.Errorf("of a known list: %v", err)
		}
	})
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Wait(ctx); !errors.Is(err, ErrUnknown) {
		t.Errorf("of one who has left: got %v", err)
	}
}

func TestDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable(Config{})
		defer table.Close()
		h := table.Acquire(upstreamOf(orders))
		defer h.Release()
		a, b, c, sick := at("10.0.0.1:80"), at("10.0.0.2:80"), at("10.0.0.3:80"), in(model.Unhealthy, at("10.0.0.4:80"))
		set := func(doubt time.Duration, es ...model.Endpoint) {
			table.SetContribution("registry", "order", []model.EndpointSet{{List: orders, Endpoints: es}}, doubt)
		}
		set(0, a, b, c, sick)
		set(30*time.Second, c)
		if got := picks(t, h, 6); got["10.0.0.3:80"] != 6 {
			t.Errorf("while one is listed: got %v, want it alone", got)
		}
		set(0) // the last one is deregistered: known to be gone
		if got, want := picks(t, h, 4), map[string]int{"10.0.0.1:80": 2, "10.0.0.2:80": 2}; !maps.Equal(got, want) {
			t.Errorf("in doubt: got %v, want %v", got, want)
		}
		first := pick(t, h)
		first.live.connectFailed(CodeConnectRefused)
		if l, _ := table.List(orders); len(l.Endpoints) != 1 {
			t.Errorf("it was not dropped: %v", l.Endpoints)
		}
		left := pick(t, h)
		if got := picks(t, h, 3); got[left.Addr.String()] != 3 || left.Same(first) {
			t.Errorf("after a failed connect to %v: got %v", first.Addr, got)
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		pick(t, h)
		time.Sleep(time.Second)
		synctest.Wait()
		wantErr(t, h, ErrNoEndpoints)
		set(30*time.Second, a)
		set(30 * time.Second)
		table.SetContribution("registry", "order", nil, 0)
		pick(t, h) // in doubt although its group is gone
		set(0, a)
		set(0)
		wantErr(t, h, ErrNoEndpoints) // listed again, the doubt is over
	})
}

func TestWhatIsWithoutIsLeftOutBeforeTheUnion(t *testing.T) {
	table := newTable(t, Config{})
	other := model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/order"}
	up := upstreamOf(orders, other)
	up.Without = model.Tags{{Name: model.TagFrom, Value: "kubernetes"}}
	copied := func(addr string) model.Endpoint {
		e := in(model.Unhealthy, at(addr))
		e.Tags = model.NewTags(map[string]string{model.TagFrom: "kubernetes", "pod": "a"})
		return e
	}
	h := acquire(t, table, up)
	table.give("a", orders, at("10.0.0.1:80"))
	table.give("b", other, copied("10.0.0.1:80"), copied("10.0.0.2:80"), at("10.0.0.3:80"))
	if got, want := picks(t, h, 4), map[string]int{"10.0.0.1:80": 2, "10.0.0.3:80": 2}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v: a copy must not decide on what it was copied from", got, want)
	}
}

func TestListsAreForgotten(t *testing.T) {
	table := newTable(t, Config{})
	table.MarkKnown(model.KeeperKubernetes)
	for range 100 {
		h := table.Acquire(upstreamOf(orders))
		table.give("a", orders, at("10.0.0.1:80"))
		table.SetContribution("test", "a", nil, 0)
		h.Release()
	}
	if n := len(table.lists) + len(table.byAddr) + len(table.handles) + len(table.given); n != 0 {
		t.Errorf("%d things are left", n)
	}
}

func TestStatus(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	table.SetContribution("registry", "order", []model.EndpointSet{{List: orders, Revision: 7, Endpoints: []model.Endpoint{
		weighed(at("10.0.0.1:80"), 3000), at("10.0.0.2:80"), in(model.Unhealthy, at("10.0.0.3:80"))}}}, 0)
	s := h.Snapshot()
	if !s.Known || len(s.Endpoints) != 3 || !s.Endpoints[0].Turn || s.Endpoints[2].Turn || !s.Endpoints[2].Up {
		t.Errorf("got %+v", s)
	}
	if c := h.Candidates(); len(c) != 2 || c[0].Share != 0.75 {
		t.Errorf("candidates: got %+v", c)
	}
	l, ok := table.List(orders)
	if !ok || l.Revision != 7 || len(l.Endpoints) != 3 || len(l.Contributions) != 1 || l.Changed.IsZero() {
		t.Errorf("list: got %+v", l)
	}
	if len(table.Lists()) != 1 || len(table.Upstreams()) != 1 || table.Upstreams()[0].ID != "order" {
		t.Error("want one list and one upstream")
	}
	again := upstreamOf(orders)
	again.Dial.Proxy = model.ProxyV2
	if found, ok := table.Find("order"); !ok || found != h {
		t.Error("the handle is not found")
	}
	if g := acquire(t, table, again); g == h {
		t.Error("one handle for two ways of dialling")
	} else if found, _ := table.Find("order"); found != g {
		t.Error("the newest is not found")
	}
	want, err := h.Peek(4)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want {
		if got := pick(t, h); got != w {
			t.Errorf("pick %d: got %v, want %v as peeked", i, got.Addr, w.Addr)
		}
	}
}

// A list that is named and not read is unknown, also where its keeper is known as a whole.
func TestAnUnreadListIsUnknown(t *testing.T) {
	table := newTable(t, Config{})
	table.MarkKnown(model.KeeperKubernetes)
	h := acquire(t, table, upstreamOf(orders))
	wantErr(t, h, ErrNoEndpoints)
	unread := []model.EndpointSet{{List: orders, Unread: true}}
	table.SetContribution("test", "a", unread, 0)
	wantErr(t, h, ErrUnknown)
	table.give("a", orders, at("10.0.0.1:80"))
	if l, ok := table.List(orders); !ok || !l.Known || len(l.Endpoints) != 1 {
		t.Errorf("%+v", l)
	}
	table.SetContribution("test", "a", unread, 0)
	wantErr(t, h, ErrUnknown)
	table.give("b", orders) // somebody else knows that it is empty
	wantErr(t, h, ErrNoEndpoints)
}
