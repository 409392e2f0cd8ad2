package system

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// up is a running `paifang up`.
type up struct {
	t      testing.TB
	cmd    *exec.Cmd
	state  string
	offset int
	single bool
	split  bool
	out    *output
	done   chan struct{} // closed when the process ended
	err    error         // of its Wait, after done
	ended  bool          // its end was tested already
	group  bool          // signals go to its process group, as from a terminal
}

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// head is what is of use in a message: with a crash comes more than anybody reads.
func (o *output) head() string {
	const enough = 20 << 10
	text := o.String()
	if len(text) > enough {
		return text[:enough] + "…"
	}
	return text
}

// ports are the product's, before the offset.
var ports = []string{
	"127.0.0.10:8080", "127.0.0.10:8443", "127.0.0.11:8080", "127.0.0.11:8443", "127.0.0.12:8080", "127.0.0.12:8443",
	"127.0.0.20:8080", "127.0.0.1:8053", "127.0.0.1:8848", "127.0.0.1:9848", "127.0.0.1:8088",
	"127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8443", "127.0.0.1:8444", "127.0.0.1:8445", "127.0.0.1:8090", // single
	"127.0.0.1:8099", "127.0.0.1:8100", "127.0.0.1:8101", "127.0.0.1:8102", "127.0.0.1:8103", "127.0.0.1:8104", // split
}

func shift(at string, offset int) string {
	host, port, _ := net.SplitHostPort(at)
	n, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(n+offset))
}

// freeOffset returns a port offset at which all ports are free, and with it a range of pod addresses that is not that of
// an `up` without offset.
func freeOffset(t testing.TB) int {
	t.Helper()
	for range 200 {
		offset := 300 + rand.IntN(20000)
		if offset%200 != 0 && free(offset) {
			return offset
		}
	}
	t.Fatal("no free port offset found")
	return 0
}

func free(offset int) bool {
	for _, at := range ports {
		l, err := net.Listen("tcp", shift(at, offset))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// launch starts `paifang up` without waiting for anything. The process has a group of its own, as a shell would give it.
func launch(t testing.TB, program, environment []string, dir string, offset int, args ...string) *up {
	t.Helper()
	u := &up{t: t, state: filepath.Join(t.TempDir(), "state"), offset: offset, out: &output{}, done: make(chan struct{})}
	all := append(append([]string{}, program[1:]...), "up", "--state", u.state, "--port-offset", strconv.Itoa(offset))
	for _, a := range args {
		u.single = u.single || a == "single"
		u.split = u.split || a == "--split"
	}
	u.cmd = exec.Command(program[0], append(all, args...)...)
	u.cmd.Dir = dir
	u.cmd.Stdout, u.cmd.Stderr = u.out, u.out
	u.cmd.WaitDelay = 5 * time.Second
	u.cmd.Env = append(os.Environ(), environment...)
	u.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		u.err = u.cmd.Wait()
		close(u.done)
	}()
	t.Cleanup(func() {
		if !u.ended {
			u.interrupt(syscall.SIGINT)
		}
		if t.Failed() {
			t.Logf("up printed:\n%s", u.out.head())
		}
	})
	return u
}

// start runs `paifang up ARGS` and waits until it says that it runs.
func start(t testing.TB, args ...string) *up {
	t.Helper()
	t.Helper()
	began := time.Now()
	u := launch(t, []string{binary}, nil, filepath.Dir(filepath.Dir(binary)), freeOffset(t), args...)
	u.running(30 * time.Second)
	t.Logf("up stood after %d ms", time.Since(began).Milliseconds())
	return u
}

func (u *up) running(within time.Duration) {
	u.t.Helper()
	eventually(u.t, within, "up runs", func() (bool, string) {
		select {
		case <-u.done:
			u.ended = true
			u.t.Fatalf("up ended: %v\n%s", u.err, u.out)
		default:
		}
		return strings.Contains(u.out.String(), "Ctrl-C ends it"), u.out.String()
	})
}

// interrupt ends up in order and tests the promise about that.
func (u *up) interrupt(s syscall.Signal) {
	u.t.Helper()
	u.ended = true
	began := time.Now()
	pid := u.cmd.Process.Pid
	if u.group {
		pid = -pid
	}
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		u.t.Errorf("signal: %v", err)
	}
	select {
	case <-u.done:
		// `go run` itself ends with 1 when it is interrupted; it would print the status of a program that failed.
		if u.err != nil && !(u.group && !strings.Contains(u.out.String(), "exit status")) {
			u.t.Errorf("up after %v: %v, want exit 0", s, u.err)
		}
	case <-time.After(10 * time.Second):
		u.t.Errorf("up had not ended 10 s after %v", s)
		_ = syscall.Kill(-u.cmd.Process.Pid, syscall.SIGQUIT)
		select {
		case <-u.done:
		case <-time.After(5 * time.Second):
			_ = u.cmd.Process.Kill()
			<-u.done
		}
	}
	u.t.Logf("%v to the end: %d ms", s, time.Since(began).Milliseconds())
}

// at is an address of up: shifted by the offset.
func (u *up) at(addr string) string { return shift(addr, u.offset) }

func (u *up) slb() string {
	if u.single {
		return u.at("127.0.0.1:8080")
	}
	return u.at("127.0.0.10:8080")
}

func (u *up) gateway() string {
	if u.single {
		return u.at("127.0.0.1:8090")
	}
	return u.at("127.0.0.20:8080")
}

func (u *up) admin() string    { return u.at("127.0.0.1:8088") }
func (u *up) registry() string { return u.at("127.0.0.1:8848") }

// cli runs a client command and returns what it printed.
func (u *up) cli(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, binary, args...)
	c.Env = append(os.Environ(), "PAIFANG_ADMIN="+u.admin())
	out, err := c.CombinedOutput()
	return string(out), err
}

// say is cli for messages.
func (u *up) say(args ...string) string {
	out, err := u.cli(args...)
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return out
}

func (u *up) must(args ...string) string {
	u.t.Helper()
	out, err := u.cli(args...)
	if err != nil {
		u.t.Fatalf("paifang %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// get reads a kind from the admin API.
func get[T any](u *up, kind string) []T {
	u.t.Helper()
	out, err := tryGet[T](u, kind)
	if err != nil {
		u.t.Fatalf("get %s: %v", kind, err)
	}
	return out
}

func tryGet[T any](u *up, kind string) ([]T, error) { return tryGetAt[T](u.admin(), kind) }

func tryGetAt[T any](admin, kind string) ([]T, error) {
	status, body, err := call("GET", "http://"+admin+"/api/v1/"+kind)
	if err != nil {
		return nil, err
	}
	if status != 200 {
		return nil, fmt.Errorf("%d: %s", status, body)
	}
	var reply struct{ Items []T }
	if err := json.Unmarshal([]byte(body), &reply); err != nil {
		return nil, fmt.Errorf("%w in %s", err, body)
	}
	return reply.Items, nil
}

// The fields of listings that tests look at.
type (
	podRow struct {
		Name, Node, Phase string
		Reached           []string
		PID, Restarts     int
		Ready             bool
	}
	nodeRow struct {
		Name, Addr, Health string
		Draining           bool
		Open               int
	}
	sourceRow struct {
		Name, Error    string
		Failed, Synced bool
		Heard          time.Time
	}
	diagnosticRow struct {
		Code, Message string
		Severity      any
		Origin        struct {
			Kind, Name, File string
			Line             int
		}
	}
	endpointRow struct{ List, Addr, State string }
	upstreamRow struct {
		ID    string
		State struct {
			Endpoints []struct {
				Addr, State string
				Share       float64
				Healthy     bool
			}
		}
	}
	infoRow struct {
		Name   string
		PID    int
		Pieces []string
	}
)

// waitReady waits until n pods are ready and, on road 2, registered under a service.
func (u *up) waitReady(n int, registered string) {
	u.t.Helper()
	eventually(u.t, 20*time.Second, fmt.Sprintf("%d pods ready and registered", n), func() (bool, string) {
		ready := 0
		pods, err := tryGet[podRow](u, "pods")
		if err != nil {
			return false, err.Error()
		}
		for _, p := range pods {
			if p.Ready {
				ready++
			}
		}
		listed := n
		if registered != "" {
			listed = 0
			rows, err := tryGet[endpointRow](u, "endpoints")
			if err != nil {
				return false, err.Error()
			}
			for _, e := range rows {
				if strings.HasSuffix(e.List, "/"+registered) && e.State == "ready" {
					listed++
				}
			}
		}
		return ready == n && listed == n, fmt.Sprintf("ready %d, registered %d", ready, listed)
	})
}

// call makes one request on a connection of its own.
func call(method, url string, header ...string) (status int, body string, err error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// access is a line of the access log.
type access struct {
	Time      time.Time
	Listener  string
	Node      string
	Client    string
	Method    string
	Host      string
	Path      string
	Status    int
	Reason    string
	Route     string
	Upstream  string
	Endpoint  string
	Pod       string
	Tries     int
	Resent    int
	TotalMs   float64
	FirstMs   float64 `json:"firstByteMs"`
	ConnectMs float64
	Line      string `json:"-"`
}

func (a access) end() time.Time {
	return a.Time.Add(time.Duration(a.TotalMs * float64(time.Millisecond)))
}

// number is that of a request of our load, 0 if it is none.
func (a access) number() int64 { return pathNumber(a.Path) }

func pathNumber(path string) int64 {
	i := strings.LastIndexByte(path, '/')
	n, _ := strconv.ParseInt(path[i+1:], 10, 64)
	return n
}

// accessLog reads the access log, of all pieces together where they have one each.
func (u *up) accessLog() []access {
	u.t.Helper()
	files, _ := filepath.Glob(filepath.Join(u.state, "access*.log"))
	var out []access
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			u.t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var a access
			if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
				u.t.Fatalf("%s: %v in %q", name, err, lines.Text())
			}
			a.Line = lines.Text()
			out = append(out, a)
		}
		_ = f.Close()
	}
	return out
}

// requests returns the access log's lines of one load by number, once they are all there.
func (u *up) requests(prefix string, want int) map[int64][]access {
	u.t.Helper()
	var by map[int64][]access
	eventually(u.t, 5*time.Second, "the access log has every request", func() (bool, string) {
		by = map[int64][]access{}
		n := 0
		for _, a := range u.accessLog() {
			if a.Method != "" && strings.HasPrefix(a.Path, prefix) {
				by[a.number()] = append(by[a.number()], a)
				n++
			}
		}
		return len(by) >= want, fmt.Sprintf("%d lines of %d requests, want %d", n, len(by), want)
	})
	return by
}
