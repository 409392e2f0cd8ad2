package docs_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// places hands out places, each once. No piece at one of them has the port of a piece at another, nor of an `up` without an
// offset that runs beside the tests.
type places struct {
	ephemeral [2]int // the ports that the system gives to clients: first and last

	mu     sync.Mutex
	ports  map[int]bool
	ranges map[string]bool // of pods
}

func newPlaces() *places {
	p := &places{ephemeral: ephemeralPorts(), ports: map[int]bool{}, ranges: map[string]bool{}}
	p.claim(0)
	return p
}

// ephemeralPorts are those from which the system takes one for a client that names none, ip_local_port_range of ip(7). Any
// of them may be taken at any moment.
func ephemeralPorts() [2]int {
	out := [2]int{32768, 65535}
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &out[0], &out[1])
	}
	return out
}

// lastPort is the last that up takes: what of a piece runs in processes of its own has the ports behind that.
const lastPort = 65535 - 20

// fits tells whether every port at an offset is one, is claimed by nobody, and, where that can be had, is never a client's.
func (p *places) fits(offset int, clients bool) bool {
	return !slices.ContainsFunc(defaultPorts, func(port int) bool {
		port += offset
		return port > lastPort || p.ports[port] || !clients && port >= p.ephemeral[0] && port <= p.ephemeral[1]
	})
}

func (p *places) all(clients bool) []int {
	var out []int
	for offset := 1; offset < 65535; offset++ {
		if p.fits(offset, clients) {
			out = append(out, offset)
		}
	}
	return out
}

func (p *places) claim(offset int) {
	for _, port := range defaultPorts {
		p.ports[port+offset] = true
	}
}

// offset claims one, false where there is none left. With -update it is a small one: addresses are then as long as those
// that the page shows, and tables stay in their columns.
func (p *places) offset() (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fit := p.all(false)
	if len(fit) == 0 {
		fit = p.all(true)
	}
	if len(fit) == 0 {
		return 0, false
	}
	chosen := fit[0]
	if !*update {
		chosen = fit[rand.IntN(len(fit))]
	}
	p.claim(chosen)
	return chosen, true
}

// claimRanges claims the addresses of pods, false where another place has them.
func (p *places) claimRanges(pods [2]string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ranges[pods[0]] || p.ranges[pods[1]] {
		return false
	}
	p.ranges[pods[0]], p.ranges[pods[1]] = true, true
	return true
}

var podRange = regexp.MustCompile(`range: (127\.\d+\.\d+\.)0/24`)

// next is a place where nothing runs.
func (p *places) next(t *testing.T, bin string) place {
	t.Helper()
	for range 50 {
		offset, ok := p.offset()
		if !ok {
			break
		}
		config, err := exec.Command(bin, "up", "--print-config", "--state", t.TempDir(), "--port-offset", strconv.Itoa(offset)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, config)
		}
		ranges := podRange.FindAllStringSubmatch(string(config), -1)
		if len(ranges) != 2 {
			t.Fatalf("--print-config has %d ranges of pod addresses, want 2:\n%s", len(ranges), config)
		}
		at := place{offset, [2]string{ranges[0][1], ranges[1][1]}}
		if p.claimRanges(at.pods) && at.free() {
			return at
		}
	}
	t.Fatalf("no place is free; clients have the ports from %d to %d", p.ephemeral[0], p.ephemeral[1])
	return place{}
}

// pieces are the addresses of an `up` without offset, pods apart, and the second admin address of the drills.
var pieces = []string{
	"127.0.0.10:8080", "127.0.0.10:8443", "127.0.0.11:8080", "127.0.0.11:8443", "127.0.0.12:8080", "127.0.0.12:8443",
	"127.0.0.20:8080", "127.0.0.1:8053", "127.0.0.1:8848", "127.0.0.1:9848", "127.0.0.1:8088", "127.0.0.1:8099",
}

var defaultPorts = portsOf(pieces)

func portsOf(addresses []string) []int {
	var out []int
	for _, a := range addresses {
		if port := int(netip.MustParseAddrPort(a).Port()); !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	return out
}

func (p place) free() bool {
	var at []string
	for _, a := range pieces {
		at = append(at, toOffset(a, p.offset))
	}
	for _, node := range p.pods {
		at = append(at, node+"2:8080", node+"3:8080")
	}
	for _, a := range at {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func TestPlacesDoNotMeet(t *testing.T) {
	for _, ephemeral := range [][2]int{{32768, 60999}, {49152, 65535}, {10000, 60999}, {1024, 60999}, {20000, 29999}} {
		p := &places{ephemeral: ephemeral, ports: map[int]bool{}}
		p.claim(0)
		owner := map[int]int{}
		for _, port := range defaultPorts {
			owner[port] = 0
		}
		for range 12 {
			offset, ok := p.offset()
			if !ok {
				t.Errorf("clients have %v: there is no place left after %d ports", ephemeral, len(owner))
				break
			}
			for _, port := range defaultPorts {
				port += offset
				if other, taken := owner[port]; taken || port > 65535 || port >= ephemeral[0] && port <= ephemeral[1] {
					t.Errorf("clients have %v: offset %d takes port %d, which offset %d has or clients may", ephemeral, offset, port, other)
				}
				owner[port] = offset
			}
		}
	}
	p := &places{ephemeral: [2]int{1024, 65535}, ports: map[int]bool{}}
	if _, ok := p.offset(); !ok {
		t.Error("where clients may have every port there is no place")
	}
}
