package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is one in this process, with its admin API on a real socket.
type process struct {
	state *explaintest.State
	acted string
}

func (p *process) Load() *snapshot.Snapshot      { return p.state.Snapshot }
func (p *process) Planes() []snapshot.PlaneState { return nil }
func (p *process) Ready() bool                   { return false }
func (p *process) Pieces() []string              { return []string{"node-1", "node-2", "slb", "gateway"} }
func (p *process) Sources() []hub.SourceStatus {
	return []hub.SourceStatus{{Name: "manifest", Required: true, Synced: true, Groups: 3, Keepers: []string{"kubernetes"}}, {Name: "registry", Failed: true, Synced: true, Error: "connection refused"}}
}
func (p *process) Act(_ context.Context, piece string, verb adminapi.Verb, signal adminapi.Signal) error {
	p.acted = string(verb) + " " + piece + " " + string(signal)
	return nil
}
func (p *process) ListenerState(id model.ListenerID) (adminapi.ListenerState, bool) {
	if id == "node-2/https" {
		return adminapi.ListenerState{Error: "127.0.0.12:8443 is in use"}, true
	}
	return adminapi.ListenerState{Bound: true, Open: 1}, true
}

func (p *process) local() *adminapi.Local {
	return &adminapi.Local{Name: "up", Version: "1", Dir: "/example", Generations: p, Control: p, Pods: p.state, Listeners: p, Actions: p,
		Addresses: func(*snapshot.Snapshot) adminapi.Addresses { return p.state }}
}

func newProcess(t *testing.T) (*process, string) {
	t.Helper()
	rejected := explaintest.IngressRoute("ingress/shop/pay/0/0", "shop.test", "/pay", model.Origin{Source: "manifest", Kind: "Ingress", Namespace: "shop", Name: "pay", File: "/example/5-pay.yaml", Line: 9}, "kubernetes/shop/pay:80")
	p := &process{state: explaintest.New(model.Objects{Routes: []model.Route{rejected}})}
	p.state.Running = append(p.state.Running, explain.Pod{Name: "pay-a", Phase: "Waiting", Reason: "no program for image pay:1"})
	for id, u := range p.state.ByID {
		for i := range u.Endpoints {
			u.Endpoints[i].Since = time.Time{}
		}
		p.state.ByID[id] = u
	}
	for i := range p.state.Running {
		p.state.Running[i].Since = time.Time{}
	}
	u := p.state.ByID[explaintest.SLBNodes]
	u.Endpoints[0].Healthy, u.Endpoints[0].Why, u.Endpoints[0].Share, u.Endpoints[1].Share = false, "connection refused", 0, 1
	u.Next = u.Endpoints[1].Addr
	p.state.ByID[explaintest.SLBNodes] = u
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	local := p.local()
	go func() {
		ended <- adminapi.New(adminapi.Config{Reader: local, Explainer: local, Health: local, Actions: p}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p, l.Addr().String()
}

func offline(_ context.Context, paths []string) (Offline, error) {
	if paths[0] == "missing" {
		return Offline{}, errors.New("missing: no such file or directory")
	}
	p := &process{state: explaintest.New()}
	local := p.local()
	local.Addresses, local.Pods, local.Listeners, local.Control, local.Actions = nil, nil, nil, nil, nil
	o := Offline{Reader: local, Explainer: local}
	if paths[0] == "broken" {
		o.Diagnostics = []model.Diagnostic{
			{Origin: model.Origin{File: "b.yaml", Line: 3, Kind: "Ingress", Name: "web"}, Field: "spec.rules", Severity: model.Error, Code: model.CodeServiceMissing, Message: "there is no Service \x1b[31mx"},
			{Origin: model.Origin{File: "a.yaml", Line: 7}, Severity: model.Warning, Code: model.CodeIgnored, Message: "this is none of ours"},
		}
	}
	return o, nil
}

// run executes a command line and returns what it printed and its exit code.
func run(e Env, args ...string) (out, errOut string, code int) {
	var o, x bytes.Buffer
	e.Out, e.Err, e.Version, e.Offline = &o, &x, "1.2.3", offline
	e.Report = func(ctx context.Context, paths, _, _ []string) (Offline, error) { return offline(ctx, paths) }
	root := &cobra.Command{Use: "paifang", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands(e)...)
	root.SetArgs(args)
	root.SetOut(&o)
	root.SetErr(&x)
	err := root.ExecuteContext(context.Background())
	Report(&x, err)
	return o.String(), x.String(), ExitCode(err)
}

// Every table, beside the command that prints it. UPDATE=1 writes the file anew.
func TestTables(t *testing.T) {
	_, addr := newProcess(t)
	const file = "testdata/tables.txtar"
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid := regexp.MustCompile(`(?m)^(PROCESS +)PID +|^(up +)[0-9]+ +`)
	old := regexp.MustCompile(`[0-9]+ (s|min|h) old`)
	for i, f := range archive.Files {
		args := strings.Fields(f.Name)
		if !strings.Contains(f.Name, " -f ") && args[0] != "check" && args[0] != "version" {
			args = append(args, "--admin", addr)
		}
		out, errOut, code := run(Env{}, args...)
		got := out
		if errOut != "" {
			got += "stderr: " + errOut
		}
		if code != 0 {
			got += "exit " + string(rune('0'+code)) + "\n"
		}
		got = old.ReplaceAllString(pid.ReplaceAllString(got, "$1${2}PID "), "T old")
		if os.Getenv("UPDATE") != "" {
			archive.Files[i].Data = []byte(got)
			continue
		}
		if got != string(f.Data) {
			t.Errorf("paifang %s prints\n%s\nwant\n%s", f.Name, got, f.Data)
		}
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJSONAndYAML(t *testing.T) {
	_, addr := newProcess(t)
	out, _, code := run(Env{}, "get", "nodes", "-o", "json", "--admin", addr)
	var view struct{ Items []adminapi.Node }
	if err := json.Unmarshal([]byte(out), &view); err != nil || code != 0 || len(view.Items) != 2 || view.Items[1].Addr != netip.MustParseAddrPort("127.0.0.12:8080") {
		t.Errorf("%d %v %s", code, err, out)
	}
	out, _, code = run(Env{}, "get", "nodes", "node-2", "-o", "yaml", "--admin", addr)
	if code != 0 || !strings.HasPrefix(out, "items:\n- addr: 127.0.0.12:8080\n") {
		t.Errorf("%d %s", code, out)
	}
	out, _, code = run(Env{}, "explain", "http://gateway.test/order/1", "-o", "json", "--admin", addr)
	var explained adminapi.Explained
	if err := json.Unmarshal([]byte(out), &explained); err != nil || code != 0 || explained.Results[0].Road != 2 {
		t.Errorf("%d %v %s", code, err, out)
	}
}

// A request that gets no answer is an exit code, so that scripts see it.
func TestSendThatFails(t *testing.T) {
	_, addr := newProcess(t)
	out, _, code := run(Env{}, "explain", "--send", "http://127.0.0.77:1/", "--admin", addr)
	if code != 1 || !strings.Contains(out, "no listener of ours has 127.0.0.77:1") || !strings.Contains(out, "nothing was sent") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestNothingToTalkTo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	want := "nothing answers at " + addr + ": start `paifang up`, or give --admin ADDRESS (PAIFANG_ADMIN)\n"
	for _, args := range [][]string{{"get", "nodes"}, {"explain", "http://shop.test/"}, {"stop", "node-1"}, {"start", "node-1"}} {
		if out, errOut, code := run(Env{}, append(args, "--admin", addr)...); out != "" || errOut != want || code != 1 {
			t.Errorf("%v prints %q and %q, exit %d", args, out, errOut, code)
		}
	}
	t.Setenv("PAIFANG_ADMIN", addr)
	if _, errOut, _ := run(Env{}, "get", "nodes"); errOut != want {
		t.Errorf("PAIFANG_ADMIN is not read: %q", errOut)
	}
}

func TestStopAndStart(t *testing.T) {
	p, addr := newProcess(t)
	for _, c := range []struct {
		args        []string
		out, acted  string
		errContains string
		code        int
	}{
		{[]string{"stop", "node-1"}, "node-1 is stopped\n", "stop node-1 TERM", "", 0},
		{[]string{"stop", "node-1", "--signal", "STOP"}, "node-1 is frozen\n", "stop node-1 STOP", "", 0},
		{[]string{"start", "node-1"}, "node-1 is started\n", "start node-1 CONT", "", 0},
		{[]string{"stop", "gatway"}, "", "", `there is no piece "gatway": there are gateway, node-1, node-2, slb`, 1},
		{[]string{"stop", "node-1", "--signal", "HUP"}, "", "", "to stop there are TERM, KILL and STOP", 2},
		{[]string{"stop"}, "", "", "want one piece", 2},
		{[]string{"stop", "node-1", "node-2"}, "", "", "want one piece", 2},
	} {
		p.acted = ""
		out, errOut, code := run(Env{}, append(c.args, "--admin", addr)...)
		if out != c.out || p.acted != c.acted || code != c.code || !strings.Contains(errOut, c.errContains) {
			t.Errorf("%v prints %q and %q, acted %q, exit %d", c.args, out, errOut, p.acted, code)
		}
	}
}

func TestNotUnderstood(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"get"}, "kinds are roads, nodes"},
		{[]string{"get", "nods"}, `nothing is called "nods": there are nodes, roads`},
		{[]string{"get", "nodes", "-o", "zone"}, "-o zone: there are table, wide, json, yaml"},
		{[]string{"get", "nodes", "--colour"}, "unknown flag: --colour"},
		{[]string{"explain"}, "want a URL"},
		{[]string{"explain", "--send", "-f", "x", "http://shop.test/"}, "give one of them"},
		{[]string{"check"}, "at least one file"},
		{[]string{"version", "x"}, "no arguments"},
	} {
		if out, errOut, code := run(Env{}, c.args...); code != 2 || out != "" || !strings.Contains(errOut, c.want) || !strings.Contains(errOut, "--help") {
			t.Errorf("%v prints %q and %q, exit %d", c.args, out, errOut, code)
		}
	}
}

func TestColoursOnlyWhereAsked(t *testing.T) {
	_, addr := newProcess(t)
	if out, _, _ := run(Env{}, "get", "nodes", "--admin", addr); strings.Contains(out, "\x1b") {
		t.Errorf("colours without a terminal: %q", out)
	}
	out, _, _ := run(Env{Color: true}, "get", "nodes", "--admin", addr)
	bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(out, "")
	want, _, _ := run(Env{}, "get", "nodes", "--admin", addr)
	if !strings.Contains(out, "\x1b[31munhealthy\x1b[0m") || bare != want {
		t.Errorf("coloured\n%s\nwithout colours\n%s", out, bare)
	}
}

func TestProgressAfterASecond(t *testing.T) {
	var b bytes.Buffer
	e := Env{Err: &b, Progress: true}
	if err := e.during("waiting", func() error { return nil }); err != nil || b.Len() > 0 {
		t.Errorf("quick work shows %q", b.String())
	}
	held := make(chan struct{})
	timer := time.AfterFunc(1200*time.Millisecond, func() { close(held) })
	defer timer.Stop()
	if err := e.during("waiting", func() error { <-held; return errFound }); !errors.Is(err, errFound) || !strings.HasPrefix(b.String(), "\rwaiting, 1 s …") || !strings.HasSuffix(b.String(), "\x1b[K") {
		t.Errorf("slow work shows %q, %v", b.String(), err)
	}
}
