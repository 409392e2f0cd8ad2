package app

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// webSocketEcho is a server that takes an upgrade and from then on sends back what it gets.
func webSocketEcho(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		c, in, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455 section 1.3
		if _, err := fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:])); err != nil {
			return
		}
		_, _ = io.Copy(c, in) // until the other side ends it
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// TestSpringWebSocket sends bytes both ways over an upgraded connection to an instance of a registry.
func TestSpringWebSocket(t *testing.T) {
	c := springChain(t, `spring.cloud.gateway.routes: [{id: chat, uri: "lb:ws://chat", predicates: ["Path=/chat/**"], filters: ["StripPrefix=1"]}]`, "chat "+webSocketEcho(t))
	conn, err := net.Dial("tcp", c.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /chat/room HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	for _, size := range []int{1, 126, 100_000} {
		sent := strings.Repeat("x", size)
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		if _, err := io.ReadFull(in, got); err != nil || string(got) != sent {
			t.Fatalf("%d bytes came back otherwise: %v", size, err)
		}
	}
}

// naming is a server that answers with its name.
func naming(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// asking is a client that asks a chain as a user.
type asking struct {
	t      *testing.T
	client *http.Client
	url    string
}

func newAsking(t *testing.T, c *chain) *asking {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &asking{t, &http.Client{Transport: transport, Timeout: 20 * time.Second}, "http://" + c.address()}
}

// get is the body of the answer to a request with fields, which are names and values.
func (a *asking) get(path string, fields ...string) string {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.url+path, http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	res, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		a.t.Fatal(res.Status, err)
	}
	return string(text)
}

// TestLaneOverTwoGateways: what the first gateway decides, the second one, whose rules see nothing of it, keeps.
func TestLaneOverTwoGateways(t *testing.T) {
	const second = `spring.cloud.gateway.routes:
- id: order
  uri: lb://order
  predicates: ["Path=/**"]
  metadata:
    lane-header: X-Lane
    lanes: [{name: gray, instances: {version: v2}}]
`
	const first = `spring.cloud.gateway.routes:
- id: all
  uri: lb://second
  predicates: ["Path=/**"]
  metadata:
    lane-header: X-Lane
    lanes: [{name: gray, instances: {version: v2}, when: [{header: X-Gray, value: "yes"}, {cookie: gray}, {query: gray, value: "1"}]}]
`
	b := springChain(t, second, "order "+naming(t, "v1")+" version=v1", "order "+naming(t, "v2")+" version=v2")
	a := newAsking(t, springChain(t, first, "second "+b.address()))
	for range 20 {
		if got := a.get("/order"); got != "v1" {
			t.Fatalf("of no lane: %s", got)
		}
		if got := a.get("/order", "X-Gray", "yes"); got != "v2" {
			t.Fatalf("by header: %s", got)
		}
		if got := a.get("/order", "Cookie", "gray=1"); got != "v2" {
			t.Fatalf("by cookie: %s", got)
		}
		if got := a.get("/order?gray=1"); got != "v2" {
			t.Fatalf("by query: %s", got)
		}
		if got := a.get("/order?gray=0"); got != "v1" {
			t.Fatalf("of another query: %s", got)
		}
	}
	if got := newAsking(t, b).get("/order", "X-Gray", "yes"); got != "v1" {
		t.Errorf("the second one decides itself: %s", got)
	}
}

// TestLaneByUser: a share that is drawn by user keeps each one where he is, and has as many of them as it says.
func TestLaneByUser(t *testing.T) {
	const routes = `spring.cloud.gateway.routes:
- id: order
  uri: lb://order
  predicates: ["Path=/**"]
  metadata:
    lanes: [{name: gray, instances: {version: v2}, when: [{weight: 20, by: header X-User}]}]
`
	services := []string{"order " + naming(t, "v1") + " version=v1", "order " + naming(t, "v2") + " version=v2"}
	a, other := newAsking(t, springChain(t, routes, services...)), newAsking(t, springChain(t, routes, services...))
	const users = 1000
	gray := 0
	for i := range users {
		user := fmt.Sprintf("user-%d", i)
		first := a.get("/", "X-User", user)
		if first == "v2" {
			gray++
		}
		if again, there := a.get("/again", "X-User", user), other.get("/", "X-User", user); again != first || there != first {
			t.Fatalf("%s: %s, then %s, and %s at another gateway", user, first, again, there)
		}
	}
	if gray < 140 || gray > 260 { // 4.7 times the standard deviation
		t.Errorf("%d of %d users are in a lane for 20 of 100", gray, users)
	}
	for range 50 {
		if got := a.get("/"); got != "v1" {
			t.Fatalf("a request without a user: %s", got)
		}
	}
}

// TestNewServiceIsRoutedAtOnce: what registers in the registry of the process is there, by its name, within a second of the answer
// to its registration. Others may keep the machine busy, so one of three has to be.
func TestNewServiceIsRoutedAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "application.yml")
	if err := os.WriteFile(file, []byte("spring.cloud.gateway.discovery.locator.enabled: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reg := free(t)
	c := Config{Gateway: &Gateway{HTTP: free(t), Service: "-"}, Sources: Sources{Routes: []string{file}},
		Registry: &Registry{HTTP: reg, GRPC: free(t), Auth: authOff, Storage: "memory", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	a := started(t, c)
	until(t, "the gateway answers", func() bool { return a.hub.Ready() && statusOf(c.Gateway.HTTP, "/none") == http.StatusNotFound })
	_, port, err := net.SplitHostPort(naming(t, "new"))
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for i := range 3 {
		service := fmt.Sprintf("new-%d", i)
		if got := statusOf(c.Gateway.HTTP, "/"+service+"/"); got != http.StatusNotFound {
			t.Fatalf("before it is there: %d", got)
		}
		res, err := http.Post(fmt.Sprintf("http://%s/nacos/v1/ns/instance?serviceName=%s&ip=127.0.0.1&port=%s", reg, service, port), "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
		until(t, service+" is routed to", func() bool { return statusOf(c.Gateway.HTTP, "/"+service+"/") == http.StatusOK })
		if took = append(took, time.Since(began)); took[i] < time.Second {
			http.DefaultClient.CloseIdleConnections()
			t.Logf("after %v", took)
			return
		}
	}
	t.Errorf("it takes %v", took)
}
