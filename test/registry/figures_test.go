package registry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
)

// TestFigures prints what the registry costs and how fast it is, as a table; `make bench-registry` runs it. It takes a minute, on a
// machine that does nothing else.
func TestFigures(t *testing.T) {
	if os.Getenv("PAIFANG_FIGURES") == "" {
		t.Skip("set PAIFANG_FIGURES=1, or run `make bench-registry`: it needs a machine that does nothing else")
	}
	fmt.Println("| what | measured | bar |\n|---|---|---|")
	t.Run("many", figuresOfMany)
	t.Run("embedded", figuresOfOneProcess)
	t.Run("etcd", figuresAcrossProcesses)
}

func row(t *testing.T, what, bar string, over bool, format string, args ...any) {
	t.Helper()
	figure := fmt.Sprintf(format, args...)
	fmt.Printf("| %s | %s | %s |\n", what, figure, bar)
	if over {
		t.Errorf("%s: %s, the bar is %s", what, figure, bar)
	}
}

// quantiles are the median, the 99th percentile and the slowest.
func quantiles(took []time.Duration) (median, most, slowest time.Duration) {
	slices.Sort(took)
	at := func(q float64) time.Duration { return took[int(q*float64(len(took)-1))] }
	return at(0.5), at(0.99), took[len(took)-1]
}

func times(took []time.Duration) string {
	median, most, slowest := quantiles(took)
	return fmt.Sprintf("median %.1f ms, p99 %.1f ms, slowest of %d %.1f ms", ms(median), ms(most), len(took), ms(slowest))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func over(took []time.Duration, bar time.Duration) bool {
	_, most, _ := quantiles(took)
	return most > bar
}

func ref(service string) nacoswire.ServiceRef {
	return nacoswire.ServiceRef{Namespace: nacoswire.PublicNamespace, ServiceName: service, GroupName: nacoswire.DefaultGroup}
}

func dial(t *testing.T, grpc string, handle func(*nacoswire.Payload) (string, error)) *nacosconn.Conn {
	t.Helper()
	c, err := nacosconn.Dial(t.Context(), nacosconn.Config{Server: grpc, Handle: handle, Timeout: 10 * time.Second})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// publish has a connection publish these and nothing else for a service.
func publish(ctx context.Context, c *nacosconn.Conn, service string, list ...nacoswire.Instance) error {
	_, err := nacosconn.Call[nacoswire.InstanceResponse](ctx, c, nacoswire.TypeBatchInstance, nacoswire.BatchInstanceRequest{
		ServiceRef: ref(service), Type: nacoswire.BatchRegisterInstance, Instances: list,
	})
	return err
}

// subscriber notes when each list of a service reached it, by the port of its first instance.
type subscriber struct {
	mu sync.Mutex
	at map[int]time.Time
}

func (s *subscriber) handle(p *nacoswire.Payload) (string, error) {
	q, err := nacoswire.Decode[nacoswire.NotifySubscriberRequest](p)
	if err != nil || p.Type != nacoswire.TypeNotifySubscriber {
		return "", err
	}
	if q.ServiceInfo.Name == "hot" && len(q.ServiceInfo.Hosts) > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if port := q.ServiceInfo.Hosts[0].Port; s.at[port].IsZero() {
			s.at[port] = time.Now()
		}
	}
	return nacoswire.TypeNotifyAnswer, nil
}

func (s *subscriber) heard(port int) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.at[port]
	return at, ok
}

func subscribe(t *testing.T, grpc string, services ...string) *subscriber {
	t.Helper()
	s := &subscriber{at: map[int]time.Time{}}
	c := dial(t, grpc, s.handle)
	for _, name := range services {
		_, err := nacosconn.Call[nacoswire.ServiceResponse](t.Context(), c, nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{ServiceRef: ref(name), Subscribe: true})
		must(t, err)
	}
	return s
}

// spread changes the service "hot" again and again and returns how long each subscriber waited each time.
func spread(t *testing.T, c *nacosconn.Conn, rounds int, all []*subscriber) (took []time.Duration) {
	t.Helper()
	for i := range rounds {
		port := 1000 + i
		began := time.Now()
		must(t, publish(t.Context(), c, "hot", nacoswire.NewInstance("10.0.0.1", port)))
		for _, s := range all {
			within(t, 10*time.Second, "it is pushed", func() bool { _, ok := s.heard(port); return ok })
			at, _ := s.heard(port)
			took = append(took, at.Sub(began))
		}
		time.Sleep(100 * time.Millisecond) // the registry is idle again
	}
	return took
}

// 100,000 instances in 10,000 services, and 1,000 connections that are subscribed to 11 services each.
func figuresOfMany(t *testing.T) {
	const publishers, servicesOfEach, instancesOfEach, subscribers = 100, 100, 10, 1000
	rest, grpc := freeAddress(t), freeAddress(t)
	reg := serve(t, "registry", fmt.Sprintf("registry: {http: %q, grpc: %q, auth: \"off\", storage: memory}\n", rest, grpc))
	name := func(i int) string { return fmt.Sprintf("service-%05d", i) }
	var work sync.WaitGroup
	for p := range publishers {
		c := dial(t, grpc, nil)
		work.Go(func() {
			for s := range servicesOfEach {
				var list []nacoswire.Instance
				for i := range instancesOfEach {
					in := nacoswire.NewInstance(fmt.Sprintf("10.%d.%d.%d", p, s, i), 8080)
					in.Metadata = nacoswire.Metadata{"preserved.register.source": "SPRING_CLOUD", "version": "v1"}
					list = append(list, in)
				}
				if err := publish(t.Context(), c, name(p*servicesOfEach+s), list...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	arrived := resident(t, reg.cmd.Process.Pid)
	hot := dial(t, grpc, nil)
	must(t, publish(t.Context(), hot, "hot", nacoswire.NewInstance("10.0.0.1", 999)))
	var all []*subscriber
	for i := range subscribers {
		services := []string{"hot"}
		for k := range 10 {
			services = append(services, name((i*10+k)%(publishers*servicesOfEach)))
		}
		all = append(all, subscribe(t, grpc, services...))
	}
	took := spread(t, hot, 20, all)
	most, settledTo := settled(t, reg)
	row(t, "memory with 100,000 instances in 10,000 services and 1,000 connections subscribed to 11 services each", "≤ 500 MB", settledTo > 500,
		"%d MB, of which %d MB are live on the heap; %d MB right after the instances came, %d MB right after the subscriptions and 20 changes",
		settledTo, live(t, reg), arrived, most)
	row(t, "a change until all of 1,000 subscribers were pushed it", "p99 ≤ 200 ms", over(took, 200*time.Millisecond), "%s", times(took))
}

func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	must(t, err)
	return kb * 1024 / 1_000_000
}

// settled is what is resident right after a load, and once the collector has run and given back: until that is no less for 10 s.
func settled(t *testing.T, p *process) (most, resting int) {
	t.Helper()
	most = resident(t, p.cmd.Process.Pid)
	resting = most
	for end, since := time.Now().Add(30*time.Second), time.Now(); time.Now().Before(end) && time.Since(since) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		live(t, p) // a page of metrics is garbage enough for the collector to run now and then
		if now := resident(t, p.cmd.Process.Pid); now < resting {
			resting, since = now, time.Now()
		}
	}
	return most, resting
}

// live is the heap that was in use after the last collection.
func live(t *testing.T, p *process) int {
	t.Helper()
	_, page, err := get("http://" + p.admin + "/metrics")
	must(t, err)
	_, rest, _ := strings.Cut(page, "\ngo_gc_heap_live_bytes ")
	n, err := strconv.ParseFloat(strings.Fields(rest + " none")[0], 64)
	must(t, err)
	return int(n / 1_000_000)
}

// picked changes the one instance of a service from one backend to another and asks the gateway until the new one answers.
func picked(t *testing.T, gateway string, c *nacosconn.Conn, rounds int) (took []time.Duration) {
	t.Helper()
	backends := []*backend{newBackend(t), newBackend(t)}
	l := &load{to: gateway, path: "/order/"}
	for i := range rounds {
		want := backends[i%2]
		ip, port, _ := strings.Cut(want.addr, ":")
		n, err := strconv.Atoi(port)
		must(t, err)
		conn, r := connect(t, gateway)
		began := time.Now()
		must(t, publish(t.Context(), c, "order", nacoswire.NewInstance(ip, n)))
		for {
			who, _, err := l.ask(conn, r, int64(i))
			if err == nil && who == want.addr {
				break
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("round %d: %v", i, err)
			}
		}
		if i > 0 { // the first one waits for the route, too
			took = append(took, time.Since(began))
		}
		conn.Close()
		time.Sleep(20 * time.Millisecond)
	}
	return took
}

func routes(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "routes.yaml")
	must(t, os.WriteFile(file, []byte("spring.cloud.gateway.routes:\n- {id: order, uri: 'lb://order', predicates: ['Path=/order/**']}\n"), 0o600))
	return file
}

func figuresOfOneProcess(t *testing.T) {
	rest, grpc, at := freeAddress(t), freeAddress(t), freeAddress(t)
	serve(t, "both", fmt.Sprintf("registry: {http: %q, grpc: %q, auth: \"off\", storage: memory, allow: [127.0.0.0/8]}\ngateway: {http: %q, service: \"-\"}\nsources: {routes: [%q]}\n",
		rest, grpc, at, routes(t)))
	c := dial(t, grpc, nil)
	took := picked(t, at, c, 200)
	row(t, "instance change until a request meets it, registry and gateway in one process", "p99 ≤ 20 ms", over(took, 20*time.Millisecond), "%s", times(took))
	one := []*subscriber{subscribe(t, grpc, "hot")}
	idle := spread(t, c, 50, one)
	row(t, "instance change until it is pushed, idle", "p99 ≤ 20 ms", over(idle, 20*time.Millisecond), "%s", times(idle))
}

func figuresAcrossProcesses(t *testing.T) {
	c := startEtcd(t)
	u := c.urls()
	m := serveMembers(t, 2, fmt.Sprintf("  auth: \"off\"\n  allow: [127.0.0.0/8]\n  etcd: {endpoints: [%q, %q, %q], prefix: %q}\n", u[0], u[1], u[2], prefixOf(t)))
	at := freeAddress(t)
	serve(t, "gateway", fmt.Sprintf("gateway: {http: %q, service: \"-\"}\nsources:\n  routes: [%q]\n  nacos: [{address: %q, grpc: %q, allow: [127.0.0.0/8]}]\n",
		at, routes(t), m.http[1], m.grpc[1]))
	took := picked(t, at, dial(t, m.grpc[0], nil), 200)
	row(t, "instance change at one registry until a request meets it at a gateway of another one, over three members of etcd", "p99 ≤ 100 ms", over(took, 100*time.Millisecond), "%s", times(took))
}
