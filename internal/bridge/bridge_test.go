package bridge

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/compile"
	"paifang/internal/model"
	"paifang/internal/registry"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	orders = model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "default/order:80"}
	order  = registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"}
)

// stand is a table, a registry and a bridge between them.
type stand struct {
	t      *testing.T
	table  *upstream.Table
	handle *registry.Handle
	bridge *Bridge
	stop   func()
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t, handle: &registry.Handle{}}
	var bridge *Bridge
	s.table = upstream.NewTable(upstream.Config{Listed: func(id model.EndpointsID) { bridge.Listed(id) }})
	bridge = New(Options{Lists: s.table, Target: Embedded{s.handle}, Retry: 5 * time.Millisecond})
	s.bridge = bridge
	s.startRegistry()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.bridge.Run(ctx) })
	s.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(func() { s.stop(); s.handle.Stop(); s.table.Close() })
	return s
}

func (s *stand) startRegistry() {
	s.t.Helper()
	if err := s.handle.Start(registry.Options{}); err != nil {
		s.t.Fatal(err)
	}
}

// rule publishes a generation in which a list is offered under a name, or nothing where the name is empty.
func (s *stand) rule(offer string, lists ...model.EndpointsID) {
	s.t.Helper()
	s.bridge.Published(generation(s.t, offer, lists...))
}

func generation(t *testing.T, offer string, lists ...model.EndpointsID) *snapshot.Snapshot {
	t.Helper()
	groups := shard.Map[*model.Objects]{}
	e := groups.Edit()
	e.Set("test/g", &model.Objects{Upstreams: []model.Upstream{{ID: "kubernetes/default/order:80", Endpoints: lists, Offer: offer}}})
	return compile.Compile(nil, compile.Input{Groups: e.Map()}, nil)
}

func (s *stand) give(list model.EndpointsID, es ...model.Endpoint) {
	s.table.SetContribution("test", list.String(), []model.EndpointSet{{List: list, Endpoints: es}}, 0)
}

func at(addr string) model.Endpoint { return model.Endpoint{Addr: netip.MustParseAddrPort(addr)} }

func in(state model.EndpointState, addr string) model.Endpoint {
	e := at(addr)
	e.State = state
	return e
}

// wants waits until the registry shows these addresses.
func (s *stand) wants(key registry.Key, want ...string) *registry.View {
	s.t.Helper()
	var got []string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r, runs := s.handle.Current()
		if !runs {
			continue
		}
		v := r.View(key)
		got = nil
		for _, i := range v.Instances {
			got = append(got, i.Addr.String())
		}
		if slices.Equal(got, want) {
			return v
		}
	}
	s.t.Fatalf("%s has %v, want %v", key, got, want)
	return nil
}

func TestAddressesComeAndGo(t *testing.T) {
	s := newStand(t)
	s.rule(order.String(), orders)
	pod := at("10.0.0.1:80")
	pod.Name, pod.Weight = "order-a", 2500
	s.give(orders, pod, in(model.Unhealthy, "10.0.0.2:80"), in(model.Disabled, "10.0.0.3:80"), in(model.Draining, "10.0.0.4:80"))
	v := s.wants(order, "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
	first := v.Instances[0]
	if name, _ := first.Metadata.Get("pod"); name != "order-a" || first.Weight != 2.5 || !first.Healthy || !first.Enabled || !first.Offered() {
		t.Errorf("the first is %+v", first)
	}
	if v.Instances[1].Healthy || v.Instances[2].Enabled {
		t.Errorf("the sick one and the disabled one are %+v", v.Instances[1:])
	}
	s.give(orders, in(model.Draining, "10.0.0.4:80"))
	s.wants(order, "10.0.0.4:80") // nobody else is there
	s.give(orders)
	s.wants(order)
	s.give(orders, at("10.0.0.5:80"))
	s.wants(order, "10.0.0.5:80")
	s.rule("", orders)
	s.wants(order)
	s.rule("public/G/other", orders)
	s.wants(registry.Key{Namespace: "public", Group: "G", Service: "other"}, "10.0.0.5:80")
	s.stop()
	s.wants(registry.Key{Namespace: "public", Group: "G", Service: "other"})
}

func TestUnknownListTakesNothingBack(t *testing.T) {
	s := newStand(t)
	s.give(orders, at("10.0.0.1:80"))
	s.rule(order.String(), orders)
	s.wants(order, "10.0.0.1:80")
	unknown := model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "default/cart:80"}
	s.rule(order.String(), unknown)
	other := registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "other"}
	s.give(unknown, at("10.0.0.9:80")) // from here on it is known
	s.wants(order, "10.0.0.9:80")
	s.wants(other)
}

func TestEverythingIsOfferedToARegistryThatStartsAgain(t *testing.T) {
	s := newStand(t)
	s.rule(order.String(), orders)
	s.give(orders, at("10.0.0.1:80"))
	s.wants(order, "10.0.0.1:80")
	s.handle.Stop()
	s.give(orders, at("10.0.0.2:80"))
	s.startRegistry()
	s.wants(order, "10.0.0.2:80")
}

func TestWhatRegistersItselfCountsInPlaceOfTheOffer(t *testing.T) {
	s := newStand(t)
	s.rule(order.String(), orders)
	s.give(orders, at("10.0.0.1:80"), at("10.0.0.2:80"))
	s.wants(order, "10.0.0.1:80", "10.0.0.2:80")
	r, _ := s.handle.Current()
	for _, cluster := range []string{"", "hz"} { // in the place of the offer, and beside it
		own := registry.Instance{Addr: netip.MustParseAddrPort("10.0.0.1:80"), Cluster: cluster, Weight: 7, Enabled: true, Healthy: true, Ephemeral: true}
		c, err := r.Connect()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Publish(order, []registry.Instance{own}); err != nil {
			t.Fatal(err)
		}
		s.give(orders, in(model.Unhealthy, "10.0.0.1:80"), at("10.0.0.2:80")) // published later than the own one
		s.give(orders, at("10.0.0.1:80"), at("10.0.0.2:80"), at("10.0.0.3:80"))
		v := s.wants(order, "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80")
		if v.Instances[0].Weight != 7 || v.Instances[0].Offered() {
			t.Errorf("cluster %q: the first is %+v, want the one that registered itself", cluster, v.Instances[0])
		}
		c.Close() // without a moment in which nobody has the address
		if got := r.View(order).Instances; len(got) != 3 || !got[0].Offered() {
			t.Errorf("cluster %q: without its own registration the list is %+v", cluster, got)
		}
	}
}

// Both directions for one name: the registry's own instance serves, and what was offered is neither offered again nor taken for
// a second source.
func TestNothingGoesRoundInACircle(t *testing.T) {
	s := newStand(t)
	registered := model.EndpointsID{Keeper: model.KeeperRegistry, Name: order.String()}
	r, _ := s.handle.Current()
	c, err := r.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	own := registry.Instance{Addr: netip.MustParseAddrPort("10.0.0.9:80"), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
	if err := c.Publish(order, []registry.Instance{own}); err != nil {
		t.Fatal(err)
	}
	copied := func() {
		sets := registry.Group("registry", model.KeeperRegistry, r.View(order)).Endpoints()
		s.table.SetContribution("registry", "order", sets, 0)
	}
	copied()
	u := &model.Upstream{ID: "kubernetes/default/order:80", Endpoints: []model.EndpointsID{orders, registered}, Offer: order.String(),
		Without: model.Tags{{Name: model.TagFrom, Value: model.KeeperKubernetes}}}
	h := s.table.Acquire(u)
	defer h.Release()
	s.rule(order.String(), orders, registered)
	s.give(orders, at("10.0.0.1:80"))
	s.wants(order, "10.0.0.1:80", "10.0.0.9:80")
	copied()
	addresses := func() []string {
		var out []string
		for _, e := range h.Snapshot().Endpoints {
			out = append(out, e.Addr.String())
		}
		return out
	}
	if got, want := addresses(), []string{"10.0.0.1:80", "10.0.0.9:80"}; !slices.Equal(got, want) {
		t.Errorf("the upstream has %v, want %v", got, want)
	}
	// The pod goes, and the registry's copy of it has not been taken back yet: it must not keep the pod in.
	s.give(orders)
	if got, want := addresses(), []string{"10.0.0.9:80"}; !slices.Equal(got, want) {
		t.Errorf("without the pod the upstream has %v, want %v", got, want)
	}
	s.wants(order, "10.0.0.9:80")
}

func TestAListOfARegistryIsNeverOffered(t *testing.T) {
	s := newStand(t)
	registered := model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/cart"}
	s.give(registered, at("10.0.0.1:80"))
	s.rule(order.String(), registered)
	s.give(orders, at("10.0.0.2:80"))
	s.rule("public/DEFAULT_GROUP/after", orders)
	s.wants(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "after"}, "10.0.0.2:80")
	s.wants(order)
}

func TestABadNameIsToldAndCostsNobodyElse(t *testing.T) {
	s := newStand(t)
	s.rule("public/DEFAULT_GROUP/", orders)
	if d := s.bridge.Diagnostics(); len(d) != 1 || d[0].Code != model.CodeInvalid {
		t.Errorf("diagnostics are %v", d)
	}
	s.give(orders, at("127.0.0.1:80")) // which this registry refuses
	s.rule(order.String(), orders)
	for end := time.Now().Add(5 * time.Second); len(s.bridge.Diagnostics()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody is told that an address was refused")
		}
	}
	s.give(orders, at("10.0.0.1:80"))
	s.wants(order, "10.0.0.1:80")
	for end := time.Now().Add(5 * time.Second); len(s.bridge.Diagnostics()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("diagnostics stay: %v", s.bridge.Diagnostics())
		}
	}
}
