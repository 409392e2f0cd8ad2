//go:build linux

package podrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

func TestPlainProgramsBindAllAddresses(t *testing.T) {
	b := start(t, Config{})
	w := deployment(2)
	w.Container.Env = []model.EnvVar{{Name: "HELPER", Value: "plain"}, {Name: "PORT", Value: "1"}, noSleep}
	w.Container.PortEnv = "PORT"
	w.Container.Readiness = nil
	w.Container.Ports[0].Host = 18090
	b.commit(w)
	b.until("both are ready", func() bool { return b.in("shop/order", model.Ready) == "order-a order-b" })
	for i, e := range b.list("shop/order") {
		if e.Addr.Port() != containerPort {
			t.Errorf("%s is offered on %s", e.Name, e.Addr)
		}
		p := b.pod(e.Name).Ports[0]
		if !p.Process.IsValid() || p.Process.Port() == containerPort {
			t.Errorf("%+v", p)
		}
		host := netip.AddrPortFrom(nodes()[i].Addr, 18090)
		for _, at := range []netip.AddrPort{e.Addr, host} {
			b.until("mapped at "+at.String(), func() bool { body, err := get(at, "/"); return err == nil && body == e.Name })
		}
	}
	// A mapping ends with its process: refused, not accepted and dropped.
	at := b.list("shop/order")[0].Addr
	if err := b.r.Stop(t.Context(), "order-a", KILL); err != nil {
		t.Fatal(err)
	}
	if err := connects(t.Context(), at, time.Second); err == nil {
		t.Error("the port of a dead pod accepts connections")
	}
	if err := b.r.Start(t.Context(), "order-a"); err != nil {
		t.Fatal(err)
	}
	b.until("it is back", func() bool { body, err := get(at, "/"); return err == nil && body == "order-a" })
}

func TestMappingCarriesHalfClosedConnections(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	go func() {
		for {
			c, err := target.Accept()
			if err != nil {
				return
			}
			all, _ := io.ReadAll(c) // answers after the client's end
			_, _ = fmt.Fprintf(c, "%d bytes", len(all))
			_ = c.Close()
		}
	}()
	from := netip.AddrPortFrom(nodes()[0].Addr, 18091)
	m := startMapping(t.Context(), from, target.Addr().(*net.TCPAddr).AddrPort(), func(err error) { t.Error(err) })
	if !listens(t.Context(), from) {
		t.Fatal("it does not listen")
	}
	c, err := net.Dial("tcp", from.String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write(make([]byte, 1<<20))
	_ = c.(*net.TCPConn).CloseWrite()
	if all, err := io.ReadAll(c); err != nil || string(all) != "1048576 bytes" {
		t.Errorf("%q, %v", all, err)
	}
	_ = c.Close()
	open, err := net.Dial("tcp", from.String())
	if err != nil {
		t.Fatal(err)
	}
	m.close()
	_ = open.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := open.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an open connection outlives its mapping: %v", err)
	}
	_ = open.Close()
}

func TestHostPortTaken(t *testing.T) {
	at := netip.AddrPortFrom(nodes()[0].Addr, 18092)
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, Config{})
	w := deployment(1)
	w.Container.Ports[0].Host = 18092
	b.commit(w)
	b.until("it is said", func() bool { return len(b.r.Diagnostics()) == 1 && b.ready() == "order-a" })
	if d := b.r.Diagnostics()[0]; d.Code != model.CodeAddressTaken || !strings.Contains(d.Message, "hostPort 18092") {
		t.Errorf("%v", d)
	}
	_ = l.Close()
	b.until("mapped once it is free", func() bool {
		body, err := get(at, "/")
		return err == nil && body == "order-a" && len(b.r.Diagnostics()) == 0
	})
}

// TestHostPortOffset: what is added to hostPorts lets two runners map the same one; a port that there is not is told.
func TestHostPortOffset(t *testing.T) {
	at := netip.AddrPortFrom(nodes()[0].Addr, 18096)
	l, err := net.Listen("tcp", at.String()) // another runner's
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := start(t, Config{HostPortOffset: 3})
	w := deployment(1)
	w.Container.Ports[0].Host = at.Port()
	b.commit(w)
	moved := netip.AddrPortFrom(at.Addr(), at.Port()+3)
	b.until("it is mapped", func() bool {
		body, err := get(moved, "/")
		return err == nil && body == "order-a" && len(b.r.Diagnostics()) == 0
	})
	if got := b.pod("order-a").Ports[0].Host; got != moved {
		t.Errorf("it is said to be at %s", got)
	}
	b = start(t, Config{HostPortOffset: 3})
	w.Container.Ports[0].Host = 65534
	b.commit(w)
	b.until("it is said", func() bool {
		ds := b.r.Diagnostics()
		return len(ds) == 1 && ds[0].Code == model.CodeInvalid && strings.Contains(ds[0].Message, "hostPort 65534 would be 65537")
	})
}

func TestPassesOverTakenAddresses(t *testing.T) {
	n := nodes()[0]
	first := n.Range.Addr().Next().Next()
	l, err := net.Listen("tcp", netip.AddrPortFrom(first, containerPort).String())
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = l.Close() }()
	b := start(t, Config{})
	b.commit(deployment(1))
	b.until("ready", func() bool { return b.ready() == "order-a" })
	if ip := b.pod("order-a").IP; ip == first || !n.Range.Contains(ip) {
		t.Errorf("at %s", ip)
	}
}

func TestAddressThatIsNotThere(t *testing.T) {
	b := start(t, Config{Nodes: []Node{{Name: "n", Range: netip.MustParsePrefix("198.51.100.0/24")}}})
	b.commit(deployment(1))
	b.until("it is said", func() bool { return len(b.r.Diagnostics()) == 1 })
	if d := b.r.Diagnostics()[0]; d.Code != model.CodeAddressTaken || !strings.Contains(d.Message, "sudo ifconfig lo0 alias 198.51.100.2") {
		t.Errorf("%v", d)
	}
}

func TestSingleAddress(t *testing.T) {
	self, _ := os.Executable()
	b := start(t, Config{Single: true, Builtin: map[string][]string{"order": {self}}, Nodes: []Node{{Name: "node-1"}, {Name: "node-2"}}})
	w := deployment(2)
	w.Container.Command, w.Container.Args = nil, nil
	w.Container.Env = []model.EnvVar{{Name: "HELPER", Value: "server"}, {Name: "LISTEN", Value: "$(PORT)"}, noSleep}
	b.commit(w)
	b.until("both are ready", func() bool { return len(strings.Fields(b.in("shop/order", model.Ready))) == 2 })
	seen := map[netip.AddrPort]bool{}
	for _, e := range b.list("shop/order") {
		body, err := get(e.Addr, "/")
		if p, ok := b.r.PodAt(e.Addr); e.Addr.Addr().String() != "127.0.0.1" || err != nil || body != e.Name || seen[e.Addr] || !ok || p.Name != e.Name {
			t.Errorf("%+v: %q, %v", e, body, err)
		}
		seen[e.Addr] = true
	}
}

func TestAttach(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	b := start(t, Config{Attach: map[string]netip.AddrPort{"order": at}})
	w := deployment(3)
	w.Container.Command = []string{"./not-here"}
	w.Container.Readiness = nil
	b.commit(w)
	b.until("it is ready", func() bool { return b.in("shop/order", model.Ready) == "order-a" && len(b.r.Pods()) == 1 })
	if e := b.list("shop/order")[0]; e.Addr != at || e.Node != "node-1" || !b.pod("order-a").Attached {
		t.Errorf("%+v %+v", e, b.pod("order-a"))
	}
	if err := b.r.Stop(t.Context(), "order-a", ""); err == nil || !strings.Contains(err.Error(), "attached") {
		t.Errorf("stop: %v", err)
	}
	_ = l.Close()
	b.until("it is gone", func() bool { return b.in("shop/order", model.Unhealthy) == "order-a" })
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: at.String(), Handler: mux, ReadHeaderTimeout: time.Second}
	defer func() { _ = server.Close() }()
	go func() { _ = server.ListenAndServe() }()
	b.until("it is back", func() bool { return b.in("shop/order", model.Ready) == "order-a" })
}

// A slip of the pen in a flag must not look as if there were no such flag.
func TestFlagsForNothingAreTold(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:9")
	b := start(t, Config{Attach: map[string]netip.AddrPort{"ordr": at, "shop/order": at}, Run: map[string]string{"team/ordr": "./x", "other": "./x"}})
	if ds := b.r.Diagnostics(); len(ds) > 0 {
		t.Errorf("before anything is read: %v", ds)
	}
	w := deployment(1)
	w.Container.Image = "other:v1"
	b.commit(w)
	var said []string
	for _, d := range b.r.Diagnostics() {
		if d.Code == model.CodeIgnored {
			said = append(said, fmt.Sprint(d.Severity, " ", d.Origin.Kind, " ", d.Origin.Name, ": ", d.Message))
		}
	}
	want := []string{"warning attach ordr: no Deployment or Pod has this name, so the process is not used; there are order",
		"warning run team/ordr: no container has this image, so the command is not used; there are other:v1"}
	if !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
}

func TestStopAndStart(t *testing.T) {
	b := start(t, Config{})
	b.commit(deployment(2))
	b.until("both are ready", func() bool { return b.ready() == "order-a order-b" })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	do(b.r.Stop(ctx, "pod/shop/order-a", ""))
	if p := b.pod("order-a"); p.PID != 0 || p.Ready {
		t.Errorf("%+v", p)
	}
	b.until("it is stopped and stays so", func() bool { return b.pod("order-a").Phase == Stopped })
	b.until("its address is not offered", func() bool { return b.in("shop/order", model.Ready) == "order-b" })
	b.commit(deployment(2)) // and nothing takes its place
	if err := b.r.Kill(ctx, "order-a", ""); err == nil || !strings.Contains(err.Error(), "Stopped") {
		t.Errorf("kill: %v", err)
	}
	do(b.r.Start(ctx, "order-a"))
	b.until("it is back", func() bool { return b.ready() == "order-a order-b" })

	do(b.r.Stop(ctx, "order-b", STOP))
	if p := b.pod("order-b"); p.Phase != Frozen || p.PID == 0 {
		t.Errorf("%+v", p)
	}
	b.until("a frozen one fails its probe", func() bool { return b.in("shop/order", model.Ready) == "order-a" })
	do(b.r.Start(ctx, "order-b"))
	b.until("it goes on", func() bool { return b.ready() == "order-a order-b" })
	if p := b.pod("order-b"); p.Restarts != 0 {
		t.Errorf("%+v", p)
	}
	do(b.r.Stop(ctx, "order-b", STOP))
	do(b.r.Stop(ctx, "order-b", TERM)) // a frozen one can be ended
	b.until("stopped", func() bool { return b.pod("order-b").Phase == Stopped })

	if err := b.r.Start(ctx, "order-a"); err == nil || !strings.Contains(err.Error(), "running already") {
		t.Errorf("start: %v", err)
	}
	if err := b.r.Stop(ctx, "order-z", ""); !errors.Is(err, ErrNoPod) || !strings.Contains(err.Error(), "order-a, order-b") {
		t.Errorf("stop: %v", err)
	}
	if err := b.r.Stop(ctx, "order-a", "HUP"); err == nil {
		t.Error("HUP is no error")
	}
}

func TestProbes(t *testing.T) {
	dir := t.TempDir()
	ill := filepath.Join(dir, "order-a")
	b := start(t, Config{Backoff: 50 * time.Millisecond})
	w := with(deployment(1), "DIR", dir)
	w.Container.Liveness = &model.Probe{Kind: model.ProbeExec, Command: []string{"sh", "-c", "test ! -e $DIR/$POD_NAME-dead"},
		Period: 20 * time.Millisecond, Timeout: time.Second, FailureThreshold: 2}
	w.Container.Startup = &model.Probe{Kind: model.ProbeTCP, Port: containerPort, Period: 20 * time.Millisecond, Timeout: time.Second, FailureThreshold: 500}
	b.commit(w)
	b.until("ready", func() bool { return b.ready() == "order-a" })
	touch := func(name string) {
		t.Helper()
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	touch(ill)
	b.until("not ready, and says why", func() bool {
		return b.in("shop/order", model.Unhealthy) == "order-a" && strings.Contains(b.pod("order-a").Message, "answered 500")
	})
	if p := b.pod("order-a"); p.Restarts != 0 || p.Phase != Running {
		t.Errorf("%+v", p)
	}
	if err := os.Remove(ill); err != nil {
		t.Fatal(err)
	}
	b.until("ready again", func() bool { return b.ready() == "order-a" })
	pid := b.pod("order-a").PID
	touch(ill + "-dead")
	b.until("liveness restarts it", func() bool { p := b.pod("order-a"); return p.Restarts >= 1 && p.PID != pid })
	if err := os.Remove(ill + "-dead"); err != nil {
		t.Fatal(err)
	}
	b.until("ready again", func() bool { return b.ready() == "order-a" })
}

func TestStartupProbeGatesAndRestarts(t *testing.T) {
	b := start(t, Config{Backoff: 50 * time.Millisecond})
	w := deployment(1)
	w.Container.Startup = &model.Probe{Kind: model.ProbeHTTP, Path: "/none", Host: "127.0.0.1", Port: 1, Period: 30 * time.Millisecond,
		Timeout: time.Second, FailureThreshold: 3}
	b.commit(w)
	b.until("it is restarted", func() bool { return b.pod("order-a").Restarts >= 2 })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.history {
		if h == "order-a ready" {
			t.Error("it was ready before its startup probe succeeded")
		}
	}
}

func TestWatchProbeThresholds(t *testing.T) {
	results := strings.Fields("bad bad good bad good good bad bad bad good good")
	looks, out := make(chan string), make(chan verdict)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		watchProbe(ctx, readiness, model.Probe{Kind: model.ProbeExec, Period: time.Millisecond, Timeout: time.Minute, SuccessThreshold: 2, FailureThreshold: 3},
			time.Now(), func(ctx context.Context) error {
				select {
				case r := <-looks:
					if r == "bad" {
						return errors.New(r)
					}
				case <-ctx.Done():
				}
				return nil
			}, out)
	}()
	var got []string
	for n := 0; n < len(results); {
		select {
		case v := <-out:
			if v.turned {
				got = append(got, fmt.Sprint(n, v.ok))
			}
		case looks <- results[n]:
			n++
		}
	}
	v := <-out // of the last look
	got = append(got, fmt.Sprint(len(results), v.ok))
	cancel()
	<-done
	if s := strings.Join(got, " "); s != "6 true 9 false 11 true" {
		t.Errorf("turned at %s", s)
	}
}
