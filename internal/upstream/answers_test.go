package upstream

import (
	"net"
	"reflect"
	"testing"
	"time"

	"paifang/internal/model"
)

func TestAnswersBelongToOneUpstreamAndStay(t *testing.T) {
	table := newTable(t, Config{})
	h := acquire(t, table, upstreamOf(orders))
	also := upstreamOf(orders)
	also.ID = "also"
	other := acquire(t, table, also)
	table.give("a", orders, at("127.0.0.1:1"))
	e := pick(t, h)
	for _, status := range []int{200, 101, 302, 404, 500, 503, 0} {
		e.Answered(uint32(status), status, 2*time.Millisecond)
	}
	changed := at("127.0.0.1:1")
	changed.Name = "order-a"
	table.give("a", orders, changed) // it is described anew: another endpoint, the same counters
	pick(t, h).Answered(0, 200, 2*time.Millisecond)
	want := Answers{Count: 8, Errors: 3, Refused: 1, Latency: 16 * time.Millisecond}
	if got := h.Snapshot().Endpoints[0]; got.Answers != want || got.Name != "order-a" {
		t.Errorf("got %+v, want %+v", got.Answers, want)
	}
	again := upstreamOf(orders)
	again.Balance = model.Balance{Kind: model.LeastRequests}
	if got := acquire(t, table, again).Snapshot().Endpoints[0].Answers; got != want { // the upstream is changed
		t.Errorf("a changed upstream begins with %+v, want %+v", got, want)
	}
	if got := other.Snapshot().Endpoints[0].Answers; got != (Answers{}) {
		t.Errorf("another upstream has %+v", got)
	}
	if n := testing.AllocsPerRun(100, func() { e.Answered(1, 200, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTransitionsAreCounted(t *testing.T) {
	addr := freeAddr(t)
	table := newTable(t, Config{RetryFirst: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond})
	h := table.Acquire(upstreamOf(orders))
	table.give("a", orders, model.Endpoint{Addr: addr})
	if _, err := pick(t, h).Dial(t.Context(), DialOptions{}); err == nil {
		t.Fatal("a connection to a free port")
	}
	if got, want := table.Transitions(), []Transition{{"order", true, CodeConnectRefused, 1}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	table.give("b", orders, at("127.0.0.1:1"))
	if got, want := table.Usage(), []Usage{{Upstream: "order", Endpoints: 2, Serving: 1, Down: 1}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	serve(t, addr.String(), func(c *net.TCPConn) { <-t.Context().Done() })
	eventually(t, "it comes back", func() bool { return len(table.Transitions()) == 2 })
	if got, want := table.Transitions()[0], (Transition{"order", false, "", 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	again := upstreamOf(orders)
	again.Health = model.HealthCheck{Kind: model.HealthTCP, Interval: time.Hour}
	newer := table.Acquire(again) // a change of the upstream: both are in use for a while
	var up *Endpoint
	for up == nil || up.Addr != addr {
		up = pick(t, newer)
	}
	conns := make([]*Conn, 3)
	for i := range conns {
		c, err := up.Dial(t.Context(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	up.Put(conns[0])
	if got, want := table.Usage(), []Usage{{Upstream: "order", Endpoints: 2, Serving: 2, Idle: 1, Busy: 2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, c := range conns[1:] {
		c.Close()
	}
	newer.Release()
	h.Release()
	if got := table.Transitions(); len(got) != 0 {
		t.Errorf("of an upstream that nobody uses: %+v", got)
	}
}
