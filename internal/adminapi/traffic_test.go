package adminapi

import (
	"context"
	"errors"
	"testing"
)

// carried is a process that counted something.
type carried []Traffic

func (c carried) Traffic() []Traffic { return c }

func TestTrafficOfSeveralProcesses(t *testing.T) {
	one, _ := local()
	other, _ := local()
	one.Carrier = carried{{Part: OfRoute, Name: "r", Unit: Requests, Count: 4, Errors: 1, Latency: 10}, {Part: OfRoute, Unit: Requests, Count: 1}}
	other.Carrier = carried{{Part: OfRoute, Name: "r", Unit: Requests, Count: 7}}
	away := readerFunc(func() (View, error) { return View{}, errors.New("away") })
	v, err := Merged{{"node-1", one}, {"node-2", other}, {"slb", away}}.Read(context.Background(), Traffics)
	var partial *PartialError
	if !errors.As(err, &partial) || len(v.Traffic) != 3 {
		t.Fatalf("%v, traffic is %+v", err, v.Traffic)
	}
	if a, b, c := v.Traffic[0], v.Traffic[1], v.Traffic[2]; a.Name != "" || b.SeenBy != "node-1" || b.Count != 4 || b.Average() != 2.5 || c.SeenBy != "node-2" || c.Count != 7 || c.Average() != 0 {
		t.Errorf("traffic is %+v", v.Traffic)
	}
	text, err := v.Encode(Traffics)
	var back View
	if err != nil || back.Decode(Traffics, text) != nil || len(back.Traffic) != 3 || back.Traffic[1] != v.Traffic[1] {
		t.Errorf("%v: %s", err, text)
	}
}

// readerFunc is a Reader that is a function.
type readerFunc func() (View, error)

// Read implements Reader.
func (f readerFunc) Read(context.Context, ...Kind) (View, error) { return f() }
