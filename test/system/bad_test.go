package system

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// refused runs `paifang up`, which must not start, and returns what it said.
func refused(t testing.TB, args ...string) string {
	t.Helper()
	c := exec.Command(binary, append([]string{"up"}, args...)...)
	out := &output{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			t.Errorf("paifang up %v: exit 0, want an error\n%s", args, out)
		}
	case <-time.After(5 * time.Second):
		_ = c.Process.Kill()
		t.Fatalf("paifang up %v started:\n%s", args, out)
	}
	return out.String()
}

func mention(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in:\n%s", w, text)
		}
	}
}

func TestTakenPorts(t *testing.T) {
	offset := freeOffset(t)
	taken := map[string]string{"slb": "127.0.0.10:8080", "node-2-tls": "127.0.0.12:8443", "gateway": "127.0.0.20:8080", "registry": "127.0.0.1:8848"}
	for _, at := range taken {
		l, err := net.Listen("tcp", shift(at, offset))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
	}
	c, err := net.ListenPacket("udp", shift("127.0.0.1:8053", offset))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	state := filepath.Join(t.TempDir(), "state")
	text := refused(t, "--state", state, "--port-offset", strconv.Itoa(offset))
	taken["dns"] = "127.0.0.1:8053"
	for piece, at := range taken {
		l := ""
		for s := range strings.Lines(text) {
			if strings.Contains(s, shift(at, offset)) {
				l = s
			}
		}
		mention(t, l, piece, "in use", fmt.Sprintf("process %d", os.Getpid()), "--"+piece+" ")
	}
	mention(t, text, "--port-offset")
	if n := strings.Count(text, "in use"); n != len(taken) {
		t.Errorf("%d addresses are said to be in use, want %d:\n%s", n, len(taken), text)
	}
	if _, err := os.Stat(filepath.Join(state, "pods")); err == nil {
		t.Error("pods were started")
	}
}

func TestSecondUp(t *testing.T) {
	t.Run("one process", func(t *testing.T) { secondUp(t) })
	t.Run("split", func(t *testing.T) { secondUp(t, "--split") })
}

func secondUp(t *testing.T, args ...string) {
	u := start(t, args...)
	text := refused(t, "--state", filepath.Join(t.TempDir(), "other"), "--port-offset", strconv.Itoa(u.offset))
	mention(t, text, "running already", fmt.Sprintf("process %d,", u.cmd.Process.Pid), u.admin(), "state in "+u.state+".\n")
	// One with the same state and other ports must not take the files away from under the first.
	text = refused(t, "--fresh", "--state", u.state, "--port-offset", strconv.Itoa(freeOffset(t)))
	mention(t, text, "state directory "+u.state, fmt.Sprintf("process %d", u.cmd.Process.Pid))
	precious := filepath.Join(t.TempDir(), "precious")
	if err := os.MkdirAll(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, precious, "work.txt", "a year of it")
	mention(t, refused(t, "--fresh", "--state", precious, "--port-offset", strconv.Itoa(freeOffset(t))), "--fresh", precious)
	if _, err := os.Stat(filepath.Join(precious, "work.txt")); err != nil {
		t.Errorf("--fresh emptied a directory that is not ours: %v", err)
	}
	if status, _, err := call("GET", "http://"+u.slb()+"/order/42", "Host", "shop.test"); err != nil || status != 200 {
		t.Errorf("the first up answers %d %v after a second was tried", status, err)
	}
}

func TestMissingDirectory(t *testing.T) {
	offset := strconv.Itoa(freeOffset(t))
	missing := filepath.Join(t.TempDir(), "nowhere")
	mention(t, refused(t, missing, "--state", filepath.Join(t.TempDir(), "s"), "--port-offset", offset), missing, "no such file or directory")
	plain := filepath.Join(t.TempDir(), "plain.txt")
	if err := os.WriteFile(plain, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	mention(t, refused(t, plain, "--state", filepath.Join(t.TempDir(), "s"), "--port-offset", offset), plain, "directory")
	mention(t, refused(t, "--port-offset", "60000"), "--port-offset 60000")
	mention(t, refused(t, "--gateway", "nonsense"), "--gateway", "nonsense")
}

func TestNothingToTalkTo(t *testing.T) {
	at := shift("127.0.0.1:8088", freeOffset(t))
	for _, args := range [][]string{{"get", "roads"}, {"explain", "http://shop.test/"}, {"stop", "node-1"}} {
		out, err := exec.Command(binary, append(args, "--admin", at)...).CombinedOutput()
		if err == nil {
			t.Errorf("%v: exit 0", args)
		}
		mention(t, string(out), "nothing answers at "+at, "paifang up", "--admin", "PAIFANG_ADMIN")
	}
}

func TestBadInputIsContained(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	write(t, dir, "4-values.yaml", "replicaCount: 2\nimage:\n  tag: v1\n")
	write(t, dir, "5-broken.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: half\nspec:\n  ports: [{port: 80}\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: sibling\nspec:\n  ports:\n  - port: 81\n")
	write(t, dir, "6-missing.yaml", ingress("missing", "missing.test", "/", "nobody"))
	write(t, dir, "7-tls.yaml", strings.Replace(ingress("secure", "secure.test", "/", "app-service"), "  rules:", "  tls:\n  - hosts: [secure.test]\n    secretName: keyless\n  rules:", 1)+
		"---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: keyless\ntype: kubernetes.io/tls\ndata:\n  tls.crt: "+"LS0tLS1CRUdJTg==\n")
	write(t, dir, "8-double.yaml", ingress("zz-older", "double.test", "/", "nobody")+"---\n"+ingress("aa-newer", "double.test", "/", "app-service"))
	write(t, dir, "9-image.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: elsewhere\nspec:\n  containers:\n  - name: c\n    image: registry.example.com/team/thing:7\n")
	u := start(t, dir)
	u.waitReady(2, "app-registered")
	one := begin(t, u.slb(), "shop.test", "/calm1/", func(l *load) { l.pause = 20 * time.Millisecond })
	two := begin(t, u.gateway(), "gateway.test", "/calm2/", func(l *load) { l.pause = 20 * time.Millisecond })

	found := get[diagnosticRow](u, "diagnostics")
	about := func(file string, words ...string) {
		t.Helper()
		for _, d := range found {
			if filepath.Base(d.Origin.File) != file {
				continue
			}
			all := true
			for _, w := range words {
				all = all && strings.Contains(d.Message, w)
			}
			if all {
				if d.Origin.Line == 0 {
					t.Errorf("%s: a diagnostic without line: %+v", file, d)
				}
				return
			}
		}
		t.Errorf("no diagnostic for %s with %q in %s", file, words, u.must("get", "diagnostics"))
	}
	about("4-values.yaml", "ignored")
	about("5-broken.yaml")
	about("6-missing.yaml", "nobody")
	about("7-tls.yaml", "no tls.key", "default certificate", "secure.test")
	about("8-double.yaml", "zz-older")
	about("9-image.yaml", "registry.example.com/team/thing:7", "--run", "paifang.dev/exec")
	status := func(host string) int {
		t.Helper()
		status, _, err := call("GET", "http://"+u.slb()+"/1", "Host", host)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if got := status("missing.test"); got != 503 {
		t.Errorf("an Ingress to a service that does not exist answers %d, want 503", got)
	}
	if got := status("double.test"); got != 503 {
		t.Errorf("of two equal rules the one that comes first in its file answers: %d, want its 503", got)
	}
	if got := status("unknown.test"); got != 404 {
		t.Errorf("an unknown host answers %d, want 404", got)
	}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 3 * time.Second}, "tcp", u.at("127.0.0.10:8443"), &tls.Config{ServerName: "secure.test", InsecureSkipVerify: true})
	if err != nil {
		t.Errorf("TLS with a Secret without key: %v, want the default certificate", err)
	} else {
		leaf := c.ConnectionState().PeerCertificates[0]
		t.Logf("a Secret without key is served as %q, issued by %q", leaf.DNSNames, leaf.Issuer.CommonName)
		_ = c.Close()
	}

	garbage(t, u)
	if found, err := exec.LookPath("dig"); err == nil {
		out, err := exec.Command(found, "@127.0.0.1", "-p", portOf(u.at("127.0.0.1:8053")), "+short", "+time=2", "shop.test").Output()
		if err != nil || strings.TrimSpace(string(out)) != "127.0.0.10" {
			t.Errorf("dig after garbage: %q %v", out, err)
		}
	}
	all1, all2 := one.end(), two.end()
	none(t, one, all1)
	none(t, two, all2)
	reconcile(t, u, all1, "/calm1/", sights(t, counts, "/calm1/"))
	reconcile(t, u, all2, "/calm2/", sights(t, counts, "/calm2/"))
}

func portOf(at string) string {
	_, port, _ := net.SplitHostPort(at)
	return port
}

// garbage sends to every port what nobody should send.
func garbage(t testing.TB, u *up) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.UintN(256))
		}
		return string(b)
	}
	packets := []string{"", "x", noise(12), noise(64), noise(512), noise(4096), strings.Repeat("\xff", 100),
		"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01",             // a name that points at itself
		"\x00\x01\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\x04shop\x04test\x00\x00\x01\x00\x01", // counts that lie
		"\x00\x01\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x04shop\x04test\x00\x00\x01\x00\x01", // an answer, not a question
		"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3f" + strings.Repeat("a", 20)}       // a label that ends early
	udp, err := net.Dial("udp", u.at("127.0.0.1:8053"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, p := range packets {
			_, _ = udp.Write([]byte(p))
		}
	}
	_ = udp.Close()
	streams := append([]string{
		"GET / HTTP/9.9\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : shop.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
		"GET / HTTP/1.1\r\nHost: shop.test\r\nX: " + strings.Repeat("a", 100<<10) + "\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\n\r\n\r\n",
		"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	}, packets[2:]...)
	for _, at := range []string{
		u.slb(), u.at("127.0.0.11:8080"), u.gateway(), u.at("127.0.0.10:8443"), u.at("127.0.0.1:8053"), u.registry(), u.at("127.0.0.1:9848"), u.admin(),
	} {
		for _, s := range streams {
			c, err := net.DialTimeout("tcp", at, 3*time.Second)
			if err != nil {
				t.Errorf("%s does not take connections any more: %v", at, err)
				break
			}
			_ = c.SetDeadline(time.Now().Add(2 * time.Second))
			_, _ = io.WriteString(c, s)
			_ = c.(*net.TCPConn).CloseWrite()
			answer, _ := io.ReadAll(io.LimitReader(c, 64<<10))
			_ = c.Close()
			if strings.HasPrefix(string(answer), "HTTP/1.1 2") && (at == u.slb() || at == u.gateway()) {
				t.Errorf("%s answers %.60q with %.40q", at, s, answer)
			}
		}
	}
	select {
	case <-u.done:
		t.Fatalf("up ended: %v", u.err)
	default:
	}
	for _, word := range []string{"panic", "goroutine "} {
		if strings.Contains(u.out.String(), word) {
			t.Errorf("up printed %q", word)
		}
	}
}
