package explain_test

import (
	"net/netip"
	"testing"
	"time"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

type red []hub.SourceStatus

func (r red) Sources() []hub.SourceStatus { return r }

// The state of the real table, and not one turn of its picker is taken by looking.
func TestLiveLooksAndTakesNothing(t *testing.T) {
	table := upstream.NewTable(upstream.Config{})
	defer table.Close()
	s := explaintest.New()
	table.SetContribution("registry", "order", []model.EndpointSet{{List: explaintest.Registry, Revision: 7, Endpoints: []model.Endpoint{
		{Addr: netip.MustParseAddrPort("127.1.1.2:8080"), Name: "order-a", Node: "node-1", Weight: 3000},
		{Addr: netip.MustParseAddrPort("127.1.2.2:8080"), Name: "order-b", Node: "node-2"},
		{Addr: netip.MustParseAddrPort("127.1.2.3:8080"), State: model.Unhealthy},
	}}}, 0)
	up, _ := s.Snapshot.Upstream(explaintest.LBOrder)
	h := table.Acquire(up)
	defer h.Release()
	heard := time.Now().Add(time.Minute)
	live := explain.Live{Table: table, Snapshot: s.Snapshot, Sources: red{{Name: "registry", Failed: true, Error: "away", Heard: heard}}}
	w := explain.World{Snapshot: s.Snapshot, Upstreams: live, Lists: live, Now: time.Now()}
	want, err := h.Peek(4)
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		r, text := explained(t, w, explain.Request{URL: "http://gateway.test/order/1"})
		if r.Endpoint != want[0].Addr.String() {
			t.Fatalf("next is %s, the picker's next is %s:\n%s", r.Endpoint, want[0].Addr, text)
		}
		if cs := r.Hops[5].Candidates; len(cs) != 2 || cs[0].Share+cs[1].Share != 1 {
			t.Fatalf("candidates are %+v", cs)
		}
	}
	for i, e := range want {
		got, err := h.Pick(upstream.Hint{})
		if err != nil || got.Addr != e.Addr {
			t.Errorf("pick %d is %v %v, want %s", i, got, err, e.Addr)
		}
		got.Done(upstream.Succeeded)
	}
	l, ok := live.List(explaintest.Registry)
	if !ok || !l.Failed || l.Error != "away" || !l.Heard.Equal(heard) || l.Revision != 7 || len(l.Endpoints) != 3 {
		t.Errorf("list is %+v", l)
	}
	if all := live.Lists(); len(all) != 1 {
		t.Errorf("lists are %+v", all)
	}
	if _, ok := live.Upstream("nobody", ""); ok {
		t.Error("there is an upstream nobody")
	}
}
