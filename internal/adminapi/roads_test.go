package adminapi

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
)

// asked is a process that says of every kind what it is asked for.
type asked struct{ View }

func (a asked) Read(_ context.Context, kinds ...Kind) (v View, err error) {
	if slices.Contains(kinds, Roads) {
		v.Roads = a.Roads
	}
	if slices.Contains(kinds, Nodes) {
		v.Nodes = a.Nodes
	}
	return v, nil
}

// A process that sees a part tells roads wrong: one application is two to it, one road each.
func TestRoadsOfAPartAreLeftOut(t *testing.T) {
	part := asked{View{Roads: []Road{{Application: "order-service", Road: "1"}}, Nodes: []Node{{Name: "node-1"}}}}
	whole := asked{View{Roads: []Road{{Application: "order-service", Road: "both"}}, Nodes: []Node{{Name: "node-2"}}}}
	all := Merged{{"node-1", Without(part, Roads)}, {"up", whole}}
	for _, kinds := range [][]Kind{{Roads}, {Nodes, Roads}} {
		v, err := all.Read(context.Background(), kinds...)
		if err != nil || len(v.Roads) != 1 || v.Roads[0].Road != "both" || len(v.Nodes) != 2*(len(kinds)-1) {
			t.Errorf("%v: %v, view is %+v", kinds, err, v)
		}
	}
}

// A service that lost its last instance, and that nobody asks for, is but a name in the registry.
func TestNameAloneIsNoApplication(t *testing.T) {
	lists := []explain.List{
		{ID: model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/left"}, Known: true},
		{ID: model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/stayed"}, Known: true,
			Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort("10.0.0.1:80")}}},
	}
	var found []string
	for _, r := range roads(explaintest.New().Snapshot, lists, func(o model.Origin) string { return o.At() }) {
		if r.Road == "none" {
			found = append(found, r.Application)
		}
	}
	if !slices.Equal(found, []string{"stayed"}) {
		t.Errorf("applications on no road: %v, want the one with an instance", found)
	}
}
