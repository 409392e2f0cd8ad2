package registry

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"paifang/internal/nacoswire"
)

// idleClients is how many clients do nothing.
const idleClients = 10_000

// perIdle bounds what the process takes for each, in KiB; docs/registry.md states it.
const (
	perMute    = 16
	perSession = 64
)

// Ten thousand connections that say nothing, and ten thousand clients that are set up and do nothing: what they take is bounded and stated, others are
// served meanwhile, and those that give no sign of life are gone after half a minute.
func TestIdleClients(t *testing.T) {
	rest, grpc := freeAddress(t), freeAddress(t)
	p := serve(t, "registry", fmt.Sprintf("registry: {http: %q, grpc: %q, auth: \"off\"}\n", rest, grpc))
	opening := handshake(t)
	for _, c := range []struct {
		name string
		at   []string
		says []byte
		most int
	}{
		{"mute connections", []string{rest, grpc}, nil, perMute},
		{"clients that are set up", []string{grpc}, opening, perSession},
	} {
		before := p.resident()
		var open []net.Conn
		shut := func() {
			for _, n := range open {
				n.Close()
			}
		}
		defer shut()
		for i := range idleClients {
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(1+i%200))}
			n, err := (&net.Dialer{LocalAddr: from, Timeout: 5 * time.Second}).Dial("tcp", c.at[i%len(c.at)])
			if err != nil {
				t.Skipf("this machine has no room for %d connections: %v", idleClients, err)
			}
			open = append(open, n)
			_, err = n.Write(c.says)
			must(t, err)
		}
		connected := func() int {
			_, body, err := get("http://" + rest + "/nacos/v1/ns/operator/metrics")
			must(t, err)
			m := regexp.MustCompile(`"connectionBasedClientCount":(\d+)`).FindStringSubmatch(body)
			if m == nil {
				t.Fatal(body)
			}
			n, _ := strconv.Atoi(m[1])
			return n
		}
		if c.says != nil {
			within(t, 15*time.Second, "all are set up", func() bool { return connected() == idleClients })
		}
		took := p.resident() - before
		t.Logf("%d %s: %d MiB, %.1f KiB each", idleClients, c.name, took>>10, float64(took)/idleClients)
		if took > c.most*idleClients {
			t.Errorf("%s take %d KiB each, want %d at most", c.name, took/idleClients, c.most)
		}
		began := time.Now()
		if status, body, err := request("POST", "http://"+rest+"/nacos/v1/ns/instance?serviceName=order&ip=10.0.0.1&port=80"); err != nil || status != 200 {
			t.Errorf("others: %d %s %v", status, body, err)
		}
		if slow := time.Since(began); slow > 2*time.Second {
			t.Errorf("others waited %v", slow)
		}
		if c.says != nil {
			within(t, 90*time.Second, "who is silent is gone", func() bool { return connected() == 0 })
		}
		shut()
	}
	p.kill()
	if n := strings.Count(p.log.String(), "\n"); n > 150 {
		t.Errorf("the log has %d lines", n)
	}
}

// resident is the memory of the process, in KiB.
func (p *process) resident() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skipf("this system does not say how much memory a process has: %v", err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		p.t.Fatal(string(text))
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// handshake is everything that a client of gRPC says until its stream is set up.
func handshake(t *testing.T) []byte {
	t.Helper()
	var out, head bytes.Buffer
	out.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&out, nil)
	must(t, f.WriteSettings())
	h := hpack.NewEncoder(&head)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", nacoswire.FullStreamMethod}, {":authority", "registry"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		must(t, h.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	must(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true}))
	p, err := nacoswire.NewPayload(nacoswire.TypeConnectionSetup, nacoswire.ConnectionSetupRequest{ClientVersion: "idle", Tenant: "public"})
	must(t, err)
	message := p.Append(nil)
	must(t, f.WriteData(1, false, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)))
	return out.Bytes()
}
