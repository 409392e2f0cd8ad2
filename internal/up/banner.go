package up

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
)

// self is how a person starts this program again: go run, or the binary's path.
func self() string {
	exe, err := os.Executable()
	if err != nil {
		return "paifang"
	}
	wd, _ := os.Getwd()
	return again(exe, wd)
}

// again is what to type in a directory to have a program run that was started as exe.
func again(exe, wd string) string {
	if byGoRun(filepath.ToSlash(exe)) {
		return "go run ./cmd/paifang"
	}
	if rel, err := filepath.Rel(wd, exe); wd != "" && err == nil && filepath.IsLocal(rel) {
		exe = "." + string(filepath.Separator) + rel
	}
	return quoted(exe)
}

// byGoRun tells a program that go run has built: in its temporary directory, or, from the second time on, in the build
// cache, which may be anywhere.
func byGoRun(exe string) bool {
	return regexp.MustCompile(`/go-build\d+/b\d+/exe/[^/]+$|/[0-9a-f]{2}/[0-9a-f]{64}-d/[^/]+$`).MatchString(exe)
}

// quoted is a path as a shell takes it for one word.
func quoted(path string) string {
	plain := func(r rune) bool {
		return r == '/' || r == '.' || r == '-' || r == '_' || r == '+' || r == ':' || r == '\\' || unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	if !strings.ContainsFunc(path, func(r rune) bool { return !plain(r) }) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// Command is one line to paste into a second terminal, and what it shows.
type Command struct{ Line, Shows string }

// Commands are the lines that up prints: those whose program is on this machine.
func (p *Plan) Commands() []Command {
	var out []Command
	have := func(name string) bool { _, err := exec.LookPath(name); return err == nil }
	dns := p.Addr["dns"]
	dig := func(host string, to netip.AddrPort, what string) {
		if have("dig") && p.ours(host) {
			out = append(out, Command{fmt.Sprintf("dig @%s -p %d +short %s", dns.Addr(), dns.Port(), host), fmt.Sprintf("%s, %s", to.Addr(), what)})
		}
	}
	proxy := ""
	for _, name := range []string{"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"} {
		if os.Getenv(name) != "" {
			proxy = "--noproxy '*' "
		}
	}
	curl := func(rest, shows string) {
		if have("curl") {
			out = append(out, Command{"curl " + proxy + rest, shows})
		}
	}
	slb, gateway := p.Addr["slb"], p.Addr["gateway"]
	shop, order := exampleHost, "/order/42"
	admin := ""
	if p.Addr["admin"].String() != "127.0.0.1:8088" {
		admin = " --admin " + p.Addr["admin"].String()
	}
	example := p.Dir == ""
	if example {
		dig(shop, slb, "the SLB")
		curl(fmt.Sprintf("-H 'Host: %s' http://%s%s", shop, slb, order), "road 1")
	}
	dig(p.GatewayHost, gateway, "the gateway")
	if example {
		curl(fmt.Sprintf("-H 'Host: %s' http://%s%s", p.GatewayHost, gateway, order), "road 2")
		url := "http://" + p.GatewayHost + order
		if !p.ours(p.GatewayHost) {
			url = fmt.Sprintf("-H 'Host: %s' http://%s%s", p.GatewayHost, gateway, order)
		}
		out = append(out,
			Command{fmt.Sprintf("%s explain%s http://%s%s", self(), admin, shop, order), "every hop, numbered"},
			Command{fmt.Sprintf("%s explain%s --send %s", self(), admin, url), "the same of a request that is made"})
		curl(fmt.Sprintf("'%s/nacos/v1/ns/instance/list?serviceName=nacos-order-service'", p.Addr["registry"]), "what the registry knows")
	} else {
		curl(fmt.Sprintf("'%s/nacos/v1/ns/service/list?pageNo=1&pageSize=10'", p.Addr["registry"]), "what the registry knows")
		out = append(out,
			Command{self() + " get" + admin + " routes", "hosts and paths, and where they lead"},
			Command{self() + " get" + admin + " diagnostics", "what is wrong"})
	}
	out = append(out, Command{self() + " get" + admin + " roads", "which application is on which road"})
	curl(fmt.Sprintf("http://%s/", p.Addr["admin"]), "both roads with what goes through them; in a browser: live")
	return out
}

// ours tells whether a host lies in a zone that our DNS answers for: of others it knows nothing.
func (p *Plan) ours(host string) bool {
	return slices.ContainsFunc(p.zones(), func(zone string) bool { return host == zone || strings.HasSuffix(host, "."+zone) })
}

// watching is what is read, by its whole path, and a hint where there is nothing in it yet.
func (p *Plan) watching() string {
	out := make([]string, len(p.Paths))
	for i, path := range p.Paths {
		out[i] = path
		if whole, err := filepath.Abs(path); err == nil {
			out[i] = whole
		}
		if files, err := os.ReadDir(path); err == nil && len(files) == 0 {
			out[i] += " (empty: manifests and routes that are saved there are read at once)"
		}
	}
	return strings.Join(out, ", ")
}

// PrintTable writes what runs where and the commands to paste.
func (p *Plan) PrintTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHAT\tWHERE")
	for _, a := range addresses() {
		fmt.Fprintf(t, "%s\t%s\n", a.Says, p.Addr[a.Piece])
	}
	fmt.Fprintf(t, "watching\t%s\n", p.watching())
	fmt.Fprintf(t, "state\t%s\n", p.State)
	fmt.Fprintf(t, "pod logs\t%s\n", p.Config.Pods.Logs)
	if p.Split {
		fmt.Fprintf(t, "access logs\t%s\n", filepath.Join(p.State, "access-PIECE.log"))
		fmt.Fprintf(t, "pieces' logs\t%s\n", filepath.Join(p.State, "pieces"))
	} else {
		fmt.Fprintf(t, "access log\t%s\n", p.Config.Log.Access)
	}
	fmt.Fprintln(t, "\nPASTE INTO A SECOND TERMINAL\tSHOWS")
	for _, c := range p.Commands() {
		fmt.Fprintf(t, "%s\t# %s\n", c.Line, c.Shows)
	}
	if p.Single {
		fmt.Fprintf(t, "\nonly 127.0.0.1 is used here; %s\t\n", moreAddresses(p))
	}
	fmt.Fprintln(t)
	return t.Flush()
}
