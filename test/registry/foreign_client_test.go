package registry

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
	"paifang/nacos"
)

// follower keeps what a callback was told last.
type follower struct {
	mu   sync.Mutex
	text string
	told int
}

func (f *follower) take(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.told = text, f.told+1
}

// hears waits until the last thing told is this.
func (f *follower) hears(t *testing.T, want string) time.Duration {
	t.Helper()
	began := time.Now()
	for ; ; time.Sleep(2 * time.Millisecond) {
		f.mu.Lock()
		text, told := f.text, f.told
		f.mu.Unlock()
		if told > 0 && text == want {
			return time.Since(began).Round(time.Millisecond)
		}
		if time.Since(began) > soon {
			t.Fatalf("not told %q; last of %d: %q", want, told, text)
		}
	}
}

// during runs something that ends with its context for as long as the test lasts.
func during(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
}

// Our client registers, several instances of one service too, follows, and takes back.
func foreignClient(t *testing.T, f *foreign) {
	one, two, three := client(t, f.options()), client(t, f.options()), client(t, f.options())
	s := nacos.Service{Name: "followed", Group: "SHOP"}
	var lists follower
	during(t, func(ctx context.Context) error {
		return three.Follow(ctx, s, func(list []nacos.Instance) {
			var out []string
			for _, in := range list {
				out = append(out, fmt.Sprint(in.Addr, " ", in.Weight, " ", in.Cluster, " ", in.Metadata["k"], " ", in.Healthy && in.Enabled))
			}
			slices.Sort(out)
			lists.take(strings.Join(out, ", "))
		})
	})
	lists.hears(t, "")
	in := func(last byte) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, last}), 80)
	}
	must(t, one.Register(t.Context(), s, nacos.Instance{Addr: in(1), Weight: 2, Cluster: "EAST", Metadata: map[string]string{"k": "v"}}))
	t.Logf("registered: told after %v", lists.hears(t, "10.1.0.1:80 2 EAST v true"))
	must(t, one.Register(t.Context(), s, nacos.Instance{Addr: in(2)}))
	t.Logf("a second one of the same client: told after %v", lists.hears(t, "10.1.0.1:80 2 EAST v true, 10.1.0.2:80 1 DEFAULT  true"))
	must(t, two.Register(t.Context(), s, nacos.Instance{Addr: in(3)}))
	lists.hears(t, "10.1.0.1:80 2 EAST v true, 10.1.0.2:80 1 DEFAULT  true, 10.1.0.3:80 1 DEFAULT  true")
	must(t, one.Deregister(t.Context(), s, in(1)))
	t.Logf("one of two deregistered: told after %v", lists.hears(t, "10.1.0.2:80 1 DEFAULT  true, 10.1.0.3:80 1 DEFAULT  true"))
	must(t, one.Deregister(t.Context(), s, in(2)))
	lists.hears(t, "10.1.0.3:80 1 DEFAULT  true")
	two.Close()
	t.Logf("the last one's connection closed: told of nobody after %v", lists.hears(t, ""))
}

// configurations sets configurations by gRPC, as SDKs do.
type configurations struct{ *nacosconn.Conn }

func configurer(t *testing.T, f *foreign) configurations {
	t.Helper()
	c, err := nacosconn.Dial(t.Context(), nacosconn.Config{Server: fmt.Sprintf("127.0.0.1:%d", f.port+1000), Module: nacoswire.ModuleConfig, Timeout: 5 * time.Second})
	must(t, err)
	t.Cleanup(c.Close)
	return configurations{c}
}

func (c configurations) try(dataID, content, cas string) error {
	_, err := nacosconn.Call[nacoswire.Response](c.Context(), c.Conn, nacoswire.TypeConfigPublish, nacoswire.ConfigPublishRequest{
		Request: nacoswire.Request{Module: nacoswire.ModuleConfig}, ConfigRef: nacoswire.ConfigRef{DataID: dataID, Group: nacoswire.DefaultGroup}, Content: content, CASMD5: cas,
	})
	return err
}

func (c configurations) publish(t *testing.T, dataID, content, cas string) {
	t.Helper()
	must(t, c.try(dataID, content, cas))
}

func (c configurations) remove(t *testing.T, dataID string) {
	t.Helper()
	_, err := nacosconn.Call[nacoswire.Response](c.Context(), c.Conn, nacoswire.TypeConfigRemove, nacoswire.ConfigQueryRequest{
		Request: nacoswire.Request{Module: nacoswire.ModuleConfig}, ConfigRef: nacoswire.ConfigRef{DataID: dataID, Group: nacoswire.DefaultGroup},
	})
	must(t, err)
}

// Our client reads configurations and follows them: set, set by compare and swap, and removed.
func foreignConfigurations(t *testing.T, f *foreign) {
	c, setter := client(t, f.options()), configurer(t, f)
	id := nacos.Config{ID: "order.yaml"}
	if got, err := c.Read(t.Context(), id); got != "" || !errors.Is(err, nacos.ErrNoConfig) {
		t.Errorf("one that is not there: %q, %v", got, err)
	}
	var content follower
	during(t, func(ctx context.Context) error { return c.FollowConfig(ctx, id, content.take) })
	content.hears(t, "")
	setter.publish(t, "order.yaml", "limit: 1", "")
	t.Logf("published: told after %v", content.hears(t, "limit: 1"))
	sum := md5.Sum([]byte("limit: 1"))
	setter.publish(t, "order.yaml", "limit: 2 # 限制", hex.EncodeToString(sum[:]))
	t.Logf("changed: told after %v", content.hears(t, "limit: 2 # 限制"))
	if err := setter.try("order.yaml", "limit: 3", hex.EncodeToString(sum[:])); err == nil {
		t.Error("it was changed with an old MD5")
	}
	if got, err := c.Read(t.Context(), id); got != "limit: 2 # 限制" || err != nil {
		t.Error(got, err)
	}
	setter.remove(t, "order.yaml")
	t.Logf("removed: told after %v", content.hears(t, ""))
	if _, err := c.Read(t.Context(), id); !errors.Is(err, nacos.ErrNoConfig) {
		t.Error("it can still be read", err)
	}
}

// Where clients log in, ours do: the gateway for services, configurations and itself, and programs. Another password is said to be wrong.
func foreignGuarded(t *testing.T, f *foreign) {
	dir := t.TempDir()
	right, wrong := filepath.Join(dir, "right"), filepath.Join(dir, "wrong")
	must(t, os.WriteFile(right, []byte(f.password+"\n"), 0o600))
	must(t, os.WriteFile(wrong, []byte("another\n"), 0o600))
	g := gatewayOf(t, f, ", username: nacos, password: "+right)
	b := newBackend(t).addr
	must(t, client(t, f.options()).Register(t.Context(), nacos.Service{Name: "order"}, nacos.Instance{Addr: where(b)}))
	t.Logf("pushed after %v", g.become(t, soon, "order", b+" ready 1"))
	if got := g.ask("/order/1"); got != b {
		t.Error(got)
	}
	_, port, _ := strings.Cut(g.at, ":")
	within(t, soon, "the gateway is registered", func() bool {
		return strings.Contains(f.call(t, "GET", "/v1/ns/instance/list", "serviceName", "paifang-gateway"), `"port":`+port)
	})
	// Lists stay for who has been let in when the server has forgotten the tokens that it gave.
	f.kill()
	f.start()
	f.ready()
	within(t, time.Minute, "the instance is registered again", func() bool { return registered(f, "order", []string{b}) })
	within(t, time.Minute, "the gateway has its registry again", func() bool { return g.red(t) == "" })
	g.become(t, soon, "order", b+" ready 1")

	opt := f.options()
	opt.Password = "another"
	if c, err := nacos.Connect(t.Context(), opt); err == nil {
		c.Close()
		t.Error("a program connects with a wrong password")
	} else {
		t.Logf("a program with a wrong password is told: %v", err)
	}
	shut := gatewayOf(t, f, ", username: nacos, password: "+wrong)
	within(t, soon, "the gateway says that the password is wrong", func() bool { return strings.Contains(shut.red(t), "log in") })
	t.Logf("a gateway with a wrong password says: %s", shut.red(t))
	none := gatewayOf(t, f, "")
	within(t, soon, "the gateway says that it is not let in", func() bool { return none.red(t) != "" })
	t.Logf("a gateway that does not log in says: %s", none.red(t))
}
