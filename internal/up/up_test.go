package up

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
)

// TestTwoRoads is the promise of the README: one command, and a request goes down each road to a pod.
func TestTwoRoads(t *testing.T) {
	for _, addresses := range []string{"many", "single"} {
		t.Run(addresses, func(t *testing.T) {
			if addresses == "many" && runtime.GOOS != "linux" {
				t.Skip("needs 127.0.0.10 and the others")
			}
			t.Parallel()
			s := startUp(t, Options{Addresses: addresses})
			t.Run("names", s.names)
			t.Run("roads", s.roads)
			t.Run("traffic", s.traffic)
			t.Run("registry", s.registered)
			t.Run("explain", s.explained)
			t.Run("elsewhere", s.elsewhere)
			if addresses == "many" {
				t.Run("client address", s.clientAddress)
			}
			t.Run("tls", s.overTLS)
			t.Run("scale", s.scale)
			t.Run("label", s.label)
			t.Run("pieces", s.pieces)
			s.ends(t)
		})
	}
}

func (s *stand) names(t *testing.T) {
	s = s.in(t)
	for name, piece := range map[string]string{"shop.test": "slb", "gateway.test": "gateway"} {
		want := []string{s.plan.Addr[piece].Addr().String()}
		if got, err := s.resolve(name); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v, want %v", name, got, err, want)
		}
	}
	if got, err := s.resolve("nobody.test"); err == nil {
		t.Errorf("nobody.test has addresses: %v", got)
	}
}

// in is the same up for a part of the test.
func (s *stand) in(t *testing.T) *stand {
	part := *s
	part.t = t
	return &part
}

func (s *stand) roads(t *testing.T) {
	s = s.in(t)
	for _, road := range []struct {
		piece, host string
		nodes       []string
	}{{"slb", "shop.test", []string{"node-1", "node-2"}}, {"gateway", "gateway.test", []string{"gateway"}}} {
		pods := map[string]bool{}
		for range 4 {
			a := s.get(road.piece, road.host, "/order/42")
			p, _ := s.pod(a.Pod)
			if a.status != http.StatusOK || a.Service != "order" || a.Version != "v1" || a.PodIP != p.Addr.String() || a.PodNode != p.Node ||
				a.PID != p.PID || p.PID == 0 || !slices.Contains(road.nodes, a.Node) || a.Path != "/order/42" || a.Headers["Host"] == "" ||
				a.Headers["X-Request-Id"] == "" || a.Headers["X-Forwarded-For"] != "127.0.0.1" {
				t.Errorf("%s: %d %+v, pod %+v", road.host, a.status, a.Answer, p)
			}
			pods[a.Pod] = true
		}
		if len(pods) != 2 {
			t.Errorf("%s: four requests reached %v, want both pods", road.host, pods)
		}
	}
}

// traffic: every hop of both roads has counted what the parts of the test before sent, and how long it took.
func (s *stand) traffic(t *testing.T) {
	s = s.in(t)
	at := func(pod string) string {
		p, _ := s.pod(pod)
		return p.Reached[0].String()
	}
	hops := map[string][]string{ // by unit
		string(adminapi.Questions):   {"name shop.test", "name gateway.test"},
		string(adminapi.Connections): {"listener slb/http"},
		string(adminapi.Requests): {"listener node-1/http", "listener node-2/http", "listener gateway/http", "route ingress/", "route springgw/",
			"endpoint " + at("order-a"), "endpoint " + at("order-b")},
	}
	for unit, names := range hops {
		for _, name := range names {
			s.until(name+" has counted", func() bool {
				return slices.ContainsFunc(s.read(adminapi.Traffics).Traffic, func(c adminapi.Traffic) bool {
					return string(c.Unit) == unit && strings.HasPrefix(string(c.Part)+" "+c.Name, name) && c.Count > 0 && c.Errors == 0 && c.Latency > 0
				})
			})
		}
	}
}

func (s *stand) registered(t *testing.T) {
	s = s.in(t)
	var want []string
	for _, p := range s.read(adminapi.Pods).Pods {
		for _, a := range p.Reached {
			want = append(want, a.String())
		}
	}
	slices.Sort(want)
	if got := s.instances("nacos-order-service"); len(got) != 2 || !slices.Equal(got, want) {
		t.Errorf("the registry lists %v, the pods are at %v", got, want)
	}
	if got, want := s.instances("paifang-gateway"), []string{s.plan.Addr["gateway"].String()}; !slices.Equal(got, want) {
		t.Errorf("the registry lists the gateway at %v, want %v", got, want)
	}
}

func (s *stand) explained(t *testing.T) {
	s = s.in(t)
	for _, road := range []struct {
		url         string
		road, lines int
	}{{"http://shop.test/order/42", 1, 9}, {"http://gateway.test/order/42", 2, 8}} {
		for _, send := range []bool{false, true} {
			r, err := s.admin.Explain(t.Context(), explain.Request{URL: road.url, Method: http.MethodGet}, send)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := explain.Fprint(&b, r); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			if r.Road != road.road || len(lines) != 1+road.lines || send && r.Status != http.StatusOK {
				t.Errorf("%s (send %t): road %d, %d lines, status %d:\n%s", road.url, send, r.Road, len(lines)-1, r.Status, b.String())
			}
		}
	}
}

// elsewhere: a route serves only on listeners that it is attached to.
func (s *stand) elsewhere(t *testing.T) {
	s = s.in(t)
	for piece, host := range map[string]string{"slb": "gateway.test", "node-1": "gateway.test"} {
		if s.plan.Single && piece == "node-1" {
			continue // 127.0.0.1 is the SLB's address as well: nodes take only its PROXY header from there
		}
		if a := s.get(piece, host, "/order/42"); a.status != http.StatusNotFound {
			t.Errorf("%s asked of %s: %d %s, want 404", host, piece, a.status, a.text)
		}
	}
	// The gateway answers for any Host, but has only its own routes: / is the Ingress's alone.
	if a := s.get("gateway", "shop.test", "/"); a.status != http.StatusNotFound {
		t.Errorf("/ of shop.test asked of the gateway: %d, want 404", a.status)
	}
}

// clientAddress: the client is known by its own address through the SLB and directly, and nobody can claim another one.
func (s *stand) clientAddress(t *testing.T) {
	s = s.in(t)
	for _, piece := range []string{"slb", "node-1", "node-2", "gateway"} {
		host := "shop.test"
		if piece == "gateway" {
			host = "gateway.test"
		}
		a := s.get(piece, host, "/order/42", from("127.0.0.99"), func(r *http.Request, _ *http.Transport) { r.Header.Set("X-Forwarded-For", "10.9.9.9") })
		if got := a.Headers["X-Forwarded-For"]; got != "127.0.0.99" {
			t.Errorf("through %s: X-Forwarded-For %q, want 127.0.0.99 alone", piece, got)
		}
	}
	for name, header := range map[string]string{
		"version 1": "PROXY TCP4 10.9.9.9 127.0.0.11 4711 8080\r\n",
		"version 2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x0a\x09\x09\x09\x7f\x00\x00\x0b\x12\x67\x1f\x90",
	} {
		for _, piece := range []string{"node-1", "gateway", "slb"} {
			if line := s.forge(piece, header); line != "" && !strings.HasPrefix(line, "HTTP/1.1 400 ") {
				t.Errorf("forged header of %s to %s: %q, want 400 or an end", name, piece, line)
			}
		}
	}
}

// forge sends a PROXY header as a client that is not the SLB and returns the status line, or nothing where the
// connection was ended.
func (s *stand) forge(piece, header string) string {
	s.t.Helper()
	c, err := net.DialTimeout("tcp", s.plan.Addr[piece].String(), 2*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, header+"GET /order/42 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"); err != nil {
		return ""
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if e, ok := err.(net.Error); ok && e.Timeout() {
		s.t.Errorf("a forged header to %s is neither answered nor ended", piece)
	}
	return line
}

// overTLS: a Secret that is added while up runs is served by its name, through the SLB.
func (s *stand) overTLS(t *testing.T) {
	s = s.in(t)
	cert, key, pool := certificate(t, "shop.test")
	s.write("5-tls.yaml", fmt.Sprintf(`apiVersion: v1
kind: Secret
metadata: {name: shop-tls}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
`, cert, key))
	s.edit("3-ingress.yaml", "  rules:", "  tls:\n  - hosts: [shop.test]\n    secretName: shop-tls\n  rules:")
	trusting := func(r *http.Request, tr *http.Transport) {
		r.URL.Scheme = "https"
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "shop.test"}
	}
	s.until("shop.test is served with its certificate", func() bool {
		a, err := s.ask("slb-tls", "shop.test", "/order/42", trusting)
		return err == nil && a.status == http.StatusOK && a.Headers["X-Forwarded-Proto"] == "https" && a.Headers["X-Forwarded-For"] == "127.0.0.1"
	})
	if _, err := s.ask("slb-tls", "other.test", "/", func(r *http.Request, tr *http.Transport) {
		trusting(r, tr)
		tr.TLSClientConfig.ServerName = "other.test"
	}); err == nil {
		t.Error("other.test is served with a certificate that we trust")
	}
}

func certificate(t *testing.T, host string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	encode := base64.StdEncoding.EncodeToString
	return encode(text), encode(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), pool
}

// scale: a number in the file is how many pods there are, on both roads.
func (s *stand) scale(t *testing.T) {
	s = s.in(t)
	old := 2
	for _, n := range []int{3, 1, 2} {
		s.edit("1-pods.yaml", fmt.Sprintf("replicas: %d", old), fmt.Sprintf("replicas: %d", n))
		s.until(fmt.Sprintf("%d pods on both roads", n), func() bool {
			return len(s.readyPods()) == n && len(s.listed()) == n && len(s.instances("nacos-order-service")) == n
		})
		old = n
	}
}

// label: a pod whose label is edited away leaves the list and keeps running.
func (s *stand) label(t *testing.T) {
	s = s.in(t)
	const pod = `apiVersion: v1
kind: Pod
metadata:
  name: alone
  labels: {app: %s}
spec:
  containers:
  - name: order
    image: paifang.dev/example-order:v2
    ports: [{name: http, containerPort: 8080}]
    readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
`
	s.write("6-pod.yaml", fmt.Sprintf(pod, "order"))
	s.until("the pod is in the list", func() bool { return slices.Contains(s.listed(), "alone") })
	before, _ := s.pod("alone")
	s.until("the pod answers on road 1", func() bool { return s.get("slb", "shop.test", "/order/42").Pod == "alone" })
	s.write("6-pod.yaml", fmt.Sprintf(pod, "nobody"))
	s.until("the pod has left the list", func() bool { return !slices.Contains(s.listed(), "alone") })
	for range 10 {
		if a := s.get("slb", "shop.test", "/order/42"); a.Pod == "alone" {
			t.Error("a pod without the label still answers on road 1")
		}
	}
	if after, ok := s.pod("alone"); !ok || !after.Ready || after.PID != before.PID || after.Restarts != 0 {
		t.Errorf("the pod does not just run on: %+v, before %+v", after, before)
	}
	if err := os.Remove(filepath.Join(s.plan.Paths[0], "6-pod.yaml")); err != nil {
		t.Fatal(err)
	}
	s.until("the pod is gone", func() bool { _, there := s.pod("alone"); return !there && !alive(before.PID) })
}

// pieces: what is stopped does not answer, what is started does.
func (s *stand) pieces(t *testing.T) {
	s = s.in(t)
	answers := func(piece, host string) func() bool {
		return func() bool { a, err := s.ask(piece, host, "/order/42"); return err == nil && a.status == http.StatusOK }
	}
	for _, p := range []struct {
		name    string
		answers func() bool
	}{
		{"gateway", answers("gateway", "gateway.test")},
		{"slb", answers("slb", "shop.test")},
		{"dns", func() bool { _, err := s.resolve("shop.test"); return err == nil }},
	} {
		if err := s.admin.Act(t.Context(), p.name, adminapi.Stop, ""); err != nil {
			t.Fatal(err)
		}
		s.until(p.name+" answers no more", func() bool { return !p.answers() })
		if p.name == "gateway" && len(s.instances("paifang-gateway")) != 0 {
			t.Error("the gateway is registered while it is stopped")
		}
		if p.name == "gateway" && !slices.ContainsFunc(s.read(adminapi.Traffics).Traffic, func(c adminapi.Traffic) bool { return c.Name == "gateway/http" && c.Count > 0 }) {
			t.Error("what the gateway has counted is forgotten while it is stopped")
		}
		if err := s.admin.Act(t.Context(), p.name, adminapi.Start, ""); err != nil {
			t.Fatal(err)
		}
		s.until(p.name+" answers again", p.answers)
	}
	s.until("the gateway is registered again", func() bool { return len(s.instances("paifang-gateway")) == 1 })
	if err := s.admin.Act(t.Context(), "slbb", adminapi.Stop, ""); err == nil || !strings.Contains(err.Error(), "slb") {
		t.Errorf("stop slbb: %v, want the nearest piece", err)
	}
}

// ends: Ctrl-C leaves no process and no port behind, soon.
func (s *stand) ends(t *testing.T) {
	pods := s.read(adminapi.Pods).Pods
	s.admin.Close()
	if took := s.end(); took > 10*time.Second {
		t.Errorf("the end took %s", took)
	} else {
		t.Logf("the end took %s", took)
	}
	for _, p := range pods {
		if p.PID == 0 || alive(p.PID) {
			t.Errorf("pod %s: process %d is still there", p.Name, p.PID)
		}
	}
	if err := s.plan.CheckPorts(t.Context()); err != nil {
		t.Errorf("ports are left: %v", err)
	}
}

// alive tells whether a process is there.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}
