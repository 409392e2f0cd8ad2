package up

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"paifang/internal/adminapi"
	"paifang/internal/app"
)

func plan(t *testing.T, o Options) *Plan {
	t.Helper()
	if o.State == "" {
		o.State = filepath.Join(t.TempDir(), "state")
	}
	if o.Addresses == "" {
		o.Addresses = "many"
	}
	p, err := NewPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAddresses(t *testing.T) {
	p := plan(t, Options{PortOffset: 100, At: map[string]string{"dns": "127.0.0.1:53"}})
	for piece, want := range map[string]string{"slb": "127.0.0.10:8180", "node-2-tls": "127.0.0.12:8543", "gateway": "127.0.0.20:8180",
		"dns": "127.0.0.1:53", "registry": "127.0.0.1:8948", "admin": "127.0.0.1:8188"} {
		if got := p.Addr[piece].String(); got != want {
			t.Errorf("%s is at %s, want %s", piece, got, want)
		}
	}
	if c := p.Config; c.DNS.Address != p.Addr["dns"] || c.Gateway.HTTP != p.Addr["gateway"] || c.Admin.Address != p.Addr["admin"] ||
		c.SLB.Listeners[0].Nodes[1].Address != p.Addr["node-2"] || c.Ingress.Advertise[0] != p.Addr["slb"].Addr() || c.Pods.HostPortOffset != 100 {
		t.Errorf("the configuration has other addresses: %+v", c)
	}
	single := plan(t, Options{Addresses: "single"})
	seen := map[netip.AddrPort]string{}
	for piece, at := range single.Addr {
		if other, taken := seen[at]; taken || at.Addr() != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("single: %s is at %s, like %q", piece, at, other)
		}
		seen[at] = piece
	}
}

// A registry whose ports are on loopback asks nobody and keeps nothing; where one of them is not, everybody logs in, pods and other
// processes too.
func TestRegistryOffLoopback(t *testing.T) {
	for _, c := range []struct {
		at     map[string]string
		asks   bool
		client string
	}{
		{nil, false, ""},
		{map[string]string{"registry": "192.0.2.1:8848"}, true, "nacos"},
		{map[string]string{"registry-grpc": "192.0.2.1:9848"}, true, "nacos"},
	} {
		p := plan(t, Options{At: c.at, Split: true})
		r, env, n := p.registry(), p.registryEnv(), p.registryClient()
		if asks := r.Auth != "off"; asks != c.asks || (r.Storage == "memory") == c.asks {
			t.Errorf("%v: %+v", c.at, r)
		}
		if env["PAIFANG_REGISTRY_USERNAME"] != c.client || n.Username != c.client || (n.Password != "") != c.asks || (env["PAIFANG_REGISTRY_PASSWORD_FILE"] != "") != c.asks {
			t.Errorf("%v: pods have %v, other processes %+v", c.at, env, n)
		}
	}
}

// Pods keep their ports: two ups side by side need ranges of their own.
func TestPodRanges(t *testing.T) {
	seen := map[netip.Prefix]int{}
	for _, offset := range []int{0, -1, 100, 200, 253, 254, 255, 300, 400, 500, 508, 1000, 20000, 32000} {
		p := plan(t, Options{})
		p.PortOffset = offset
		for node := byte(1); node <= 2; node++ {
			r := p.podRange(node)
			if other, taken := seen[r]; taken || r.Addr().As4()[1] == 0 {
				t.Errorf("offset %d, node %d: %s, which offset %d has", offset, node, r, other)
			}
			seen[r] = offset
		}
	}
	if got := plan(t, Options{}).podRange(2).String(); got != "127.1.2.0/24" {
		t.Errorf("node-2 has %s without an offset, want 127.1.2.0/24", got)
	}
}

func TestWrongOptions(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Addresses: "some"}, `--addresses "some": want auto, many or single`},
		{Options{PortOffset: 60000}, "--port-offset 60000: port 8080 of slb would be 68080"},
		{Options{PortOffset: -9000}, "--port-offset -9000"},
		{Options{At: map[string]string{"slb": "localhost:80"}}, `--slb "localhost:80": want IP:port, such as 127.0.0.10:8080`},
		{Options{Attach: map[string]string{"order": "9000"}}, "--attach order=9000: want DEPLOYMENT=IP:PORT"},
		{Options{LogLevel: "loud"}, `--log-level "loud": want debug`},
		{Options{At: map[string]string{"dns": "127.0.0.1:0"}}, `--dns "127.0.0.1:0": want IP:port`},
		{Options{At: map[string]string{"admin": "192.0.2.1:8088"}}, "--admin 192.0.2.1:8088: give a loopback address"},
		{Options{At: map[string]string{"slb": "0.0.0.0:80"}}, "--slb 0.0.0.0:80: give one address of this machine"},
		{Options{At: map[string]string{"gateway": "127.0.0.10:80", "slb": "127.0.0.10:80"}}, "SLB, HTTP and gateway are both at 127.0.0.10:80: give --slb or --gateway another IP:port"},
		{Options{Split: true, At: map[string]string{"gateway": "127.0.0.1:8104"}}, "gateway and admin API of slb are both at 127.0.0.1:8104"},
		{Options{Split: true, Actuator: "token"}, "leave out --split"},
		{Options{Traces: "ftp://x"}, `tracing.collector: "ftp://x": ftp is none of grpc, grpcs, http, https`},
		{Options{Zone: "a b"}, `dns.zones[0]: "a b" is not a name`},
		{Options{GatewayHost: "gateway..test"}, `gateway.host: "gateway..test" is not a name`},
		{Options{Dir: "missing-dir"}, "missing-dir: no such file or directory: give a directory"},
		{Options{Dir: text}, "is neither a directory nor a YAML file"},
	} {
		if _, err := NewPlan(c.o); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "The system cannot find the file specified.", "no such file or directory"), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

func TestTakenPortsAreToldTogether(t *testing.T) {
	p := freePlan(t, Options{Addresses: "single", State: t.TempDir()})
	l, err := net.Listen("tcp", p.Addr["admin"].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	u, err := net.ListenPacket("udp", p.Addr["dns"].String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()

	said := p.CheckPorts(t.Context())
	if said == nil {
		t.Fatal("two taken ports are no error")
	}
	lines := strings.Split(said.Error(), "\n")
	if len(lines) != 4 || !strings.Contains(lines[3], "--port-offset") {
		t.Fatalf("want a line for each of two ports between head and hint:\n%v", said)
	}
	for i, piece := range []string{"dns", "admin"} {
		want := []string{piece, p.Addr[piece].String(), "in use", "--" + piece + " "}
		if runtime.GOOS == "linux" {
			want = append(want, fmt.Sprintf("process %d (", os.Getpid()))
		}
		for _, w := range want {
			if !strings.Contains(lines[1+i], w) {
				t.Errorf("%q lacks %q", lines[1+i], w)
			}
		}
	}
	var out bytes.Buffer
	if err := p.Run(t.Context(), &out); err == nil || err.Error() != said.Error() {
		t.Errorf("up says %v, want the same", err)
	}
	if files, err := os.ReadDir(p.State); err != nil || len(files) != 0 {
		t.Errorf("up has begun before it looked at the ports: %v %v", files, err)
	}
}

func TestExampleKeepsEdits(t *testing.T) {
	p := plan(t, Options{})
	prepare := func() {
		t.Helper()
		if err := p.Prepare(); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(p.Paths[0], name))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	prepare()
	pods := read("1-pods.yaml")
	for _, name := range []string{"1-pods.yaml", "2-service.yaml"} {
		if err := os.WriteFile(filepath.Join(p.Paths[0], name), []byte("# edited\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(p.Paths[0], "2-service.yaml")); err != nil {
		t.Fatal(err)
	}
	prepare()
	if got := read("1-pods.yaml"); got != "# edited\n" {
		t.Errorf("an edited file was overwritten: %q", got)
	}
	if read("2-service.yaml") == "" {
		t.Error("a file that is not there was not placed again")
	}
	p.Fresh = true
	prepare()
	if read("1-pods.yaml") != pods {
		t.Error("--fresh keeps the edit")
	}

	foreign := plan(t, Options{State: t.TempDir(), Fresh: true})
	mine := filepath.Join(foreign.State, "thesis.tex")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := foreign.Prepare(); err == nil || !strings.Contains(err.Error(), foreign.State) {
		t.Errorf("--fresh of a directory that is not ours: %v", err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("--fresh has emptied a directory that is not ours: %v", err)
	}
}

func TestCommands(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("programs are found by their extension")
	}
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"} {
		t.Setenv(name, "")
	}
	lines := func(p *Plan) string {
		var out []string
		for _, c := range p.Commands() {
			if c.Shows == "" {
				t.Errorf("%s shows nothing", c.Line)
			}
			out = append(out, c.Line)
		}
		return strings.Join(out, "\n") + "\n"
	}
	p := plan(t, Options{})
	if got := lines(p); strings.Contains(got, "curl") || strings.Contains(got, "dig") || !strings.Contains(got, " explain --send http://gateway.test/order/42\n") {
		t.Errorf("without curl and dig:\n%s", got)
	}
	for _, name := range []string{"dig", "curl"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"dig @127.0.0.1 -p 8053 +short shop.test\n",
		"curl -H 'Host: shop.test' http://127.0.0.10:8080/order/42\n",
		"dig @127.0.0.1 -p 8053 +short gateway.test\n",
		"curl -H 'Host: gateway.test' http://127.0.0.20:8080/order/42\n",
		" explain http://shop.test/order/42\n",
		"curl '127.0.0.1:8848/nacos/v1/ns/instance/list?serviceName=nacos-order-service'\n",
		"curl http://127.0.0.1:8088/\n",
	} {
		if got := lines(p); !strings.Contains(got, want) {
			t.Errorf("no %sin\n%s", want, got)
		}
	}
	t.Setenv("https_proxy", "http://proxy.example:3128")
	moved := plan(t, Options{PortOffset: 100, GatewayHost: "api.test"})
	for _, want := range []string{
		"dig @127.0.0.1 -p 8153 +short api.test\n",
		"curl --noproxy '*' -H 'Host: api.test' http://127.0.0.20:8180/order/42\n",
		" explain --admin 127.0.0.1:8188 http://shop.test/order/42\n",
	} {
		if got := lines(moved); !strings.Contains(got, want) {
			t.Errorf("no %sin\n%s", want, got)
		}
	}
	own := plan(t, Options{Dir: t.TempDir()})
	if got := lines(own); strings.Contains(got, "shop.test") || !strings.Contains(got, " get routes\n") {
		t.Errorf("for a directory of one's own:\n%s", got)
	}
	var table bytes.Buffer
	if err := own.PrintTable(&table); err != nil || !strings.Contains(table.String(), own.Dir+" (empty: ") {
		t.Errorf("the table does not say that the directory is empty (%v):\n%s", err, table.String())
	}
}

func TestPrintedConfigurationIsOne(t *testing.T) {
	p := plan(t, Options{PrintConfig: true, Fresh: true, Programs: map[string]string{"shop": "./shop"}, Attach: map[string]string{"order": "127.0.0.1:9000"}})
	if err := os.MkdirAll(p.State, 0o700); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(p.State, ".paifang-up")
	if err := os.WriteFile(kept, []byte("process 1\nadmin 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	c, err := app.ParseConfig("printed.yaml", out.Bytes())
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	if again, err := c.Print(); err != nil || !slices.Equal(again, out.Bytes()) {
		t.Errorf("printed\n%sread and printed\n%s(%v)", out.String(), again, err)
	}
	// serve must be able to run it, and a process that uses the state must not lose it.
	for _, name := range append(slices.Clone(c.Sources.Manifests), filepath.Dir(c.Log.Access), filepath.Join(c.Sources.Routes[0], "4-routes.yaml")) {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("the printed configuration names what is not there: %v", err)
		}
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "process 1\nadmin 127.0.0.1:1\n" {
		t.Errorf("--print-config has taken the state directory: %q %v", text, err)
	}
}

// A configuration is read in another directory than it was printed in. Who runs up sees files as they were named.
func TestPrintedConfigurationHasWholePaths(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("rules", 0o700); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, Options{State: "state", Dir: "rules"}); p.Paths[0] != "rules" {
		t.Errorf("%s is watched, want rules", p.Paths[0])
	}
	p := plan(t, Options{State: "state", Dir: "rules", PrintConfig: true})
	for _, path := range []string{p.Config.Sources.Manifests[0], p.Config.Data, p.Config.Log.Access, p.Config.Pods.Logs} {
		if !filepath.IsAbs(path) {
			t.Errorf("%s is relative", path)
		}
	}
}

func TestZoneOfOnesOwn(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if err := os.WriteFile(filepath.Join(bin, "dig"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o     Options
		zones string
		lines []string // that are printed
		not   string   // that is not
	}{
		{Options{Zone: "corp.example"}, "[corp.example test]", []string{"+short shop.test", "+short gateway.corp.example", "--send http://gateway.corp.example/order/42"}, "gateway.test"},
		{Options{Zone: "corp.example", Dir: bin}, "[corp.example]", []string{"+short gateway.corp.example"}, "shop."},
		{Options{GatewayHost: "api.example"}, "[test]", []string{"+short shop.test", "--send -H 'Host: api.example' http://127.0.0.20:8080/order/42"}, "+short api.example"},
	} {
		p := plan(t, c.o)
		text := fmt.Sprint(p.Commands())
		if got := fmt.Sprint(p.Config.DNS.Zones); got != c.zones {
			t.Errorf("--zone %q: DNS answers for %s, want %s", c.o.Zone, got, c.zones)
		}
		for _, line := range c.lines {
			if !strings.Contains(text, line) {
				t.Errorf("--zone %q --gateway-host %q: no %q in %s", c.o.Zone, c.o.GatewayHost, line, text)
			}
		}
		if strings.Contains(text, c.not) {
			t.Errorf("--zone %q --gateway-host %q: %q in %s", c.o.Zone, c.o.GatewayHost, c.not, text)
		}
	}
}

func TestStartedAgainAsItWas(t *testing.T) {
	const id = "0e30f7043227a7726af6298725237d6eb810d443e4494b3f7dfd4a5a0a811c8f"
	for _, c := range []struct{ exe, wd, want string }{
		{"/tmp/go-build2697893596/b001/exe/paifang", "/src", "go run ./cmd/paifang"},
		{"/root/.cache/go-build/0e/" + id + "-d/paifang", "/src", "go run ./cmd/paifang"},
		{"/cache/0e/" + id + "-d/paifang", "/src", "go run ./cmd/paifang"},
		{"/home/ann/go-build-tools/paifang", "/src", "/home/ann/go-build-tools/paifang"},
		{"/src/paifang", "/src", "./paifang"},
		{"/src/bin/paifang", "/src", "./bin/paifang"},
		{"/opt/my tools/paifang", "/src", "'/opt/my tools/paifang'"},
		{"/src/it's/paifang", "/src", `'./it'\''s/paifang'`},
		{"/opt/paifang", "", "/opt/paifang"},
	} {
		if runtime.GOOS == "windows" {
			t.Skip("paths of another system")
		}
		if got := again(c.exe, c.wd); got != c.want {
			t.Errorf("%s, in %s: %s, want %s", c.exe, c.wd, got, c.want)
		}
	}
}

// Whoever is told that one is running has to find its process and its directory, with --split too, where others answer first.
func TestTheUpAmongItsPieces(t *testing.T) {
	up := adminapi.Info{Name: "up", PID: 7, State: filepath.Join("s", "data")}
	for _, all := range [][]adminapi.Info{{up}, {{Name: "dns", PID: 3, State: filepath.Join("s", "data", "dns")}, up}} {
		if i := theUp(all); i.PID != 7 || i.State != "s" {
			t.Errorf("of %+v: %+v", all, i)
		}
	}
	if i := theUp([]adminapi.Info{{Name: "serve", PID: 9, State: "d"}}); i.PID != 9 || i.State != "d" {
		t.Errorf("a process that is no up: %+v", i)
	}
}
