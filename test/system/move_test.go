package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a move is tested with: all requests of a direction, and those of each of its steps.
const (
	moveRequests = 100_000
	stepRequests = 10_000
)

// moveStep is one step of docs/move.md: files that come, under the names that they get, files that go, and what is told when it is done.
type moveStep struct {
	name  string
	put   map[string]string // name in the directory: name in later
	rm    []string
	ask   []string // arguments of the program
	tells string

	opens, closes []entry
}

// entry is a door of the service.
type entry struct{ host, prefix string }

var (
	shopDoor    = entry{"shop.test", "/order/shop/"}
	gatewayDoor = entry{"gateway.test", "/order/gateway/"}
)

// TestMoveUnderLoad: one service moves each way in the steps of docs/move.md, one step back among them, under constant load on every
// door that is open. No request fails.
func TestMoveUnderLoad(t *testing.T) {
	explain := func(host string) []string { return []string{"explain", "http://" + host + "/order/42"} }
	roads := []string{"get", "roads"}
	for _, m := range []struct {
		dir   string
		first string // service of the registry that its pods are in at first
		steps []moveStep
	}{
		{"2-to-1", "nacos-order-service", []moveStep{
			{name: "as it stands", ask: roads, tells: "0 on road 1, 1 on road 2", opens: []entry{gatewayDoor}},
			{name: "an Ingress leads to the registry", put: map[string]string{"shop-registered.yaml": "2-shop.yaml"}, ask: explain("shop.test"),
				tells: "public/DEFAULT_GROUP/nacos-order-service: 2 instances, 2 healthy", opens: []entry{shopDoor}},
			{name: "10 of 100 by label", put: map[string]string{"order-service.yaml": "3-order-service.yaml", "moving.yaml": "3-moving-10.yaml"}, ask: explain("shop.test"),
				tells: "10 of 100 to order-service:80"},
			{name: "all by label", put: map[string]string{"moving.yaml": "4-moving-100.yaml"}, ask: explain("shop.test"), tells: "upstream  order-service:80, 2 of 2 ready"},
			{name: "one step back", put: map[string]string{"moving.yaml": "3-moving-10.yaml"}, ask: explain("shop.test"), tells: "10 of 100 to order-service:80"},
			{name: "all again", put: map[string]string{"moving.yaml": "4-moving-100.yaml"}, ask: explain("shop.test"), tells: "upstream  order-service:80, 2 of 2 ready"},
			{name: "the Service takes over", put: map[string]string{"shop-registered.yaml": "5-shop.yaml"}, rm: []string{"moving.yaml"}, ask: explain("shop.test"),
				tells: "to order-service:80"},
			{name: "the old route goes", rm: []string{"routes.yaml"}, ask: roads, tells: "1 on road 1, 0 on road 2", closes: []entry{gatewayDoor}},
		}},
		{"1-to-2", "", []moveStep{
			{name: "as it stands", ask: roads, tells: "1 on road 1, 0 on road 2", opens: []entry{shopDoor}},
			{name: "the Service is offered", put: map[string]string{"order-service.yaml": "2-order-service.yaml"},
				ask: []string{"get", "endpoints", "public/DEFAULT_GROUP/nacos-order-service"}, tells: "offered by kubernetes"},
			{name: "the gateway has a rule", put: map[string]string{"routes.yaml": "3-routes.yaml"}, ask: explain("gateway.test"), tells: "2 healthy, 2 offered by kubernetes",
				opens: []entry{gatewayDoor}},
			{name: "the pods register themselves", put: map[string]string{"order.yaml": "4-order.yaml"}, ask: explain("gateway.test"), tells: "2 instances, 2 healthy, revision"},
			{name: "10 of 100 by registration", put: map[string]string{"order-registered.yaml": "5-order-registered.yaml", "moving.yaml": "5-moving-10.yaml"},
				ask: explain("shop.test"), tells: "10 of 100 to order-registered:80"},
			{name: "all by registration", put: map[string]string{"moving.yaml": "6-moving-100.yaml"}, ask: explain("shop.test"), tells: "order-registered:80"},
			{name: "one step back", put: map[string]string{"moving.yaml": "5-moving-10.yaml"}, ask: explain("shop.test"), tells: "10 of 100 to order-registered:80"},
			{name: "all again", put: map[string]string{"moving.yaml": "6-moving-100.yaml"}, ask: explain("shop.test"), tells: "order-registered:80"},
			{name: "the offer is taken back", put: map[string]string{"shop.yaml": "7-shop.yaml", "order-service.yaml": "7-order-service.yaml"}, rm: []string{"moving.yaml"},
				ask: explain("shop.test"), tells: "2 instances, 2 healthy, revision"},
			{name: "the old Ingress goes", rm: []string{"shop.yaml", "order-service.yaml", "order-registered.yaml"}, ask: roads, tells: "0 on road 1, 1 on road 2",
				closes: []entry{shopDoor}},
		}},
	} {
		t.Run(m.dir, func(t *testing.T) {
			from, dir := filepath.Join(root(), "examples", "move", m.dir), t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(dir, "later")); err != nil {
				t.Fatal(err)
			}
			u := start(t, dir)
			u.waitReady(2, m.first)
			v := &moving{t: t, u: u, dir: dir, later: filepath.Join(from, "later"), open: map[entry]*load{}}
			for _, s := range m.steps {
				v.step(s)
				if t.Failed() {
					break
				}
			}
			v.more(moveRequests - v.made())
			for e := range v.open {
				v.close(e)
			}
			t.Logf("%s: %d requests in %d steps, %d failed", m.dir, v.total, len(m.steps), v.failed)
			if v.total < moveRequests || v.failed > 0 {
				t.Errorf("%d of %d requests failed; want none, of %d at least", v.failed, v.total, moveRequests)
			}
		})
	}
}

// moving is a move under way.
type moving struct {
	t             *testing.T
	u             *up
	dir, later    string
	open          map[entry]*load
	total, failed int // of doors that were closed
}

// made is how many requests were made.
func (v *moving) made() int {
	n := v.total
	for _, l := range v.open {
		n += int(l.next.Load())
	}
	return n
}

// more waits until so many more requests were made.
func (v *moving) more(n int) {
	v.t.Helper()
	want := v.made() + n
	eventually(v.t, 2*time.Minute, "more requests are made", func() (bool, string) { return v.made() >= want, "" })
}

// step does one step, waits until it is told to be done, and lets requests be made on either side of that.
func (v *moving) step(s moveStep) {
	v.t.Helper()
	for _, e := range s.closes {
		v.close(e)
	}
	before := v.made()
	for name, from := range s.put {
		text, err := os.ReadFile(filepath.Join(v.later, from))
		if err != nil {
			v.t.Fatal(err)
		}
		write(v.t, v.dir, name, string(text))
	}
	for _, name := range s.rm {
		if err := os.Remove(filepath.Join(v.dir, name)); err != nil {
			v.t.Fatal(err)
		}
	}
	began := time.Now()
	eventually(v.t, 30*time.Second, s.name, func() (bool, string) {
		out, err := v.u.cli(s.ask...)
		return err == nil && strings.Contains(out, s.tells), out
	})
	took := time.Since(began)
	for _, e := range s.opens {
		at := v.u.gateway()
		if e == shopDoor {
			at = v.u.slb()
		}
		v.open[e] = begin(v.t, at, e.host, e.prefix, func(l *load) { l.users = 32 })
	}
	v.more(stepRequests)
	v.t.Logf("%s: told after %v, %d requests meanwhile and after it", s.name, took.Round(time.Millisecond), v.made()-before)
}

// close ends the load on a door.
func (v *moving) close(e entry) {
	v.t.Helper()
	l := v.open[e]
	delete(v.open, e)
	all := l.end()
	none(v.t, l, all)
	v.total += len(all)
	v.failed += len(failures(all)) + len(l.refused)
}
