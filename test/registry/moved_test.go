package registry

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"paifang/nacos"
)

// One name has its instances in two registries. Half of them move from one to the other under load, one by one, as a rollout does
// it: the new registration first, or the old one's end first. Then one registry is killed, comes back, and the other one is killed.
func TestMovedUnderLoad(t *testing.T) {
	const atLeast, instances = 100_000, 4
	var procs [2]*process
	var clients [2]*nacos.Client
	var text strings.Builder
	for i, name := range []string{"", "other"} {
		rest, grpc := freeAddress(t), freeAddress(t)
		procs[i] = serve(t, "registry "+name, fmt.Sprintf("registry: {http: %q, grpc: %q, auth: \"off\", allow: [127.0.0.0/8]}\n", rest, grpc))
		clients[i] = client(t, nacos.Options{Servers: []string{rest}, GRPC: []string{grpc}})
		fmt.Fprintf(&text, "  - {name: %q, address: %q, grpc: %q, allow: [127.0.0.0/8]}\n", name, rest, grpc)
	}
	order := nacos.Service{Name: "order"}
	var all []netip.AddrPort
	for range instances {
		at := netip.MustParseAddrPort(newBackend(t).addr)
		all = append(all, at)
		must(t, clients[0].Register(t.Context(), order, nacos.Instance{Addr: at}))
	}
	at := freeAddress(t)
	gateway := serve(t, "gateway", fmt.Sprintf("gateway: {http: %q, service: \"-\"}\nsources:\n  routes: [%q]\n  nacos:\n%s", at, routes(t), text.String()))
	// listed is how many instances the gateway has from each registry.
	listed := func() string {
		_, page, err := get("http://" + gateway.admin + "/api/v1/endpoints")
		if err != nil {
			return err.Error()
		}
		other := strings.Count(page, `"keeper":"registry other"`)
		return fmt.Sprint(strings.Count(page, `"keeper":"registry"`), " and ", other)
	}
	become := func(want string) {
		t.Helper()
		within(t, 20*time.Second, "the gateway lists "+want+": it lists "+listed(), func() bool { return listed() == want })
	}
	become("4 and 0")
	l := begin(at, "/order/")
	// In both for a while: one instance, and not twice the requests.
	must(t, clients[1].Register(t.Context(), order, nacos.Instance{Addr: all[2]}))
	become("4 and 1")
	must(t, clients[0].Deregister(t.Context(), order, all[2]))
	become("3 and 1")
	must(t, clients[0].Deregister(t.Context(), order, all[3]))
	become("2 and 1")
	must(t, clients[1].Register(t.Context(), order, nacos.Instance{Addr: all[3]}))
	become("2 and 2")
	for i, p := range procs {
		p.kill()
		for until, n := time.Now().Add(3*time.Second), l.next.Load(); time.Now().Before(until) || l.next.Load() < n+atLeast/4; {
			if got := listed(); got != "2 and 2" {
				t.Fatalf("with registry %d dead the gateway lists %s", i, got)
			}
			time.Sleep(100 * time.Millisecond)
		}
		p.start()
		p.ready()
		become("2 and 2")
	}
	within(t, time.Minute, "enough was asked", func() bool { return l.next.Load() >= atLeast })
	asked, failed, by := l.end()
	t.Logf("%d requests: %d failed; %v", asked, len(failed), by)
	nobodyFailed(t, asked, atLeast, failed, by, instances)
}
