package podrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/source"
)

// The test binary is also the program of the pods: HELPER says which.
func TestMain(m *testing.M) {
	switch os.Getenv("HELPER") {
	case "server":
		helperServer()
	case "plain":
		helperPlain()
	case "exit":
		fmt.Println("goodbye")
		os.Exit(3)
	case "runner":
		helperRunner()
	case "grandchild":
		helperGrandchild()
	case "":
		goleak.VerifyTestMain(m)
	}
}

// helperServer binds POD_IP:LISTEN. FLAGS holds words: deaf ignores SIGTERM, slow takes 300 ms to end, and the path of a
// directory in DIR: while a file named after the pod is there, /healthz fails.
func helperServer() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	addr := net.JoinHostPort(os.Getenv("POD_IP"), os.Getenv("LISTEN"))
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(os.Environ()) })
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("DIR") + "/" + os.Getenv("POD_NAME")); err == nil {
			http.Error(w, "ill", http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("POD_NAME")) })
	go func() {
		fmt.Println("error:", http.ListenAndServe(addr, nil)) //nolint:gosec // a helper of the tests
		os.Exit(1)
	}()
	fmt.Println("args", strings.Join(os.Args[1:], " "))
	for range stop {
		switch flags := os.Getenv("FLAGS"); {
		case strings.Contains(flags, "deaf"):
		case strings.Contains(flags, "slow"):
			time.Sleep(300 * time.Millisecond)
			os.Exit(0)
		default:
			os.Exit(0)
		}
	}
}

// helperPlain is what a plain net/http program looks like: it knows a port, and binds all addresses.
func helperPlain() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("POD_NAME")) })
	fmt.Println("error:", http.ListenAndServe(":"+os.Getenv("PORT"), nil)) //nolint:gosec // a helper of the tests
	os.Exit(1)
}

// helperRunner is a process with a Runner of its own, to be killed.
func helperRunner() {
	r, err := New(Config{Nodes: nodes(), State: os.Getenv("STATE")})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() { fmt.Println(r.Run(context.Background())) }()
	w := deployment(1)
	w.Container.Env = append(w.Container.Env, model.EnvVar{Name: "FLAGS", Value: "deaf"})
	if os.Getenv("SHELL_POD") != "" { // a pod whose real program is the child of a shell
		w.Container.Command = []string{"sh", "-c", w.Container.Command[0] + " & wait"}
		w.Container.Args = nil
	}
	c, _ := r.Prepare(context.Background(), snapshot.New(snapshot.Contents{Workloads: []model.Workload{w}}))
	c.Commit()
	for {
		if p := r.Pods(); len(p) == 1 && p[0].Ready {
			fmt.Println("pod", p[0].PID)
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	select {}
}

func helperGrandchild() {
	fmt.Println("here")
	time.Sleep(time.Hour)
}

// bench is a Runner with somebody who listens to its source.
type bench struct {
	t      *testing.T
	r      *Runner
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	sets    map[string]model.EndpointSet // by group key
	fulls   int
	history []string // "name state" of each endpoint whenever it changed
	states  map[string]string
}

func start(t *testing.T, cfg Config) *bench {
	t.Helper()
	if cfg.Nodes == nil {
		cfg.Nodes = nodes()
	}
	if cfg.Logs == "" {
		cfg.Logs = t.TempDir()
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &bench{t: t, r: r, cancel: cancel, ended: make(chan error, 1), sets: map[string]model.EndpointSet{}, states: map[string]string{}}
	go func() { b.ended <- r.Run(ctx) }()
	// The source outlives the runner, so that the last words are heard.
	heard, stop := context.WithCancel(context.Background())
	out := make(chan source.Update)
	var listening sync.WaitGroup
	listening.Go(func() { _ = r.Source().Run(heard, out) })
	listening.Go(func() {
		for {
			select {
			case u := <-out:
				b.take(u)
			case <-heard.Done():
				return
			}
		}
	})
	t.Cleanup(func() {
		b.stop()
		stop()
		listening.Wait()
	})
	return b
}

func (b *bench) take(u source.Update) {
	if u.Applied != nil {
		defer u.Applied()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if u.Full {
		b.fulls++
	}
	for _, g := range u.Groups {
		if len(g.Endpoints()) == 0 {
			delete(b.sets, g.Key)
			continue
		}
		b.sets[g.Key] = g.Objects.Endpoints[0]
		for _, e := range g.Objects.Endpoints[0].Endpoints {
			if b.states[e.Name] != e.State.String() {
				b.states[e.Name] = e.State.String()
				b.history = append(b.history, e.Name+" "+e.State.String())
			}
		}
	}
}

// stop ends the runner and waits for it.
func (b *bench) stop() {
	b.cancel()
	select {
	case err := <-b.ended:
		b.ended <- err
		if err != nil {
			b.t.Errorf("run: %v", err)
		}
	case <-time.After(20 * time.Second):
		b.t.Errorf("the runner does not end: %+v", b.r.Pods())
	}
}

func (b *bench) commit(ws ...model.Workload) {
	b.t.Helper()
	c, err := b.r.Prepare(b.t.Context(), snapshot.New(snapshot.Contents{Workloads: ws}))
	if err != nil {
		b.t.Fatal(err)
	}
	c.Commit()
	c.Retire(b.t.Context())
}

func (b *bench) list(name string) []model.Endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sets["kubernetes:"+name].Endpoints
}

// in returns the names of the endpoints of a list in a state, joined.
func (b *bench) in(name string, s model.EndpointState) string {
	var out []string
	for _, e := range b.list(name) {
		if e.State == s {
			out = append(out, e.Name)
		}
	}
	return strings.Join(out, " ")
}

func (b *bench) pod(name string) PodStatus {
	for _, p := range b.r.Pods() {
		if p.Name == name {
			return p
		}
	}
	return PodStatus{}
}

// names are the pods that are ready.
func (b *bench) ready() string {
	var out []string
	for _, p := range b.r.Pods() {
		if p.Ready {
			out = append(out, p.Name)
		}
	}
	return strings.Join(out, " ")
}

func (b *bench) until(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.t.Fatalf("never: %s\npods %+v\nlists %+v\ndiagnostics %v", what, b.r.Pods(), b.sets, b.r.Diagnostics())
		}
	}
}

// nodes are two nodes with ranges that another copy of these tests does not use.
func nodes() []Node {
	base := 2 * (os.Getpid() % 120)
	return []Node{
		{"node-1", netip.MustParsePrefix(fmt.Sprintf("127.77.%d.0/24", base)), netip.MustParseAddr(fmt.Sprintf("127.78.%d.1", base))},
		{"node-2", netip.MustParsePrefix(fmt.Sprintf("127.77.%d.0/24", base+1)), netip.MustParseAddr(fmt.Sprintf("127.78.%d.1", base+1))},
	}
}

// noSleep has a program that is built with the race detector end without its second of patience.
var noSleep = model.EnvVar{Name: "GORACE", Value: "atexit_sleep_ms=0"}

// containerPort is bound by the pods; taken on one address it is free on the next.
const containerPort = 18080

// order is a Deployment of servers that serve the list shop/order.
func deployment(replicas int) model.Workload {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return model.Workload{
		ID: "deployment/shop/order", Namespace: "shop", Name: "order", Replicas: replicas, Template: "1",
		Origin: model.Origin{Kind: "Deployment", Namespace: "shop", Name: "order", File: "1-pods.yaml", Line: 2},
		Labels: model.NewTags(map[string]string{"app": "order"}), Grace: 5 * time.Second,
		Serves: []model.Serves{{List: list("shop/order"), Port: containerPort}},
		Container: model.Container{
			Name: "order", Image: "order:v1", Command: []string{self}, Args: []string{"to", "$(POD_NAME)"},
			Env:       []model.EnvVar{{Name: "HELPER", Value: "server"}, {Name: "LISTEN", Value: fmt.Sprint(containerPort)}, noSleep},
			Ports:     []model.Port{{Name: "http", Port: containerPort}},
			Readiness: &model.Probe{Kind: model.ProbeHTTP, Path: "/healthz", Port: containerPort, Period: 50 * time.Millisecond, Timeout: time.Second, FailureThreshold: 1},
		},
	}
}

// flags sets variables of the program.
func with(w model.Workload, env ...string) model.Workload {
	w.Container.Env = append([]model.EnvVar(nil), w.Container.Env...)
	for i := 0; i < len(env); i += 2 {
		w.Container.Env = append(w.Container.Env, model.EnvVar{Name: env[i], Value: env[i+1]})
	}
	return w
}

func list(name string) model.EndpointsID {
	return model.EndpointsID{Keeper: model.KeeperKubernetes, Name: name}
}

var client = &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get returns the body that an address answers with.
func get(at netip.AddrPort, path string) (string, error) {
	resp, err := client.Get("http://" + at.String() + path)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if resp.StatusCode != http.StatusOK {
		return b.String(), errors.New(resp.Status)
	}
	return b.String(), nil
}
