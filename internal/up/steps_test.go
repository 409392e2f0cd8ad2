package up

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/examples"
	"paifang/internal/adminapi"
	"paifang/internal/example"
)

// TestSetUpInOrder sets both roads up by hand, a file after the other, and looks after each for what the documentation
// says is to be seen.
func TestSetUpInOrder(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs 127.0.0.10 and the others")
	}
	t.Parallel()
	dir := t.TempDir()
	s := startUp(t, Options{Addresses: "many", Dir: dir})
	place := func(file string) {
		t.Helper()
		text, err := examples.TwoRoads.ReadFile("two-roads/" + file)
		if err != nil {
			t.Fatal(err)
		}
		s.write(file, string(text))
	}
	status := func(piece, host string, want int) {
		t.Helper()
		if a := s.get(piece, host, "/order/42"); a.status != want {
			t.Errorf("%s of %s: %d, want %d\n%s", host, piece, a.status, want, a.text)
		}
	}

	s.empty(dir)
	status("gateway", "gateway.test", http.StatusNotFound)

	place("1-pods.yaml")
	s.until("two pods are ready", func() bool { return len(s.readyPods()) == 2 })
	addresses := s.podsAnswer()
	s.nameIsUnknown("shop.test")
	status("slb", "shop.test", http.StatusNotFound)
	if got := s.listed(); len(got) != 0 {
		t.Errorf("without a Service its list has %v", got)
	}
	// Road 2: the pods have registered themselves, and the gateway has; what is missing is its rule.
	s.until("both pods are registered", func() bool { return slices.Equal(s.instances("nacos-order-service"), addresses) })
	if got, want := s.instances("paifang-gateway"), []string{s.plan.Addr["gateway"].String()}; !slices.Equal(got, want) {
		t.Errorf("the gateway is registered at %v, want %v", got, want)
	}

	place("2-service.yaml")
	s.until("the Service has both pods", func() bool { return len(s.listed()) == 2 })
	for _, e := range s.read(adminapi.Endpoints).Endpoints {
		if e.List == "default/order-service:80" && (e.Keeper != "Kubernetes" || e.By != "label app=order" || !slices.Contains(addresses, e.Addr.String())) {
			t.Errorf("endpoint %+v", e)
		}
	}
	s.nameIsUnknown("shop.test")
	status("slb", "shop.test", http.StatusNotFound)

	place("3-ingress.yaml")
	s.until("both nodes serve the Ingress, to both pods", func() bool { return s.leads("/order", "order-service:80", addresses, "node-1", "node-2") })
	s.nodesAreHealthy()
	s.until("shop.test leads to the SLB", func() bool {
		got, err := s.resolve("shop.test")
		return err == nil && slices.Equal(got, []string{s.plan.Addr["slb"].Addr().String()})
	})
	if !slices.ContainsFunc(s.read(adminapi.Records).Records, func(r adminapi.Record) bool {
		return r.Name == "shop.test" && r.Type == "A" && len(r.Addrs) == 1 && r.Addrs[0] == s.plan.Addr["slb"].Addr()
	}) {
		t.Errorf("records: %+v", s.read(adminapi.Records).Records)
	}
	status("slb", "shop.test", http.StatusOK)
	status("gateway", "gateway.test", http.StatusNotFound)

	place("4-routes.yaml")
	s.until("the gateway has its rule", func() bool { return s.leads("/order/**", "lb://nacos-order-service", addresses, "gateway") })
	status("gateway", "gateway.test", http.StatusOK)
	status("slb", "shop.test", http.StatusOK)
	if strings.Contains(s.out.String(), "2.3 mapping") {
		t.Error("the steps of the example are told of a directory that is not the example")
	}
}

// empty: up is ready with nothing to serve, and says what it watches.
func (s *stand) empty(dir string) {
	s.t.Helper()
	if ready := s.getRaw("admin", "/readyz"); !strings.HasPrefix(ready, "ok") && !strings.Contains(ready, "ready") {
		s.t.Errorf("readyz: %s", ready)
	}
	for _, want := range []string{"watching", dir + " (empty"} {
		if !strings.Contains(s.out.String(), want) {
			s.t.Errorf("up prints nothing of %q:\n%s", want, s.out)
		}
	}
	for _, kind := range []adminapi.Kind{adminapi.Routes, adminapi.Pods, adminapi.Diagnostics} {
		if v := s.read(kind); len(v.Routes)+len(v.Pods)+len(v.Diagnostics) > 0 {
			s.t.Errorf("an empty directory has %s: %+v", kind, v)
		}
	}
	s.nameIsUnknown("shop.test")
}

// podsAnswer asks every pod at its own address, and returns these.
func (s *stand) podsAnswer() []string {
	s.t.Helper()
	var out []string
	nodes := map[string]bool{}
	for _, p := range s.read(adminapi.Pods).Pods {
		if len(p.Reached) != 1 || p.PID == 0 || p.Node == "" {
			s.t.Fatalf("pod %+v has no address, process or node", p)
		}
		at := p.Reached[0].String()
		got, err := answerOf(s.t.Context(), "http://"+at+"/order/42")
		if err != nil || got.Pod != p.Name || got.PodIP != p.Addr.String() || got.PID != p.PID || got.Node != "" {
			s.t.Errorf("%s at %s answers %+v, %v", p.Name, at, got, err)
		}
		out, nodes[p.Node] = append(out, at), true
	}
	if len(nodes) != 2 {
		s.t.Errorf("the pods are on %v, want both nodes", nodes)
	}
	slices.Sort(out)
	return out
}

func answerOf(ctx context.Context, url string) (example.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var a example.Answer
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return a, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return a, errors.New(resp.Status)
	}
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

// nameIsUnknown: DNS answers NXDOMAIN (RFC 1035, section 4.1.1: RCODE 3).
func (s *stand) nameIsUnknown(name string) {
	s.t.Helper()
	c, err := net.DialTimeout("udp", s.plan.Addr["dns"].String(), time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	query := []byte{0x47, 0x11, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0}
	for label := range strings.SplitSeq(name, ".") {
		query = append(append(query, byte(len(label))), label...)
	}
	query = append(query, 0, 0, 1, 0, 1) // the root, A, IN
	answer := make([]byte, 512)
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(query); err != nil {
		s.t.Fatal(err)
	}
	n, err := c.Read(answer)
	if err != nil || n < 12 || answer[3]&0x0f != 3 {
		s.t.Errorf("%s: %x, %v, want NXDOMAIN", name, answer[:n], err)
	}
}

// leads tells whether a route is there, with these servers, on these nodes.
func (s *stand) leads(path, effect string, servers []string, nodes ...string) bool {
	s.t.Helper()
	return slices.ContainsFunc(s.read(adminapi.Routes).Routes, func(r adminapi.Route) bool {
		slices.Sort(r.Servers)
		return r.Path == path && r.Effect == effect && r.Reject == "" && slices.Equal(r.Servers, servers) && slices.Equal(r.BoundOn, nodes)
	})
}

// nodesAreHealthy: both are behind the SLB.
func (s *stand) nodesAreHealthy() {
	s.t.Helper()
	for _, name := range []string{"node-1", "node-2"} {
		s.until(name+" is healthy behind the SLB", func() bool {
			return slices.ContainsFunc(s.read(adminapi.Nodes).Nodes, func(n adminapi.Node) bool {
				return n.Name == name && n.Addr == s.plan.Addr[name] && n.Behind == s.plan.Addr["slb"].String() && n.Health == "healthy"
			})
		})
	}
}

// TestStepsOfTheExample: up tells how both roads are set up, with what is there.
func TestStepsOfTheExample(t *testing.T) {
	for _, addresses := range []string{"many", "single"} {
		t.Run(addresses, func(t *testing.T) {
			if addresses == "many" && runtime.GOOS != "linux" {
				t.Skip("needs 127.0.0.10 and the others")
			}
			t.Parallel()
			s := startUp(t, Options{Addresses: addresses})
			s.until("the steps are told", func() bool { return strings.Contains(s.out.String(), "route rule") })
			a, _ := s.pod("order-a")
			b, _ := s.pod("order-b")
			if len(a.Reached) != 1 || len(b.Reached) != 1 {
				t.Fatalf("pods %+v, %+v", a, b)
			}
			at := func(piece string) string { return s.plan.Addr[piece].String() }
			pods := fmt.Sprintf("order-a %s on node-1, order-b %s on node-2", a.Reached[0], b.Reached[0])
			both := fmt.Sprintf("%s, %s", a.Reached[0], b.Reached[0])
			if b.Reached[0].Compare(a.Reached[0]) < 0 {
				both = fmt.Sprintf("%s, %s", b.Reached[0], a.Reached[0])
			}
			want := strings.Join([]string{
				"road 1, rules and addresses from Kubernetes objects:",
				" 1.1 pods        " + pods,
				" 1.2 service     default/order-service:80 = " + both + ", found by label app=order",
				" 1.3 ingress     shop.test/order -> order-service:80, 2 servers, bound on node-1 and node-2 (3-ingress.yaml:12)",
				" 1.4 controller  listens on node-1 " + at("node-1") + " and node-2 " + at("node-2"),
				" 1.5 SLB         " + at("slb") + " -> node-1 and node-2, healthy",
				" 1.6 A record    shop.test A " + s.plan.Addr["slb"].Addr().String(),
				"road 2, addresses from the registry:",
				" 2.1 pods        " + pods,
				" 2.2 register    2 instances of public/DEFAULT_GROUP/nacos-order-service",
				" 2.3 mapping     nacos-order-service = " + both,
				" 2.4 gateway     paifang-gateway = " + at("gateway"),
				"     route rule  gateway.test/order/** -> lb://nacos-order-service, 2 servers, bound on gateway (4-routes.yaml:6)",
				""}, "\n")
			if !strings.Contains(s.out.String(), want) {
				t.Errorf("up prints\n%s\nwant in it\n%s", s.out, want)
			}
			if n := strings.Count(s.out.String(), "2.3 mapping"); n != 1 {
				t.Errorf("the steps are told %d times", n)
			}
		})
	}
}

// somewhat is a reader whose rows never suffice.
type somewhat struct{ view adminapi.View }

func (s somewhat) Read(context.Context, ...adminapi.Kind) (adminapi.View, error) { return s.view, nil }

// Steps that are missing hold nothing up: after a time the lists are told as they are.
func TestStepsThatAreMissing(t *testing.T) {
	s := newSteps(somewhat{adminapi.View{Routes: []adminapi.Route{{ID: "r", Road: 1, Host: "shop.test", Path: "/order", Effect: "order-service:80",
		Servers: []string{"127.1.1.2:8080"}, BoundOn: []string{"node-1"}, Source: "/d/3-ingress.yaml:12"}}}}, "/d")
	began := time.Now()
	s.wait(t.Context(), io.Discard, 50*time.Millisecond)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("waiting took %s", took)
	}
	var b strings.Builder
	if s.tell(t.Context(), &b) || b.Len() > 0 {
		t.Errorf("told too early:\n%s", b.String())
	}
	s.due = time.Now()
	for range 2 { // the second time it says nothing more
		if !s.tell(t.Context(), &b) {
			t.Error("not told")
		}
	}
	for _, want := range []string{" 1.3 ingress     shop.test/order -> order-service:80, 1 server, bound on node-1 (3-ingress.yaml:12)\n", " 1.6 A record    nothing yet\n",
		" 2.4 gateway     nothing yet\n", "     route rule  nothing yet\n"} {
		if strings.Count(b.String(), want) != 1 {
			t.Errorf("want once %q in\n%s", want, b.String())
		}
	}
}
