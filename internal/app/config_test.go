package app

import (
	"flag"
	"os"
	"strings"
	"testing"
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
		{"http2", "http2:\n  streams: 0x10000\n  streamWindow: 1\ndns:\n  address: 127.0.0.1:53\n  zones: [test]\n", "f.yaml:3: http2.streamWindow: 1: want 64 to 1048576"},
		{"no role", "data: /tmp\n", "no role is switched on"},
		{"no registry", "gateway:\n  http: 127.0.0.1:80\n", "there is no registry to register in"},
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
gateway: {http: "127.0.0.20:80", host: gateway.test, http1Only: true}
http2: {streams: 50, streamWindow: 128, connWindow: 2048, headerList: 32768, glitches: 500, upstreamStreams: 200}
registry: {http: "127.0.0.1:8848", grpc: "127.0.0.1:9848", allow: [127.0.0.0/8]}
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
