package app

import (
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

var update = flag.Bool("update", false, "rewrite the generated reference page")

const page = "../../docs/configuration.md"

func TestReferencePageIsCurrent(t *testing.T) {
	if *update {
		if err := os.WriteFile(page, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != Reference() {
		t.Errorf("%s is not what the declaration says: run go test ./internal/app -update", page)
	}
	for line := range strings.Lines(Reference()) {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(strings.TrimSpace(line), "|  |") {
			t.Errorf("a key without a meaning: %s", line)
		}
	}
}

func TestConfigErrorsNamePlaceAndNearestKey(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "gatway:\n  http: 127.0.0.1:1\n", `f.yaml:1: gatway`},
		{"nearest", "gatway:\n  http: 127.0.0.1:1\n", `gateway`},
		{"wrong type", "dns:\n  address: 127.0.0.1:53\n  zones: test\n", "f.yaml:3: dns.zones"},
		{"no address", "registry:\n  http: 127.0.0.1:8848\n  grpc: nine\n", "f.yaml:3: registry.grpc"},
		{"missing", "ingress:\n  nodes:\n  - name: node-1\n", "ingress.nodes[0].http: is missing"},
		{"public admin", "admin:\n  address: 0.0.0.0:8088\ndns:\n  address: 127.0.0.1:53\n  zones: [test]\n", "f.yaml:2: admin.address"},
		{"parsing", "ingress:\n  nodes: [{name: n1, http: \"127.0.0.1:80\"}]\n  parsing:\n    underscores: keep\n", "f.yaml:4: ingress.parsing.underscores: \"keep\" is none of refuse, drop, allow"},
		{"limits", "gateway:\n  http: 127.0.0.1:80\n  service: \"-\"\n  parsing: {head: 100000}\n", "f.yaml:4: gateway.parsing.head: 100000: want 1024 to 65536 bytes"},
		{"hops without trust", "gateway:\n  http: 127.0.0.1:80\n  service: \"-\"\n  hops: 1\n", "f.yaml:4: gateway.hops: 1: want 0 to 16, and trusted beside it"},
		{"an address in a range", "gateway:\n  http: 127.0.0.1:80\n  service: \"-\"\n  trusted: [10.0.0.0/8, 192.0.2.7/24]\n", "f.yaml:4: gateway.trusted[1]: 192.0.2.7/24 is an address in a range: want 192.0.2.0/24 for the range, 192.0.2.7/32 for the address"},
		{"a range of balancers", "ingress:\n  nodes: [{name: n1, http: '127.0.0.1:80'}]\n  proxyFrom: ['fd00::1/8']\n", "f.yaml:3: ingress.proxyFrom[0]: fd00::1/8 is an address in a range"},
		{"instances in a range", "registry: {http: '127.0.0.1:1', grpc: '127.0.0.1:2', auth: 'off', allow: [127.0.0.1/8]}\n", "f.yaml:1: registry.allow[0]: 127.0.0.1/8 is an address in a range"},
		{"negative limit", "bodies:\n  total: -1\ndns:\n  address: 127.0.0.1:53\n  zones: [test]\n", "f.yaml:2: bodies.total: -1 is negative"},
		{"http2", "http2:\n  streams: 0x10000\n  streamWindow: 1\ndns:\n  address: 127.0.0.1:53\n  zones: [test]\n", "f.yaml:3: http2.streamWindow: 1: want 64 to 1048576"},
		{"no role", "data: /tmp\n", "no role is switched on"},
		{"no registry", "gateway:\n  http: 127.0.0.1:80\n", "there is no registry to register in"},
		{"negative time", "drain: -4s\ndns:\n  address: 127.0.0.1:53\n  zones: [test]\n", "f.yaml:1: drain: is negative"},
		{"no name of a zone", "dns:\n  address: 127.0.0.1:53\n  zones:\n  - test\n  - a b\n", `f.yaml:5: dns.zones[1]: "a b" is not a name`},
		{"no name of the gateway", "dns:\n  address: 127.0.0.1:53\n  zones: [test]\nregistry: {http: '127.0.0.1:1', grpc: '127.0.0.1:2', auth: 'off'}\ngateway:\n  http: 127.0.0.1:80\n  host: '*.test'\n", `f.yaml:7: gateway.host: "*.test" is not a name`},
		{"no ports", "slb: {}\n", "f.yaml:1: slb.listeners: is empty"},
		{"negative count", "slb:\n  fall: -1\n  listeners: [{name: a, address: '127.0.0.1:1', nodes: [{name: node, address: '127.0.0.2:1'}]}]\n", "f.yaml:2: slb.fall: is negative"},
		{"two of one name", "ingress:\n  nodes:\n  - {name: a, http: '127.0.0.1:1'}\n  - {name: a, http: '127.0.0.1:2'}\n", `f.yaml:4: ingress.nodes[1].name: "a" is the name of another one already`},
		{"no members", "registry: {http: '127.0.0.1:1', grpc: '127.0.0.1:2', storage: etcd}\n", "registry.etcd.endpoints: is missing"},
		{"etcd not used", "registry:\n  http: 127.0.0.1:1\n  grpc: 127.0.0.1:2\n  etcd: {endpoints: [a]}\n", "f.yaml:4: registry.etcd: is not used"},
		{"another storage", "registry:\n  http: 127.0.0.1:1\n  grpc: 127.0.0.1:2\n  storage: disk\n", `f.yaml:4: registry.storage: "disk" is none of memory, bolt, etcd`},
		{"bolt without data", "registry:\n  http: 127.0.0.1:1\n  grpc: 127.0.0.1:2\n  storage: bolt\n", "f.yaml:4: registry.storage: bolt needs a directory"},
		{"no place for a password", "registry:\n  http: 127.0.0.1:1\n  grpc: 127.0.0.1:2\n", "registry.auth: the first user's password needs a directory: set data, or auth: off"},
		{"no word of that kind", "registry: {http: 127.0.0.1:1, grpc: 127.0.0.1:2, auth: yes please}", "registry.auth: \"yes please\" is none of on, off"},
		{"two at one address", "registry:\n  http: 127.0.0.1:8848\n  grpc: 127.0.0.1:8848\n", "f.yaml:3: registry.grpc: 127.0.0.1:8848 is taken by registry.http"},
		{"two at one port of all", "registry:\n  http: 127.0.0.1:8848\n  grpc: 0.0.0.0:8848\n", "f.yaml:3: registry.grpc: 0.0.0.0:8848 is taken by registry.http, 127.0.0.1:8848"},
		{"the port of the admin API", "dns:\n  address: 127.0.0.1:8088\n  zones: [test]\n", "f.yaml:2: dns.address: 127.0.0.1:8088 is taken by admin.address"},
		{"no address to tell", "registry: {http: '127.0.0.1:1', grpc: '127.0.0.1:2', auth: 'off'}\ngateway:\n  http: 0.0.0.0:80\n", "f.yaml:2: gateway.advertise: is missing"},
		{"nobody else's address to tell", "gateway: {http: '127.0.0.1:80'}\nsources: {nacos: [{address: '127.0.0.1:8848, nacos.test:8848'}]}\n", "f.yaml:1: gateway.advertise: 127.0.0.1 is every machine's own address: whoever finds it in the registry at nacos.test:8848"},
		{"no port of a registry", "sources:\n  nacos:\n  - address: nacos.test\n", `f.yaml:3: sources.nacos[0].address: nacos: server "nacos.test": want host:port`},
		{"no port of gRPC", "sources:\n  nacos:\n  - address: nacos.test:8848\n    grpc: nacos.test\n", `f.yaml:4: sources.nacos[0].grpc: "nacos.test" is no host:port`},
		{"fewer servers of gRPC", "sources:\n  nacos:\n  - address: a.test:8848, b.test:8848\n    grpc: a.test:9848\n", "f.yaml:4: sources.nacos[0].grpc: has 1 addresses, and address has 2: give one for each"},
		{"a password for nobody", "registry: {http: '127.0.0.1:1', grpc: '127.0.0.1:2', auth: 'off', passwordFile: /p}\n", "f.yaml:1: registry.passwordFile: is not used"},
		{"no address of nodes to tell", "dns: {address: '127.0.0.1:1', zones: [test]}\ningress:\n  nodes: [{name: a, http: '0.0.0.0:80'}]\n", "f.yaml:2: ingress.advertise: is missing"},
		{"pods without addresses", "pods:\n  nodes:\n  - name: node-1\n", "f.yaml:3: pods.nodes[0].range: is missing"},
		{"webhook without a certificate", "sources: {kubernetes: {}}\nwebhook: {address: '127.0.0.1:1'}\n", "f.yaml:2: webhook.cert: give cert and key, or register"},
		{"webhook with two", "sources: {kubernetes: {}}\nwebhook: {address: '127.0.0.1:1', cert: a, key: b, register: {configuration: a, secret: b}}\n", "f.yaml:2: webhook.register: is in place of cert and key"},
		{"without Ingresses, a webhook", "sources: {kubernetes: {ingresses: false}}\nwebhook: {address: '127.0.0.1:1', register: {configuration: a, secret: b}}\n", "f.yaml:2: webhook: is about Ingresses, and sources.kubernetes.ingresses is false"},
		{"without Ingresses, statuses", "sources:\n  kubernetes:\n    ingresses: false\n    publish: {addresses: [192.0.2.1]}\n", "f.yaml:4: sources.kubernetes.publish: is about Ingresses"},
		{"webhook registered nowhere", "sources: {kubernetes: {}}\nwebhook: {address: '127.0.0.1:1', register: {secret: b}}\n", "f.yaml:2: webhook.register: give the names of both"},
		{"two documents", "data: a\n---\ndata: b\n", "want one YAML document"},
		{"not YAML", "a: [\n", "f.yaml:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConfig("f.yaml", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// In a pod the configuration has no address, and the environment has it.
func TestAddressOfThePod(t *testing.T) {
	const text = "registry: {http: '0.0.0.0:8848', grpc: '0.0.0.0:9848', auth: 'off'}\ngateway: {http: '0.0.0.0:80'%s}\n"
	for _, c := range []struct{ env, given, gateway string }{
		{"10.244.1.7", "", "10.244.1.7"}, {"fd00::7", "", "fd00::7"}, {"10.244.1.7", ", advertise: 192.0.2.1", "192.0.2.1"},
	} {
		t.Setenv("POD_IP", c.env)
		got := parsed(t, fmt.Sprintf(text, c.given))
		if a := got.Gateway.advertise().String(); a != c.gateway {
			t.Errorf("POD_IP=%s%s: the gateway is at %s", c.env, c.given, a)
		}
		if a := netip.MustParseAddrPort(got.Registry.advertised()); a.Addr().String() != c.env {
			t.Errorf("POD_IP=%s: the registry is at %s", c.env, a)
		}
	}
	t.Setenv("POD_IP", "10.244.1.7")
	if c := parsed(t, "registry: {http: '127.0.0.1:8848', grpc: '127.0.0.1:9848', auth: 'off'}\ngateway: {http: '127.0.0.1:80'}\n"); c.Gateway.advertise().String() != "127.0.0.1" || c.Registry.advertised() != "127.0.0.1:8848" {
		t.Errorf("listening on one address, it tells another: %s, %s", c.Gateway.advertise(), c.Registry.advertised())
	}
	for _, env := range []string{"", "pod", "0.0.0.0", "10.0.0.1:80"} {
		t.Setenv("POD_IP", env)
		if _, err := ParseConfig("f.yaml", []byte(fmt.Sprintf(text, ""))); err == nil || !strings.Contains(err.Error(), "gateway.advertise: is missing") {
			t.Errorf("POD_IP=%q: %v", env, err)
		}
	}
	t.Setenv("POD_IP", "127.0.0.1")
	if _, err := ParseConfig("f.yaml", []byte("gateway: {http: '0.0.0.0:80'}\nsources: {nacos: [{address: 'nacos:8848'}]}\n")); err == nil || !strings.Contains(err.Error(), "every machine's own") {
		t.Errorf("127.0.0.1 for others: %v", err)
	}
}

func TestPrintedConfigIsRead(t *testing.T) {
	text := `data: /tmp/x
log: {level: debug, access: stdout}
sources:
  manifests: [a, b]
  nacos:
  - {name: dev, address: "10.0.0.1:8848"}
dns: {address: "127.0.0.1:53", zones: [test], ttl: 7s}
slb:
  listeners:
  - {name: http, address: "127.0.0.10:80", nodes: [{name: n1, address: "127.0.0.11:80"}]}
  interval: 250ms
ingress:
  nodes: [{name: n1, http: "127.0.0.11:80"}]
  advertise: [127.0.0.10]
  proxyFrom: [127.0.0.10/32]
gateway: {http: "127.0.0.20:80", host: gateway.test, http1Only: true, trusted: [10.0.0.0/8], hops: 2, parsing: {underscores: drop, slashes: keep, encodedSlashes: decode, head: 8192, line: 4096, fields: 50}}
bodies: {dir: /tmp, total: 5}
http2: {streams: 50, streamWindow: 128, connWindow: 2048, headerList: 32768, glitches: 500, upstreamStreams: 200}
registry: {http: "127.0.0.1:8848", grpc: "127.0.0.1:9848", allow: [127.0.0.0/8], auth: "off"}
`
	c, err := ParseConfig("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.Print()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseConfig("printed.yaml", first)
	if err != nil {
		t.Fatalf("%v in\n%s", err, first)
	}
	second, err := again.Print()
	if err != nil || string(first) != string(second) {
		t.Errorf("printed %s\nread and printed %s (%v)", first, second, err)
	}
}

// What is not read from a file must keep the rules as well: the admin API lets whoever reaches it stop pieces.
func TestWrongConfigurationDoesNotRun(t *testing.T) {
	c := Config{Admin: Admin{Address: netip.MustParseAddrPort("0.0.0.0:0")}, DNS: &DNS{Address: netip.MustParseAddrPort("127.0.0.1:0"), Zones: []string{"test"}}}
	if a, err := New(c, Options{}); err == nil || !strings.Contains(err.Error(), "admin.address: 0.0.0.0:0 is not a loopback address") {
		if a != nil {
			a.close()
		}
		t.Errorf("error %v, want one that names admin.address", err)
	}
}

func TestNameServerHasAnAddressOfOneMachine(t *testing.T) {
	for _, c := range []struct{ address, advertise, want string }{
		{"127.0.0.1:53", "", "[127.0.0.1]"},
		{"0.0.0.0:53", "192.0.2.1", "[192.0.2.1]"},
		{"0.0.0.0:53", "", "[]"},
	} {
		d := DNS{Address: netip.MustParseAddrPort(c.address), Zones: []string{"test"}}
		if c.advertise != "" {
			d.Advertise = netip.MustParseAddr(c.advertise)
		}
		if got := fmt.Sprint(dnsPiece(&d).lasting.Zones[0].Address); got != c.want {
			t.Errorf("at %s, advertised %q: the zone's server is at %s, want %s", c.address, c.advertise, got, c.want)
		}
	}
}

// TestSpringRegistries: routes take instances from every registry, its own first, each with its namespace and group.
func TestSpringRegistries(t *testing.T) {
	own, a, b := model.Shelf{Keeper: "registry", Prefix: "public/DEFAULT_GROUP/"}, model.Shelf{Keeper: "registry/a", Prefix: "dev/DEFAULT_GROUP/"}, model.Shelf{Keeper: "registry/b", Prefix: "public/SHOP/"}
	if !springConfig(&Config{Gateway: &Gateway{}}).NobodyTrusted || springConfig(&Config{Gateway: &Gateway{Trusted: []netip.Prefix{{}}}}).NobodyTrusted || springConfig(&Config{}).NobodyTrusted {
		t.Error("who is trusted is not handed on")
	}
	read := []Nacos{{Name: "a", Namespace: "dev"}, {Name: "b", Group: "SHOP"}}
	for _, c := range []struct {
		registry *Registry
		read     []Nacos
		want     []model.Shelf
	}{{want: []model.Shelf{own}}, {&Registry{}, nil, []model.Shelf{own}}, {nil, read, []model.Shelf{a, b}}, {&Registry{}, read, []model.Shelf{own, a, b}}} {
		s := springConfig(&Config{Registry: c.registry, Sources: Sources{Nacos: c.read}})
		first := model.Shelf{Keeper: cmp.Or(s.Keeper, own.Keeper), Prefix: cmp.Or(s.Prefix, own.Prefix)} // the defaults of package springgw
		if got := append([]model.Shelf{first}, s.Also...); !slices.Equal(got, c.want) {
			t.Errorf("with a registry %v and %v: got %v, want %v", c.registry != nil, c.read, got, c.want)
		}
	}
}
