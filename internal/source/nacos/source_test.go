package nacos

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/nacosapi"
	"paifang/internal/shard"
	"paifang/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var order = registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// server is a registry of ours on real sockets, to be stopped and started at the same addresses.
type server struct {
	t          *testing.T
	handle     registry.Handle
	api        *nacosapi.Server
	cfg        nacosapi.Config
	opt        registry.Options
	http, grpc string
}

func serve(t *testing.T, cfg nacosapi.Config, opt registry.Options) *server {
	s := &server{t: t, cfg: cfg, opt: opt, http: "127.0.0.1:0", grpc: "127.0.0.1:0"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	must(s.t, s.handle.Start(s.opt))
	h, err := net.Listen("tcp", s.http)
	must(s.t, err)
	g, err := net.Listen("tcp", s.grpc)
	must(s.t, err)
	s.http, s.grpc = h.Addr().String(), g.Addr().String()
	s.api = nacosapi.New(s.cfg, &s.handle)
	s.api.Start(h, g)
}

func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.api.Close(ctx) // closed twice at the end of some tests
	s.handle.Stop()
}

func (s *server) registry() *registry.Registry {
	r, _ := s.handle.Current()
	return r
}

// run starts a source and returns its updates and the error of its end.
func run(t *testing.T, ctx context.Context, s *Source) (<-chan source.Update, <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	out, ended := make(chan source.Update), make(chan error, 1)
	done := make(chan struct{})
	go func() {
		ended <- s.Run(ctx, out)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Error("Run does not return")
		}
	})
	return out, ended
}

func next(t *testing.T, out <-chan source.Update) source.Update {
	t.Helper()
	select {
	case u := <-out:
		return u
	case <-time.After(10 * time.Second):
		t.Fatal("no update")
		return source.Update{}
	}
}

// text is an update in short: the groups with their addresses.
func text(u source.Update) string {
	var b strings.Builder
	for _, g := range u.Groups {
		fmt.Fprintf(&b, "%s:", strings.TrimPrefix(g.Key, "service/"))
		if len(g.Endpoints()) == 0 {
			b.WriteString(" deleted")
		}
		for _, set := range g.Endpoints() {
			if set.Unread {
				b.WriteString(" unread")
			}
			for _, e := range set.Endpoints {
				fmt.Fprintf(&b, " %s %s", e.Addr, e.State)
			}
		}
		b.WriteString("; ")
	}
	return b.String()
}

func instance(addr string) registry.Instance {
	return registry.Instance{Addr: netip.MustParseAddrPort(addr), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

// member is an instance of order that comes and goes.
type member struct {
	s    *server
	addr string
}

func (m member) Register(context.Context) error {
	return m.s.registry().Register(order, instance(m.addr))
}

func (m member) Deregister(context.Context) error {
	_, err := m.s.registry().Deregister(order, netip.MustParseAddrPort(m.addr))
	return err
}

func TestSource(t *testing.T) {
	srv := serve(t, nacosapi.Config{}, registry.Options{})
	a, b := member{srv, "10.0.0.1:80"}, member{srv, "10.0.0.2:80"}
	must(t, a.Register(t.Context()))

	src := New(Config{All: true, Servers: []string{srv.grpc}, Poll: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := run(t, ctx, src)
	u := next(t, out)
	if got := text(u); got != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " || !u.Full || u.Doubt != 30*time.Second {
		t.Fatalf("%s %+v", got, u)
	}
	set := u.Groups[0].Objects.Endpoints[0]
	if set.List != (model.EndpointsID{Keeper: model.KeeperRegistry, Name: order.String()}) || set.Revision == 0 || set.Origin.Source != "nacos" {
		t.Fatalf("%+v", set)
	}

	// Changes come by push, the empty list too, and none is in doubt.
	change := func(want string, f func(context.Context) error) source.Update {
		t.Helper()
		must(t, f(t.Context()))
		began := time.Now()
		u := next(t, out)
		if got := text(u); got != want || u.Full || u.Doubt != 0 {
			t.Fatalf("%s %+v, want %s", got, u, want)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("%s took %v", want, took)
		}
		return u
	}
	u = change("public/DEFAULT_GROUP/order: 10.0.0.1:80 ready 10.0.0.2:80 ready; ", b.Register)
	if e := u.Groups[0].Objects.Endpoints[0].Endpoints; !e[0].Since.IsZero() || e[1].Since.IsZero() {
		t.Errorf("since: %+v", e)
	}
	change("public/DEFAULT_GROUP/order: 10.0.0.2:80 ready; ", a.Deregister)
	change("public/DEFAULT_GROUP/order:; ", b.Deregister)
	change("public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; ", a.Register)

	// A service that is new.
	must(t, srv.registry().Register(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "pay"}, instance("10.0.0.9:80")))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/pay: 10.0.0.9:80 ready; " || u.Full {
		t.Fatal(text(u))
	}
	// Another namespace is another world.
	must(t, srv.registry().Register(registry.Key{Namespace: "dev", Group: "DEFAULT_GROUP", Service: "order"}, instance("10.0.0.8:80")))
	select {
	case u := <-out:
		t.Fatal(text(u))
	case <-time.After(100 * time.Millisecond):
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatalf("ended by its context: %v", err)
	}
}

// used is the lists that a report says are in use.
func used(ids ...model.EndpointsID) shard.Map[model.EndpointsID] {
	e := shard.Map[model.EndpointsID]{}.Edit()
	for _, id := range ids {
		e.Set(id.String(), id)
	}
	return e.Map()
}

// What routes use is subscribed to in any group, also before it is there.
func TestSourceInUse(t *testing.T) {
	srv := serve(t, nacosapi.Config{}, registry.Options{KeepEmpty: 50 * time.Millisecond})
	src := New(Config{Servers: []string{srv.grpc}, Poll: 20 * time.Millisecond, Leave: 50 * time.Millisecond})
	out, _ := run(t, t.Context(), src)
	if u := next(t, out); !u.Full || len(u.Groups) != 0 {
		t.Fatal(text(u))
	}
	card := registry.Key{Namespace: "public", Group: "pay", Service: "card"}
	report := func(lists ...model.EndpointsID) {
		must(t, src.Report(t.Context(), source.Report{InUse: used(lists...)}))
	}
	report(model.EndpointsID{Keeper: model.KeeperRegistry, Name: card.String()},
		model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "shop/order:http"},
		model.EndpointsID{Keeper: model.KeeperRegistry, Name: "dev/pay/card"}, model.EndpointsID{Keeper: model.KeeperRegistry, Name: "broken"})
	if u := next(t, out); text(u) != "public/pay/card:; " || u.Doubt != 30*time.Second {
		t.Fatal(text(u))
	}
	must(t, srv.registry().Register(card, instance("10.0.0.1:80")))
	began := time.Now()
	if u := next(t, out); text(u) != "public/pay/card: 10.0.0.1:80 ready; " || u.Doubt != 0 || time.Since(began) > 100*time.Millisecond {
		t.Fatal(text(u), time.Since(began))
	}
	// Not used any more: it is left after a while, with what it has.
	report()
	if u := next(t, out); text(u) != "public/pay/card: deleted; " {
		t.Fatal(text(u))
	}
}

// A service that no route uses is named and not read, and costs no push.
func TestSourceReadsWhatIsUsed(t *testing.T) {
	srv := serve(t, nacosapi.Config{}, registry.Options{})
	pay := registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "pay"}
	must(t, srv.registry().Register(order, instance("10.0.0.1:80")))
	must(t, srv.registry().Register(pay, instance("10.0.0.2:80")))
	src := New(Config{Servers: []string{srv.grpc}, Poll: 20 * time.Millisecond, Leave: 50 * time.Millisecond})
	out, _ := run(t, t.Context(), src)
	u := next(t, out)
	slices.SortFunc(u.Groups, func(a, b source.Group) int { return strings.Compare(a.Key, b.Key) })
	if text(u) != "public/DEFAULT_GROUP/order: unread; public/DEFAULT_GROUP/pay: unread; " || !u.Full {
		t.Fatal(text(u))
	}
	list := model.EndpointsID{Keeper: model.KeeperRegistry, Name: order.String()}
	must(t, src.Report(t.Context(), source.Report{InUse: used(list)}))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " || u.Doubt != registry.Doubt {
		t.Fatal(text(u))
	}
	if n := srv.registry().Stats().Watches; n != 1 {
		t.Errorf("%d subscriptions, want 1", n)
	}
	must(t, srv.registry().Register(pay, instance("10.0.0.3:80"))) // nothing is heard of it
	must(t, srv.registry().Register(order, instance("10.0.0.4:80")))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready 10.0.0.4:80 ready; " || u.Doubt != 0 {
		t.Fatal(text(u))
	}
	must(t, src.Report(t.Context(), source.Report{}))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: unread; " {
		t.Fatal(text(u))
	}
	must(t, src.Report(t.Context(), source.Report{InUse: used(list)}))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready 10.0.0.4:80 ready; " || u.Doubt != registry.Doubt {
		t.Fatal(text(u))
	}
}

// The last instance of a service goes: it is empty. Then the service goes, and although it is used it is told to be gone; it may come
// back.
func TestServiceGoes(t *testing.T) {
	srv := serve(t, nacosapi.Config{}, registry.Options{KeepEmpty: 200 * time.Millisecond})
	must(t, srv.registry().Register(order, instance("10.0.0.1:80")))
	src := New(Config{Servers: []string{srv.grpc}, Poll: 20 * time.Millisecond, Leave: 20 * time.Millisecond, Forget: 50 * time.Millisecond})
	list := model.EndpointsID{Keeper: model.KeeperRegistry, Name: order.String()}
	must(t, src.Report(t.Context(), source.Report{InUse: used(list)}))
	out, _ := run(t, t.Context(), src)
	for i, want := range []string{"10.0.0.1:80 ready", "", "deleted", "10.0.0.2:80 ready"} {
		switch i {
		case 1:
			if found, err := srv.registry().Deregister(order, netip.MustParseAddrPort("10.0.0.1:80")); !found || err != nil {
				t.Fatal(found, err)
			}
		case 3:
			must(t, srv.registry().Register(order, instance("10.0.0.2:80")))
		}
		told := func() string {
			return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text(next(t, out)), "public/DEFAULT_GROUP/order:"), "; "))
		}
		got := told()
		if i == 3 && got == "" { // it was asked for once more while nobody had it
			got = told()
		}
		if got != want {
			t.Fatalf("%d: %q, want %q", i, got, want)
		}
	}
}

// The server is killed: the source sends nothing and fails. It comes back empty: the first list is in doubt.
func TestServerLosesItsMemory(t *testing.T) {
	srv := serve(t, nacosapi.Config{}, registry.Options{})
	must(t, srv.registry().Register(order, instance("10.0.0.1:80")))
	src := New(Config{All: true, Servers: []string{srv.grpc}, Poll: 20 * time.Millisecond, Timeout: time.Second})
	out, ended := run(t, t.Context(), src)
	next(t, out)
	srv.stop()
	select {
	case u := <-out:
		t.Fatalf("an update from a lost server: %s", text(u))
	case err := <-ended:
		if err == nil {
			t.Fatal("no error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run goes on")
	}
	_, ended = run(t, t.Context(), src)
	if err := <-ended; err == nil {
		t.Fatal("no error without a server")
	}
	srv.start()
	must(t, srv.registry().Register(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "pay"}, instance("10.0.0.2:80")))
	out, _ = run(t, t.Context(), src)
	if u := next(t, out); !u.Full || u.Doubt != 30*time.Second || text(u) != "public/DEFAULT_GROUP/pay: 10.0.0.2:80 ready; " {
		t.Fatalf("%s %+v", text(u), u)
	}
	// The pods come back one by one: each first list of a service is in doubt, what follows is not.
	must(t, srv.registry().Register(order, instance("10.0.0.1:80")))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " || u.Doubt != 30*time.Second {
		t.Fatalf("%s %+v", text(u), u)
	}
	must(t, srv.registry().Register(order, instance("10.0.0.3:80")))
	if u := next(t, out); u.Doubt != 0 {
		t.Fatalf("%s %+v", text(u), u)
	}
}

// The server asks for a sign of life and gets one.
func TestSourceStaysConnected(t *testing.T) {
	srv := serve(t, nacosapi.Config{Idle: 50 * time.Millisecond, Detect: 500 * time.Millisecond}, registry.Options{})
	src := New(Config{Servers: []string{"127.0.0.1:1", srv.grpc}, Poll: time.Hour}) // the first server is dead
	out, ended := run(t, t.Context(), src)
	next(t, out)
	must(t, src.Report(t.Context(), source.Report{InUse: used(model.EndpointsID{Keeper: model.KeeperRegistry, Name: order.String()})}))
	next(t, out)
	select {
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(700 * time.Millisecond):
	}
	must(t, srv.registry().Register(order, instance("10.0.0.1:80")))
	if u := next(t, out); text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " {
		t.Fatal(text(u))
	}
}

func TestRefusedAddresses(t *testing.T) {
	srv := serve(t, nacosapi.Config{}, registry.Options{Addresses: registry.AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	must(t, srv.registry().Register(order, instance("127.0.0.1:80")))
	must(t, srv.registry().Register(order, instance("10.0.0.1:80")))
	out, _ := run(t, t.Context(), New(Config{All: true, Servers: []string{srv.grpc}, Name: "n", Keeper: "registry/n"}))
	u := next(t, out)
	if text(u) != "public/DEFAULT_GROUP/order: 10.0.0.1:80 ready; " || len(u.Groups[0].Objects.Diagnostics) != 1 {
		t.Fatalf("%s %+v", text(u), u)
	}
	d := u.Groups[0].Objects.Diagnostics[0]
	if d.Code != model.CodeEndpointRefused || d.Origin.Source != "n" || !strings.Contains(d.Message, "loopback") || d.Field != "127.0.0.1:80" {
		t.Errorf("%+v", d)
	}
	if l := u.Groups[0].Objects.Endpoints[0].List; l.String() != "registry/n:public/DEFAULT_GROUP/order" {
		t.Error(l)
	}
}

// A push may overtake the answer to the subscription; the older list does not come back.
func TestLastRefTime(t *testing.T) {
	x := &session{src: New(Config{})}
	x.services.init()
	list := func(ref int64, ip string) *nacoswire.ServiceInfo {
		return &nacoswire.ServiceInfo{LastRefTime: ref, Hosts: []nacoswire.Instance{nacoswire.NewInstance(ip, 80)}}
	}
	x.offer(order, list(1, "10.0.0.1"), pushed)
	if _, certain := x.take(); len(certain) != 0 {
		t.Fatal("a list of a service that is not subscribed to")
	}
	x.known[order] = &known{read: true}
	for _, step := range []struct {
		ref  int64
		ip   string
		how  manner
		want string
	}{
		{5, "10.0.0.5", pushed, "10.0.0.5"},
		{4, "10.0.0.4", answered, ""}, {5, "10.0.0.6", answered, ""}, {4, "10.0.0.4", pushed, ""},
		{5, "10.0.0.7", pushed, "10.0.0.7"}, // two changes in one millisecond
		{6, "10.0.0.8", answered, "10.0.0.8"},
	} {
		x.offer(order, list(step.ref, step.ip), step.how)
		doubtful, certain := x.take()
		got := text(source.Update{Groups: append(doubtful, certain...)})
		if want := step.want; (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%+v: %q", step, got)
		}
	}
}

// A server that protects a service calls everybody in it healthy, with a threshold that nobody has set as well. They are a last resort.
func TestProtected(t *testing.T) {
	srv := serve(t, nacosapi.Config{}, registry.Options{})
	for threshold, want := range map[float64][]string{
		0:   {"10.0.0.1:80 ready 10.0.0.2:80 unhealthy", "10.0.0.1:80 last-resort 10.0.0.2:80 last-resort", "10.0.0.1:80 ready 10.0.0.2:80 unhealthy"},
		0.5: {"10.0.0.1:80 last-resort 10.0.0.2:80 last-resort"},
	} {
		key := registry.Key{Namespace: "public", Group: "protected", Service: fmt.Sprint("order", threshold)}
		must(t, srv.registry().CreateService(key, registry.Settings{Ephemeral: true, ProtectThreshold: threshold, Metadata: model.Tags{{Name: "team", Value: "a"}}}))
		src := New(Config{Servers: []string{srv.grpc}})
		must(t, src.Report(t.Context(), source.Report{InUse: used(model.EndpointsID{Keeper: model.KeeperRegistry, Name: key.String()})}))
		a, b := instance("10.0.0.1:80"), instance("10.0.0.2:80")
		b.Healthy = false
		must(t, srv.registry().Register(key, a))
		must(t, srv.registry().Register(key, b))
		out, _ := run(t, t.Context(), src)
		for i, want := range want {
			if a.Healthy = i != 1; i > 0 {
				must(t, srv.registry().Register(key, a))
			}
			if got := text(next(t, out)); got != key.String()+": "+want+"; " {
				t.Errorf("threshold %v, step %d: %s, want %s", threshold, i, got, want)
			}
		}
	}
}

func TestGRPCAddress(t *testing.T) {
	for in, want := range map[string]string{"127.0.0.1:8848": "127.0.0.1:9848", "[::1]:80": "[::1]:1080", "nacos:8848": "nacos:9848"} {
		if got, err := GRPCAddress(in); got != want || err != nil {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"127.0.0.1", "a:b", "a:65000", "a:0"} {
		if _, err := GRPCAddress(in); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
}
