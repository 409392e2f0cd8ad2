package nacos

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/nacosapi"
	"paifang/internal/registry/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

// server is a registry that is stopped and started at one address.
type server struct {
	t          *testing.T
	http, grpc string
	configs    *config.Store
	handle     registry.Handle
	options    registry.Options
	api        *nacosapi.Server
	secure     *tls.Config
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, http: "127.0.0.1:0", grpc: "127.0.0.1:0"}
	var err error
	s.configs, err = config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	t.Cleanup(s.configs.Close)
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	must(s.t, s.handle.Start(s.options))
	s.api = nacosapi.New(nacosapi.Config{Configs: s.configs, TLS: s.secure}, &s.handle)
	h, err := net.Listen("tcp", s.http)
	must(s.t, err)
	g, err := net.Listen("tcp", s.grpc)
	must(s.t, err)
	s.http, s.grpc = h.Addr().String(), g.Addr().String()
	s.api.Start(h, g)
}

func (s *server) stop() {
	if s.api == nil {
		return
	}
	s.handle.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = s.api.Close(ctx) // connections that are cut are an error, and no surprise
	s.api = nil
}

func (s *server) connect() *Client {
	s.t.Helper()
	c, err := Connect(s.t.Context(), Options{Servers: []string{s.http}, GRPC: []string{s.grpc}})
	must(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

func (s *server) addresses() string {
	r, ok := s.handle.Current()
	if !ok {
		return "stopped"
	}
	var out []string
	for _, in := range r.View(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"}).Instances {
		out = append(out, in.Addr.String())
	}
	return strings.Join(out, " ")
}

// last keeps what a callback was told last.
type last[T any] struct {
	mu    sync.Mutex
	value T
	told  int
}

func (l *last[T]) set(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value = v
	l.told++
}

func (l *last[T]) get() (T, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, l.told
}

func one(port int) Instance {
	return Instance{Addr: netip.MustParseAddrPort(fmt.Sprintf("10.0.0.1:%d", port))}
}

var order = Service{Name: "order"}

func TestRegister(t *testing.T) {
	s := serve(t)
	c := s.connect()
	ctx := t.Context()
	// Several of one service, at once: none takes another's place.
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if err := c.Register(ctx, order, one(81+i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.addresses(); got != "10.0.0.1:81 10.0.0.1:82 10.0.0.1:83 10.0.0.1:84 10.0.0.1:85" {
		t.Fatal(got)
	}
	for i := range 4 {
		must(t, c.Deregister(ctx, order, one(81+i).Addr))
	}
	must(t, c.Deregister(ctx, order, one(99).Addr))
	if got := s.addresses(); got != "10.0.0.1:85" {
		t.Fatal(got)
	}
	// One that the server refuses leaves no trace.
	bad := Instance{Addr: netip.MustParseAddrPort("127.0.0.1:80")}
	if err := c.Register(ctx, order, bad); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Fatalf("%v", err)
	}
	must(t, c.Register(ctx, order, one(86)))
	if got := s.addresses(); got != "10.0.0.1:85 10.0.0.1:86" {
		t.Fatal(got)
	}
	c.Close()
	eventually(t, "what it registered ends with it", func() bool { return s.addresses() == "" })
	if err := c.Register(ctx, order, one(80)); !errors.Is(err, ErrClosed) {
		t.Fatalf("%v", err)
	}
}

// A server that was stopped and comes back empty knows everything again, and followers go on.
func TestConnectAgain(t *testing.T) {
	s := serve(t)
	c, other := s.connect(), s.connect()
	must(t, c.Register(t.Context(), order, one(81)))
	ctx, cancel := context.WithCancelCause(t.Context())
	var list last[[]Instance]
	var content last[string]
	ended := make(chan error, 2)
	go func() { ended <- other.Follow(ctx, order, list.set) }()
	go func() { ended <- other.FollowConfig(ctx, Config{ID: "a"}, content.set) }()
	ports := func(want ...uint16) func() bool {
		return func() bool {
			l, told := list.get()
			var got []uint16
			for _, in := range l {
				got = append(got, in.Addr.Port())
			}
			return told > 0 && slices.Equal(got, want)
		}
	}
	is := func(want string) func() bool {
		return func() bool { got, told := content.get(); return told > 0 && got == want }
	}
	eventually(t, "the list", ports(81))
	eventually(t, "there is no configuration", is(""))
	publish := func(text string) {
		t.Helper()
		_, err := s.configs.Publish(t.Context(), config.Item{ID: config.ID{Namespace: "public", Group: "DEFAULT_GROUP", Name: "a"}, Content: text}, "")
		must(t, err)
	}
	publish("1")
	eventually(t, "the configuration", is("1"))
	s.stop()
	publish("2")
	if err := c.Deregister(canceled(t), order, one(81).Addr); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	go func() { _ = c.Register(t.Context(), order, one(82)) }() // waits for the server
	s.start()
	eventually(t, "the instance that was registered meanwhile", func() bool { return s.addresses() == "10.0.0.1:82" })
	eventually(t, "the follower sees it", ports(82))
	eventually(t, "the configuration that was changed meanwhile", is("2"))
	must(t, c.Deregister(t.Context(), order, one(82).Addr))
	eventually(t, "the empty list", ports())
	why := errors.New("enough")
	cancel(why)
	for range 2 {
		if err := <-ended; !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	}
	if got, err := other.Read(t.Context(), Config{ID: "a"}); got != "2" || err != nil {
		t.Error(got, err)
	}
	if _, err := other.Read(t.Context(), Config{ID: "none"}); !errors.Is(err, ErrNoConfig) {
		t.Error(err)
	}
}

// A server that sends its clients elsewhere keeps the connection until another server knows what was registered by it: nobody is
// without the instance meanwhile.
func TestSentElsewhere(t *testing.T) {
	from, to := serve(t), serve(t)
	c, err := Connect(t.Context(), Options{Servers: []string{from.http, to.http}, GRPC: []string{from.grpc, to.grpc}})
	must(t, err)
	defer c.Close()
	must(t, c.Register(t.Context(), order, one(81)))
	c.mu.Lock()
	before := c.conn
	c.mu.Unlock()
	res, err := http.Get("http://" + from.http + "/nacos/v2/core/loader/reloadCurrent?count=0")
	must(t, err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	select {
	case <-before.Context().Done():
	case <-time.After(15 * time.Second):
		t.Fatal("it stays where it is")
	}
	if got := to.addresses(); got != "10.0.0.1:81" {
		t.Fatalf("the connection ended when the next server had %q", got)
	}
	must(t, c.Register(t.Context(), order, one(82)))
	if got := to.addresses(); got != "10.0.0.1:81 10.0.0.1:82" {
		t.Fatal(got)
	}
	// With nobody else there it comes back to who sends it away.
	to.stop()
	eventually(t, "the first server has both", func() bool { return from.addresses() == "10.0.0.1:81 10.0.0.1:82" })
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// The clock of the server that is there again may be behind that of the one before: what it tells is news all the same.
func TestClockBehind(t *testing.T) {
	s := serve(t)
	c, other := s.connect(), s.connect()
	must(t, c.Register(t.Context(), order, one(81)))
	ctx, cancel := context.WithCancel(t.Context())
	var list last[[]Instance]
	ended := make(chan error, 1)
	go func() { ended <- other.Follow(ctx, order, list.set) }()
	has := func(port uint16) func() bool {
		return func() bool { l, _ := list.get(); return len(l) == 1 && l[0].Addr.Port() == port }
	}
	eventually(t, "the list", has(81))
	s.stop()
	if err := c.Deregister(canceled(t), order, one(81).Addr); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.options.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	s.start()
	must(t, c.Register(t.Context(), order, one(82)))
	eventually(t, "the list of the server that is behind", has(82))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestConnectFails(t *testing.T) {
	if _, err := Connect(t.Context(), Options{Servers: []string{"127.0.0.1:1"}}); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1001") {
		t.Error(err)
	}
	for _, servers := range [][]string{nil, {"host"}, {"host:65000"}} {
		if _, err := Connect(t.Context(), Options{Servers: servers}); err == nil {
			t.Errorf("%v is connected to", servers)
		}
	}
	if _, err := Connect(canceled(t), Options{Servers: []string{"127.0.0.1:1"}}); err == nil {
		t.Error("it connects with a context that has ended")
	}
}

// Publish replaces what was registered, whole, and what the server refuses leaves what was there.
func TestPublish(t *testing.T) {
	s := serve(t)
	c := s.connect()
	ctx := t.Context()
	list := []Instance{one(81), one(82), one(83)}
	list[0].Metadata = map[string]string{"version": "v1"}
	must(t, c.Publish(ctx, order, list))
	list[0].Metadata["version"], list[1] = "mine", one(99) // the caller's again
	if got := s.addresses(); got != "10.0.0.1:81 10.0.0.1:82 10.0.0.1:83" {
		t.Fatal(got)
	}
	must(t, c.Publish(ctx, order, []Instance{one(82), one(84)}))
	if got := s.addresses(); got != "10.0.0.1:82 10.0.0.1:84" {
		t.Fatal(got)
	}
	// Register and Deregister add to it and take from it.
	must(t, c.Register(ctx, order, one(85)))
	must(t, c.Deregister(ctx, order, one(82).Addr))
	if got := s.addresses(); got != "10.0.0.1:84 10.0.0.1:85" {
		t.Fatal(got)
	}
	bad := Instance{Addr: netip.MustParseAddrPort("127.0.0.1:80")}
	if err := c.Publish(ctx, order, []Instance{one(86), bad}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Fatalf("%v", err)
	}
	if err := c.Publish(ctx, order, []Instance{{}}); err == nil || !strings.Contains(err.Error(), "want a name and IP:PORT") {
		t.Fatalf("%v", err)
	}
	if err := c.Publish(canceled(t), order, []Instance{one(87)}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if got := s.addresses(); got != "10.0.0.1:84 10.0.0.1:85" {
		t.Fatal(got)
	}
	// It is published again to a server that lost it, what was refused is not.
	s.stop()
	s.start()
	eventually(t, "it is published again", func() bool { return s.addresses() == "10.0.0.1:84 10.0.0.1:85" })
	must(t, c.Publish(ctx, order, nil))
	if got := s.addresses(); got != "" {
		t.Fatal(got)
	}
	// Nothing in place of nothing asks nobody.
	s.stop()
	must(t, c.Publish(canceled(t), order, nil))
	c.Close()
	if err := c.Publish(ctx, order, []Instance{one(81)}); !errors.Is(err, ErrClosed) {
		t.Fatalf("%v", err)
	}
}
