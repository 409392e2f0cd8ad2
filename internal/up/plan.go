// Package up is `paifang up`: it builds the configuration of everything embedded on one machine, checks that it can
// start, hands it to app like any other configuration, and tells a person what runs where and what changes.
package up

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"paifang/internal/app"
)

// Options are the flags of up.
type Options struct {
	Dir         string            // manifests and routes; empty = the built-in example
	State       string            // directory for state; empty = one of the user's, outside the working tree
	Fresh       bool              // empty the state first
	Addresses   string            // auto, many (127.0.0.10 and so on) or single (ports of 127.0.0.1)
	PortOffset  int               // added to every port
	GatewayHost string            // the gateway's name in DNS; empty = gateway. and the zone
	Zone        string            // that DNS answers for
	At          map[string]string // piece: address:port given by its flag
	Programs    map[string]string // image: command line
	Attach      map[string]string // deployment: IP:port
	Logs        bool              // show what pods print
	Split       bool              // every piece as a process of its own
	PrintConfig bool
	LogLevel    string
	Actuator    string // file with the token for /actuator/gateway, made where there is none; empty = it is off
	Traces      string // who takes the spans of traces; empty = nothing is traced
}

// address is one place where up listens.
type address struct {
	Piece  string // what listens: the name that the flag has
	Says   string // for the table
	Many   string
	Single string
	UDP    bool
	of     string // of the admin API of a piece that is a process of its own
}

// addresses lists every place where up listens, in the order of the table. The defaults are the product's; each has a
// flag of its name.
func addresses() []address {
	return []address{
		{Piece: "slb", Says: "SLB, HTTP", Many: "127.0.0.10:8080", Single: "127.0.0.1:8080"},
		{Piece: "slb-tls", Says: "SLB, HTTPS", Many: "127.0.0.10:8443", Single: "127.0.0.1:8443"},
		{Piece: "node-1", Says: "ingress node 1", Many: "127.0.0.11:8080", Single: "127.0.0.1:8081"},
		{Piece: "node-1-tls", Says: "ingress node 1, HTTPS", Many: "127.0.0.11:8443", Single: "127.0.0.1:8444"},
		{Piece: "node-2", Says: "ingress node 2", Many: "127.0.0.12:8080", Single: "127.0.0.1:8082"},
		{Piece: "node-2-tls", Says: "ingress node 2, HTTPS", Many: "127.0.0.12:8443", Single: "127.0.0.1:8445"},
		{Piece: "gateway", Says: "gateway", Many: "127.0.0.20:8080", Single: "127.0.0.1:8090"},
		{Piece: "dns", Says: "DNS, UDP and TCP", Many: "127.0.0.1:8053", Single: "127.0.0.1:8053", UDP: true},
		{Piece: "registry", Says: "registry, HTTP", Many: "127.0.0.1:8848", Single: "127.0.0.1:8848"},
		{Piece: "registry-grpc", Says: "registry, gRPC", Many: "127.0.0.1:9848", Single: "127.0.0.1:9848"},
		{Piece: "admin", Says: "admin API and console", Many: "127.0.0.1:8088", Single: "127.0.0.1:8088"},
	}
}

// Place is an address that a flag moves.
type Place struct {
	Flag    string // its name
	Says    string // what listens there
	Default string // IP:port
}

// Places lists the addresses that flags move.
func Places() []Place {
	var out []Place
	for _, a := range addresses() {
		out = append(out, Place{a.Piece, a.Says, a.Many})
	}
	return out
}

// Plan is what up is about to do.
type Plan struct {
	Options
	Single bool                      // only 127.0.0.1 is there
	Addr   map[string]netip.AddrPort // by piece
	Paths  []string                  // what is read and watched
	Config app.Config
}

// NewPlan resolves the options. It touches nothing but the directories it looks at.
func NewPlan(o Options) (*Plan, error) {
	p := &Plan{Options: o, Addr: map[string]netip.AddrPort{}}
	switch o.Addresses {
	case "", "auto":
		p.Single = !canBind("127.0.0.10")
	case "many":
	case "single":
		p.Single = true
	default:
		return nil, fmt.Errorf("up: --addresses %q: want auto, many or single", o.Addresses)
	}
	if p.Zone == "" {
		p.Zone = exampleZone
	}
	if p.GatewayHost == "" {
		p.GatewayHost = "gateway." + p.Zone
	}
	if !slices.Contains([]string{"", "debug", "info", "warn", "error"}, o.LogLevel) {
		return nil, fmt.Errorf("up: --log-level %q: want debug, info, warn or error", o.LogLevel)
	}
	if o.Actuator != "" && o.Split {
		return nil, errors.New("up: --actuator is for a gateway in this process: leave out --split")
	}
	for name, at := range o.Attach {
		if _, err := netip.ParseAddrPort(at); err != nil {
			return nil, fmt.Errorf("up: --attach %s=%s: want DEPLOYMENT=IP:PORT, such as %s=127.0.0.1:9000", name, at, name)
		}
	}
	for _, a := range addresses() {
		addr, err := p.address(a)
		if err != nil {
			return nil, err
		}
		p.Addr[a.Piece] = addr
	}
	if err := p.apart(); err != nil {
		return nil, err
	}
	if err := p.directories(); err != nil {
		return nil, err
	}
	p.Config = p.config()
	if err := p.Config.Check(); err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	return p, nil
}

// apart is an error for flags that give two pieces one address, which no look at free ports would find.
func (p *Plan) apart() error {
	all := p.listened()
	for i, a := range all {
		for _, b := range all[:i] {
			if app.Collide(p.where(a), p.where(b)) {
				return fmt.Errorf("up: %s and %s are both at %s: give --%s or --%s another IP:port", b.Says, a.Says, p.where(a), b.Piece, a.Piece)
			}
		}
	}
	return nil
}

// where an address of listened is.
func (p *Plan) where(a address) netip.AddrPort {
	if a.of != "" {
		return p.adminOf(a.of)
	}
	return p.Addr[a.Piece]
}

func (p *Plan) address(a address) (netip.AddrPort, error) {
	if text, ok := p.At[a.Piece]; ok {
		addr, err := netip.ParseAddrPort(text)
		if err != nil || addr.Port() == 0 {
			return addr, fmt.Errorf("up: --%s %q: want IP:port, such as %s", a.Piece, text, a.Many)
		}
		if addr.Addr().IsUnspecified() { // DNS, registry and the other pieces have to be told where it is
			return addr, fmt.Errorf("up: --%s %s: give one address of this machine, such as %s, not all of them", a.Piece, text, a.Many)
		}
		if a.Piece == "admin" && !addr.Addr().IsLoopback() {
			return addr, fmt.Errorf("up: --admin %s: give a loopback address, such as %s: who reaches the admin API may stop pieces", text, a.Many)
		}
		return addr, nil
	}
	text := a.Many
	if p.Single {
		text = a.Single
	}
	addr := netip.MustParseAddrPort(text)
	port := int(addr.Port()) + p.PortOffset
	const split = 20 // ports of admin APIs behind the last one, see adminOf
	if port < 1 || port > 65535-split {
		return addr, fmt.Errorf("up: --port-offset %d: port %d of %s would be %d, and the last that can be is %d", p.PortOffset, addr.Port(), a.Piece, port, 65535-split)
	}
	return netip.AddrPortFrom(addr.Addr(), uint16(port)), nil
}

func canBind(ip string) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// directories settles where the state and the files to read are.
func (p *Plan) directories() error {
	if p.State == "" {
		base, err := stateHome()
		if err != nil {
			return fmt.Errorf("up: no place for state: %w: give --state DIR", err)
		}
		p.State = filepath.Join(base, "paifang", "up")
		if p.PortOffset != 0 {
			p.State += fmt.Sprintf("%+d", p.PortOffset)
		}
	}
	var err error
	if p.State, err = filepath.Abs(p.State); err != nil {
		return fmt.Errorf("up: --state: %w", err)
	}
	if p.Dir == "" {
		p.Paths = []string{filepath.Join(p.State, "example")}
		return nil
	}
	info, err := os.Stat(p.Dir)
	if err != nil {
		return fmt.Errorf("up: %s: %w: give a directory with manifests and routes, or none for the built-in example", p.Dir, unwrapPath(err))
	}
	if !info.IsDir() && !isYAML(p.Dir) {
		return fmt.Errorf("up: %s is neither a directory nor a YAML file", p.Dir)
	}
	p.Paths = []string{p.Dir} // as it was given: so are its files shown
	if p.PrintConfig {
		if p.Paths[0], err = filepath.Abs(p.Dir); err != nil { // who reads the configuration may be elsewhere
			return fmt.Errorf("up: %s: %w", p.Dir, err)
		}
	}
	return nil
}

func isYAML(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}

func unwrapPath(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// stateHome is where programs of this user keep state.
func stateHome() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return dir, nil
	}
	return os.UserCacheDir()
}

// podRange is where the pods of a node, 1 or 2, have their addresses: 127.1.1.0/24 and 127.1.2.0/24, or, with a port
// offset, a range of its own, because pods keep their ports.
func (p *Plan) podRange(node byte) netip.Prefix {
	const second, third = 254, 127 // so many networks, and pairs of nodes in each
	n := (p.PortOffset%(second*third) + second*third) % (second * third)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(1 + n%second), byte(n/second*2) + node, 0}), 24)
}

// The zone of the built-in example, and the host in its rules.
const (
	exampleZone = "test"
	exampleHost = "shop.test"
)

// zones are what DNS answers for. The example's host lies where it lies, whatever --zone says.
func (p *Plan) zones() []string {
	if p.Dir == "" && p.Zone != exampleZone {
		return []string{p.Zone, exampleZone}
	}
	return []string{p.Zone}
}

// config is the same configuration that `paifang serve` reads from a file.
func (p *Plan) config() app.Config {
	slb, at := p.Addr["slb"].Addr(), p.Addr
	nodes := []app.Node{{Name: "node-1", HTTP: at["node-1"], HTTPS: at["node-1-tls"]}, {Name: "node-2", HTTP: at["node-2"], HTTPS: at["node-2-tls"]}}
	behind := func(tls bool) []app.SLBNode {
		var out []app.SLBNode
		for _, n := range nodes {
			addr := n.HTTP
			if tls {
				addr = n.HTTPS
			}
			out = append(out, app.SLBNode{Name: n.Name, Address: addr})
		}
		return out
	}
	c := app.Config{
		Data:    filepath.Join(p.State, "data"),
		Admin:   app.Admin{Address: at["admin"]},
		Log:     app.Log{Level: p.LogLevel, Access: filepath.Join(p.State, "access.log")},
		Sources: app.Sources{Manifests: p.Paths, Routes: p.Paths},
		Leave:   app.Duration(-time.Second),    // the SLB ends together with what is behind it
		Drain:   app.Duration(4 * time.Second), // with the pods' it stays below the ten seconds that Ctrl-C may take
		DNS:     &app.DNS{Address: at["dns"], Zones: p.zones()},
		SLB: &app.SLB{Listeners: []app.SLBListener{
			{Name: "http", Address: at["slb"], Nodes: behind(false)},
			{Name: "https", Address: at["slb-tls"], Nodes: behind(true)},
		}},
		Ingress:  &app.Ingress{Nodes: nodes, Advertise: []netip.Addr{slb}, ProxyFrom: []netip.Prefix{netip.PrefixFrom(slb, slb.BitLen())}},
		Gateway:  &app.Gateway{HTTP: at["gateway"], Host: p.GatewayHost},
		Registry: p.registry(),
		Bridge:   &app.Bridge{},
		Pods: &app.Pods{
			Run: p.Programs, Attach: p.Attach, Logs: filepath.Join(p.State, "pods"), Single: p.Single,
			HostPortOffset: p.PortOffset, Within: app.Duration(4 * time.Second),
			Env: p.registryEnv(),
			Nodes: []app.PodNode{
				{Name: "node-1", Range: p.podRange(1), Addr: at["node-1"].Addr()},
				{Name: "node-2", Range: p.podRange(2), Addr: at["node-2"].Addr()},
			},
		},
	}
	c.Tracing.Collector = p.Traces
	if p.Actuator != "" {
		c.Sources.Spring.Actuator = &app.Actuator{TokenFile: p.Actuator}
	}
	return c
}
