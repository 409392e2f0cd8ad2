package explain_test

import (
	"net/netip"
	"strings"
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
		{Addr: netip.MustParseAddrPort("127.1.2.3:8080"), State: model.Unhealthy, Reason: "Node two is not Ready"},
	}}}, 0)
	up, _ := s.Snapshot.Upstream(explaintest.LBOrder)
	h := table.Acquire(up)
	defer h.Release()
	heard := time.Now().Add(-time.Hour) // before this process heard of the list: it came from a file
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
	if u, _ := live.Upstream(explaintest.LBOrder, ""); len(u.Endpoints) != 3 || u.Endpoints[0].Why != "" || u.Endpoints[2].Why != "Node two is not Ready" {
		t.Errorf("the upstream is %+v", u)
	}
	if all := live.Lists(); len(all) != 1 {
		t.Errorf("lists are %+v", all)
	}
	if _, ok := live.Upstream("nobody", ""); ok {
		t.Error("there is an upstream nobody")
	}
}

// What decides where a request goes is told for every balance, and where nobody can say it, the candidates are.
func TestLiveTellsEveryBalance(t *testing.T) {
	header := []model.HashPart{{From: model.HashHeader, Name: "X-User"}, {From: model.HashPath}}
	for name, c := range map[string]struct {
		change func(*model.Upstream)
		want   string
	}{
		"round robin": {func(*model.Upstream) {}, "weighted round robin: next is 127.1.1.2:8080 (75 %), others: 127.1.2.2:8080 (25 %)"},
		"least":       {func(u *model.Upstream) { u.Balance.Kind = model.LeastRequests }, "least requests: next is one of 127.1.1.2:8080 (75 %), 127.1.2.2:8080 (25 %)"},
		"ewma":        {func(u *model.Upstream) { u.Balance.Kind = model.PeakEWMA }, "peak EWMA: next is one of 127.1.1.2:8080 (75 %), 127.1.2.2:8080 (25 %)"},
		"maglev": {func(u *model.Upstream) { u.Balance = model.Balance{Kind: model.Maglev, Hash: header} },
			"maglev by header X-User, path: next is one of 127.1.1.2:8080 (75 %), 127.1.2.2:8080 (25 %)"},
		"persistent": {func(u *model.Upstream) { u.Affinity = model.Affinity{Mode: model.Persistent, Cookie: "sid"} },
			"as cookie sid says, others round robin: next is 127.1.1.2:8080 (75 %), others: 127.1.2.2:8080 (25 %)"},
		"balanced": {func(u *model.Upstream) { u.Affinity = model.Affinity{Mode: model.Balanced, Cookie: "sid"} }, "ring hash by a key in cookie sid: next is one of "},
	} {
		t.Run(name, func(t *testing.T) {
			table := upstream.NewTable(upstream.Config{})
			defer table.Close()
			table.SetContribution("registry", "order", []model.EndpointSet{{List: explaintest.Registry, Endpoints: []model.Endpoint{
				{Addr: netip.MustParseAddrPort("127.1.1.2:8080"), Name: "order-a", Weight: 3000}, {Addr: netip.MustParseAddrPort("127.1.2.2:8080"), Name: "order-b"},
				{Addr: netip.MustParseAddrPort("127.1.2.3:8080"), State: model.Unhealthy}}}}, 0)
			s := explaintest.New()
			up, _ := s.Snapshot.Upstream(explaintest.LBOrder)
			c.change(up)
			h := table.Acquire(up)
			defer h.Release()
			live := explain.Live{Table: table, Snapshot: s.Snapshot}
			w := explain.World{Snapshot: s.Snapshot, Upstreams: live, Lists: live, Now: time.Now()}
			before := h.Snapshot()
			r, text := explained(t, w, explain.Request{URL: "http://gateway.test/order/1"})
			if !strings.Contains(text, c.want) {
				t.Errorf("got\n%s\nwant %q", text, c.want)
			}
			if cs := r.Hops[5].Candidates; len(cs) != 2 {
				t.Errorf("candidates are %+v", cs)
			}
			if next := strings.Contains(c.want, "one of"); next != (r.Endpoint == "") || next != strings.Contains(text, "one of order-a, order-b") {
				t.Errorf("the endpoint is %q:\n%s", r.Endpoint, text)
			}
			for i, e := range h.Snapshot().Endpoints {
				if e.Requests != before.Endpoints[i].Requests || e.InFlight != 0 {
					t.Errorf("looking was a request: %+v", e)
				}
			}
		})
	}
}

// A balancer in front whose node chance chooses: the walk goes on with one of them, and says so.
func TestNodesByChance(t *testing.T) {
	s := explaintest.New()
	u := s.ByID[explaintest.SLBNodes]
	u.Next, u.Balance, u.Chance = netip.AddrPort{}, "least requests", true
	s.ByID[explaintest.SLBNodes] = u
	_, text := explained(t, s.World(), explain.Request{URL: "http://shop.test/order/1"})
	for _, want := range []string{"least requests: next is one of node-1 (50 %), node-2 (50 %)\n", " 4 node      node-1 or one like it\n", "/order Prefix"} {
		if !strings.Contains(text, want) {
			t.Errorf("got\n%s\nwant %q", text, want)
		}
	}
	for i := range u.Endpoints {
		u.Endpoints[i].Share = 0
	}
	u.Chance = false
	s.ByID[explaintest.SLBNodes] = u
	if _, text := explained(t, s.World(), explain.Request{URL: "http://shop.test/order/1"}); !strings.Contains(text, "nobody to lead to") {
		t.Errorf("got\n%s", text)
	}
}
