package up

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/example"
	"paifang/internal/explain"
)

// stand is an up that runs in this process, with everything that a test asks of it.
type stand struct {
	t     *testing.T
	plan  *Plan
	out   *screen
	admin *adminapi.Client
	stop  context.CancelFunc
	ended chan error
}

// screen is what up writes to.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// printWithin is how soon after its start up has to have printed its table.
const printWithin = 3 * time.Second

// startUp runs up on ports of its own and returns once its table is printed.
func startUp(t *testing.T, o Options) *stand {
	t.Helper()
	o.State = filepath.Join(t.TempDir(), "state")
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s := &stand{t: t, plan: freePlan(t, o), out: &screen{}, stop: stop, ended: make(chan error, 1)}
	s.admin = adminapi.NewClient(s.plan.Addr["admin"].String())
	t.Cleanup(s.admin.Close)
	began := time.Now()
	go func() { s.ended <- s.plan.Run(ctx, s.out) }()
	t.Cleanup(func() { s.end() })
	s.until("the table is printed", func() bool { return strings.Contains(s.out.String(), "Ctrl-C ends it") })
	if took := time.Since(began); took > printWithin {
		t.Errorf("the table was printed after %s, want %s at most", took, printWithin)
	} else {
		t.Logf("the table was printed after %s", took)
	}
	return s
}

// freePlan finds an offset at which every port is free, and the pods' addresses are nobody else's.
func freePlan(t *testing.T, o Options) *Plan {
	t.Helper()
	for range 50 {
		o.PortOffset = 1000 + rand.IntN(20000)
		p, err := NewPlan(o)
		if err != nil {
			t.Fatal(err)
		}
		if p.CheckPorts(t.Context()) == nil {
			return p
		}
	}
	t.Fatal("no offset has all ports free")
	return nil
}

// end ends up as Ctrl-C does, once, and returns how long that took.
func (s *stand) end() time.Duration {
	if s.ended == nil {
		return 0
	}
	began := time.Now()
	s.stop()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("up ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		s.t.Fatal("up did not end")
	}
	s.ended = nil
	if s.t.Failed() {
		s.t.Logf("up printed:\n%s", s.out)
	}
	return time.Since(began)
}

func (s *stand) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("never: %s\nup printed:\n%s", what, s.out)
		}
	}
}

// write puts a file into the directory that up watches, as editors that rename do.
func (s *stand) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.plan.Paths[0], name)
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.t.Fatal(err)
	}
}

// edit replaces one text in a file of the directory by another.
func (s *stand) edit(name, old, text string) {
	s.t.Helper()
	all, err := os.ReadFile(filepath.Join(s.plan.Paths[0], name))
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(all), old) {
		s.t.Fatalf("%s has no %q", name, old)
	}
	s.write(name, strings.Replace(string(all), old, text, 1))
}

func (s *stand) read(kind adminapi.Kind) adminapi.View {
	s.t.Helper()
	v, err := s.admin.Read(s.t.Context(), kind)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// pod returns a pod by name.
func (s *stand) pod(name string) (explain.Pod, bool) {
	all := s.read(adminapi.Pods).Pods
	i := slices.IndexFunc(all, func(p explain.Pod) bool { return p.Name == name })
	if i < 0 {
		return explain.Pod{}, false
	}
	return all[i], true
}

// readyPods lists the names of the pods that are ready, sorted.
func (s *stand) readyPods() []string {
	var out []string
	for _, p := range s.read(adminapi.Pods).Pods {
		if p.Ready {
			out = append(out, p.Name)
		}
	}
	slices.Sort(out)
	return out
}

// listed lists the pods in the Kubernetes list of the example, sorted.
func (s *stand) listed() []string {
	var out []string
	for _, e := range s.read(adminapi.Endpoints).Endpoints {
		if e.List == "default/order-service:80" && e.State == "ready" {
			out = append(out, e.Name)
		}
	}
	slices.Sort(out)
	return out
}

// answer is what came back for one request.
type answer struct {
	status int
	text   string
	example.Answer
}

// ask makes one request on a connection of its own.
func (s *stand) ask(piece, host, path string, how ...func(*http.Request, *http.Transport)) (answer, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.plan.Addr[piece].String()+path, nil)
	if err != nil {
		return answer{}, err
	}
	r.Host = host
	transport := &http.Transport{DisableKeepAlives: true}
	for _, f := range how {
		f(r, transport)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, text: string(body)}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &a.Answer); err != nil {
			return a, fmt.Errorf("the answer is no JSON of the example: %w\n%s", err, body)
		}
	}
	return a, nil
}

// get is ask where nothing may fail.
func (s *stand) get(piece, host, path string, how ...func(*http.Request, *http.Transport)) answer {
	s.t.Helper()
	a, err := s.ask(piece, host, path, how...)
	if err != nil {
		s.t.Fatalf("GET %s of %s at %s: %v", path, host, piece, err)
	}
	return a
}

// from has a request come from an address.
func from(ip string) func(*http.Request, *http.Transport) {
	return func(_ *http.Request, tr *http.Transport) {
		tr.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext
	}
}

// resolve asks the DNS of up.
func (s *stand) resolve(name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.plan.Addr["dns"].String())
	}}
	return r.LookupHost(ctx, name+".")
}

// instances lists the addresses of a service as the registry tells them over its API.
func (s *stand) instances(service string) []string {
	s.t.Helper()
	a := s.getRaw("registry", "/nacos/v1/ns/instance/list?serviceName="+service)
	var list struct {
		Hosts []struct {
			IP      string `json:"ip"`
			Port    int    `json:"port"`
			Healthy bool   `json:"healthy"`
		} `json:"hosts"`
	}
	if err := json.Unmarshal([]byte(a), &list); err != nil {
		s.t.Fatalf("%v in %s", err, a)
	}
	var out []string
	for _, h := range list.Hosts {
		if h.Healthy {
			out = append(out, fmt.Sprintf("%s:%d", h.IP, h.Port))
		}
	}
	slices.Sort(out)
	return out
}

func (s *stand) getRaw(piece, path string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.plan.Addr[piece].String()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s %v\n%s", path, resp.Status, err, body)
	}
	return string(body)
}
