package registry

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"paifang/nacos"
)

// A member of etcd hangs, which is no end of its connections: whichever it is, registrations at one registry are taken all the same and
// pushed by another one, and after a moment as fast as before.
func TestMemberHangs(t *testing.T) {
	t.Parallel()
	const moment = 4 * time.Second // a new leader is chosen in 1 to 2 s
	c := startEtcd(t)
	m := serveMembers(t, 2, fmt.Sprintf("  auth: \"off\"\n  etcd: {endpoints: [%q, %q, %q], prefix: %q}\n", c.urls()[0], c.urls()[1], c.urls()[2], prefixOf(t)))
	a := client(t, m.options(0))
	w := watch(t, "subscriber", "order", []string{m.grpc[1]}, nil)
	order := nacos.Service{Name: "order"}
	next := 0
	for i, member := range c.members {
		must(t, member.Process.Signal(syscall.SIGSTOP))
		stopped := time.Now()
		var first, slowest time.Duration
		n := 0
		for ; time.Since(stopped) < 10*time.Second; n++ {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(next >> 8), byte(next)}), 80)
			next++
			began := time.Now()
			if err := a.Register(t.Context(), order, nacos.Instance{Addr: at}); err != nil {
				t.Fatalf("member %d hangs for %v: %v", i, time.Since(stopped), err)
			}
			within(t, 10*time.Second, "it is pushed", func() bool { return strings.Contains(w.last(), at.String()) })
			took := time.Since(began)
			if began.Sub(stopped) < moment {
				first = max(first, took)
			} else {
				slowest = max(slowest, took)
			}
			must(t, a.Deregister(t.Context(), order, at))
			time.Sleep(50 * time.Millisecond)
		}
		t.Logf("member %d hangs: %d registrations are pushed elsewhere, after %v at most in the first %v and %v then", i, n, first.Round(time.Millisecond), moment, slowest.Round(time.Millisecond))
		if slowest > time.Second { // beside others on the machine
			t.Errorf("%v for a registration to be pushed, %v after member %d began to hang", slowest, moment, i)
		}
		must(t, member.Process.Signal(syscall.SIGCONT))
		within(t, 20*time.Second, "all members answer again", func() bool { return c.answers(t, i) })
	}
}
