package app

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
)

const everything = `
sources: {manifests: [../../examples/two-roads], routes: [../../examples/two-roads]}
dns: {address: "127.0.0.1:53", zones: [test]}
slb:
  listeners:
  - {name: http, address: "127.0.0.10:80", nodes: [{name: node-1, address: "127.0.0.11:80"}, {name: node-2, address: "127.0.0.12:80"}]}
ingress:
  nodes: [{name: node-1, http: "127.0.0.11:80", https: "127.0.0.11:443"}, {name: node-2, http: "127.0.0.12:80"}]
  advertise: [127.0.0.10]
  proxyFrom: [127.0.0.10/32]
gateway: {http: "127.0.0.20:80", host: gateway.test, http1Only: true}
registry: {http: "127.0.0.1:8848", grpc: "127.0.0.1:9848", auth: "off"}
`

func parsed(t *testing.T, text string) Config {
	t.Helper()
	c, err := ParseConfig("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// next reads one Update of a source.
func next(t *testing.T, from <-chan source.Update) source.Update {
	t.Helper()
	select {
	case u := <-from:
		return u
	case <-time.After(5 * time.Second):
		t.Fatal("the source says nothing")
		return source.Update{}
	}
}

// run runs a source until the test ends.
func run(t *testing.T, s source.Source) <-chan source.Update {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, ended := make(chan source.Update), make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, out)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return out
}

// keys are the pieces that serve.
func keys(u source.Update) []string {
	var out []string
	for _, g := range u.Groups {
		stopped := slices.ContainsFunc(g.Objects.Listeners, func(l model.Listener) bool { return l.Stopped })
		if strings.HasPrefix(g.Key, "piece/") && !stopped {
			out = append(out, strings.TrimPrefix(g.Key, "piece/"))
		}
	}
	return out
}

func TestPieces(t *testing.T) {
	c := parsed(t, everything)
	s := newStatic(&c)
	updates := run(t, s)
	first := next(t, updates)
	if want := []string{"dns", "slb", "node-1", "node-2", "gateway"}; !first.Full || !slices.Equal(keys(first), want) {
		t.Fatalf("pieces are %v (full %t), want %v", keys(first), first.Full, want)
	}
	var all model.Objects
	for _, g := range first.Groups {
		all.Listeners = append(all.Listeners, g.Objects.Listeners...)
		all.Zones = append(all.Zones, g.Objects.Zones...)
		all.Upstreams = append(all.Upstreams, g.Objects.Upstreams...)
		all.Endpoints = append(all.Endpoints, g.Objects.Endpoints...)
	}
	byID := map[model.ListenerID]model.Listener{}
	for _, l := range all.Listeners {
		byID[l.ID] = l
	}
	if len(byID) != 6 || byID["slb/http"].Protocol != model.TCP || byID["node-1/https"].Protocol != model.HTTPS || byID["dns"].Protocol != model.DNS {
		t.Errorf("listeners: %v", byID)
	}
	node := byID["node-2/http"]
	if node.Class != classIngress || node.Node != "node-2" || !slices.Equal(node.Advertise, []netip.Addr{netip.MustParseAddr("127.0.0.10")}) ||
		!slices.Equal(node.Trust.ProxyFrom, []netip.Prefix{netip.MustParsePrefix("127.0.0.10/32")}) {
		t.Errorf("node-2 is %+v", node)
	}
	gateway := byID["gateway/http"]
	if gateway.Class != classGateway || !gateway.HTTP1Only || node.HTTP1Only || !slices.Equal(gateway.Names, []model.Host{"gateway.test"}) || len(gateway.Trust.ProxyFrom) != 0 ||
		!slices.Equal(gateway.Advertise, []netip.Addr{netip.MustParseAddr("127.0.0.20")}) {
		t.Errorf("the gateway is %+v", gateway)
	}
	if len(all.Zones) != 1 || all.Zones[0].Name != "test" || all.Zones[0].TTL != 5*time.Second {
		t.Errorf("zones: %+v", all.Zones)
	}
	u := all.Upstreams[0]
	if u.Dial.Proxy != model.ProxyV2 || u.Dial.From != netip.MustParseAddr("127.0.0.10") || u.Health.Kind != model.HealthHTTP ||
		u.Health.Path != "/readyz" || u.Health.Fall != 2 || u.Health.Rise != 1 || len(all.Endpoints[0].Endpoints) != 2 {
		t.Errorf("behind the SLB: %+v %+v", u, all.Endpoints)
	}
}

// The listeners of a stopped piece are marked, so that names go on leading to them; the nodes stay behind the SLB, which finds out by itself.
func TestStoppedPiece(t *testing.T) {
	c := parsed(t, everything)
	s := newStatic(&c)
	updates := run(t, s)
	next(t, updates)
	if !s.set("node-1", true) || s.set("node-1", true) {
		t.Error("to stop a running piece changes something, to stop it again does not")
	}
	u := next(t, updates)
	if want := []string{"dns", "slb", "node-2", "gateway"}; !u.Full || !slices.Equal(keys(u), want) {
		t.Errorf("with node-1 stopped: %v, want %v", keys(u), want)
	}
	behind := 0
	for _, g := range u.Groups {
		for _, set := range g.Objects.Endpoints {
			behind += len(set.Endpoints)
		}
	}
	if behind != 2 {
		t.Errorf("%d nodes are behind the SLB, want both", behind)
	}
	if !s.set("node-1", false) || s.set("node-1", false) {
		t.Error("to start a stopped piece changes something, to start it again does not")
	}
	if got := keys(next(t, updates)); len(got) != 5 {
		t.Errorf("started again: %v", got)
	}
}

func TestExampleIsFlawless(t *testing.T) {
	compiled, err := Offline(t.Context(), parsed(t, everything), Adopt{})
	if err != nil {
		t.Fatal(err)
	}
	snap := compiled.Load()
	for _, d := range snap.Diagnostics() {
		if d.Severity > model.Info {
			t.Errorf("%s", d)
		}
	}
	routes := map[model.Class]int{}
	for _, class := range snap.Classes() {
		for _, table := range snap.Tables(class) {
			routes[class] += table.Len()
		}
	}
	if routes[classIngress] != 2 || routes[classGateway] != 1 {
		t.Errorf("routes by class: %v, want 2 of the Ingress and 1 of the gateway", routes)
	}
	if _, ok := snap.Listener("node-1/http"); !ok {
		t.Error("the configuration's own listeners are missing")
	}
}

func TestOfflineNamesWhatCannotBeRead(t *testing.T) {
	c := parsed(t, everything)
	c.Sources.Manifests = []string{"no-such-directory"}
	if _, err := Offline(t.Context(), c, Adopt{}); err == nil || !strings.Contains(err.Error(), "no-such-directory") {
		t.Errorf("error %v, want the path in it", err)
	}
}
