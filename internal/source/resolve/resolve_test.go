package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a resolver whose answers change.
type names struct {
	mu    sync.Mutex
	addrs map[string]string
}

func (n *names) set(host, addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs[host] = addr
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.addrs[host] == "" {
		return nil, errors.New("no such host")
	}
	return []netip.Addr{netip.MustParseAddr(n.addrs[host])}, nil
}

func lists(names ...string) shard.Map[model.EndpointsID] {
	var m shard.Map[model.EndpointsID]
	e := m.Edit()
	for _, n := range names {
		id := model.EndpointsID{Keeper: model.KeeperDNS, Name: n}
		if n == "registry" {
			id = model.EndpointsID{Keeper: model.KeeperRegistry, Name: "order"}
		}
		e.Set(id.String(), id)
	}
	return e.Map()
}

// said is what the source has said, as the hub would hold it.
type said struct {
	t     *testing.T
	out   chan source.Update
	full  int
	state map[string]string
}

func (s *said) until(name, want string) {
	s.t.Helper()
	end := time.After(10 * time.Second)
	for s.state[name] != want {
		select {
		case u := <-s.out:
			if u.Full {
				s.full++
			}
			for _, g := range u.Groups {
				var text []string
				for _, set := range g.Endpoints() {
					for _, e := range set.Endpoints {
						text = append(text, e.Addr.String())
					}
				}
				if g.Objects != nil && len(g.Objects.Diagnostics) > 0 {
					text = append(text, string(g.Objects.Diagnostics[0].Code))
				}
				s.state[strings.TrimPrefix(g.Key, "host/")] = strings.Join(text, " ")
			}
		case <-end:
			s.t.Fatalf("%s is %q and never %q", name, s.state[name], want)
		}
	}
}

// TestNames: names in use are resolved, follow their addresses, keep the last good ones, and go with their last use.
func TestNames(t *testing.T) {
	n := &names{addrs: map[string]string{"a.test": "10.0.0.1"}}
	src := New(Config{Resolver: n, Refresh: 5 * time.Millisecond, Retry: 2 * time.Millisecond})
	s := &said{t: t, out: make(chan source.Update), state: map[string]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, s.out) }()
	report := func(names ...string) {
		if err := src.Report(ctx, source.Report{InUse: lists(names...)}); err != nil {
			t.Fatal(err)
		}
	}
	report("a.test:80", "registry")
	s.until("a.test:80", "10.0.0.1:80")
	n.set("a.test", "10.0.0.2")
	s.until("a.test:80", "10.0.0.2:80")
	n.set("a.test", "")
	s.until("a.test:80", "10.0.0.2:80 host-unresolved")
	report("a.test:80", "b.test:81", "wrong")
	s.until("b.test:81", "host-unresolved")
	s.until("wrong", "host-unresolved")
	n.set("b.test", "fd00::1")
	s.until("b.test:81", "[fd00::1]:81")
	report("b.test:81")
	s.until("a.test:80", "")
	if s.full != 1 || len(s.state) != 3 {
		t.Errorf("Full %d times, %s", s.full, fmt.Sprint(s.state))
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
