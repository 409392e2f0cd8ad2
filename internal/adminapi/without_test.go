package adminapi

import (
	"context"
	"slices"
	"testing"
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
