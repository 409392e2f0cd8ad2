package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// roleVariable makes this binary a client or an upstream: other processes, whose memory is not counted here.
const roleVariable = "PAIFANG_HTTPPROXY_TEST_ROLE"

// other runs the part of another process that a test has started this binary for.
func other() bool {
	switch role := strings.Fields(os.Getenv(roleVariable)); {
	case len(role) == 0:
		return false
	case role[0] == "upstream":
		runUpstream()
	case role[0] == "client":
		connections, _ := strconv.Atoi(role[2])
		requests, _ := strconv.Atoi(role[3])
		runClient(role[1], connections, requests, role[4])
	case role[0] == "crowd":
		connections, _ := strconv.Atoi(role[3])
		runCrowd(role[1], role[2], connections)
	}
	return true
}

// runUpstream answers every head with 100 bytes until its standard input ends.
func runUpstream() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ln.Addr())
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("x", 100))
				b := make([]byte, 4096)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					for range strings.Count(string(b[:n]), "\r\n\r\n") {
						if _, err := c.Write(answer); err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

// runClient makes requests on kept connections and prints how many were answered 200.
func runClient(addr string, connections, requests int, path string) {
	request := []byte(get(path, "User-Agent: test", "Accept: */*", "Cookie: a=b"))
	var wg sync.WaitGroup
	good := make([]int, connections)
	for i := range connections {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for range requests / connections {
				if _, err := c.Write(request); err != nil {
					return
				}
				if a, err := readReply(r, "GET"); err != nil || a.status != "HTTP/1.1 200 OK" || len(a.body) != 100 {
					return
				}
				good[i]++
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range good {
		sum += n
	}
	fmt.Println(sum)
}

// runCrowd opens connections, waits until the gate closes, makes a request on each and prints how many were answered 200.
func runCrowd(gate, addr string, connections int) {
	opens, err := net.Dial("tcp", gate)
	if err != nil {
		fmt.Println(err)
		return
	}
	var all []net.Conn
	for range connections {
		c, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		all = append(all, c)
	}
	_, _ = io.Copy(io.Discard, opens)
	for _, c := range all {
		_, _ = io.WriteString(c, get("/"))
	}
	good := 0
	for _, c := range all {
		if r, err := readReply(bufio.NewReaderSize(c, 1024), "GET"); err == nil && r.status == "HTTP/1.1 200 OK" {
			good++
		}
	}
	fmt.Println(good)
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, c := range all {
		_ = c.(*net.TCPConn).SetLinger(0) // so many ports are not kept
		_ = c.Close()
	}
}

// process starts this binary in a role and returns the first line it prints; stop ends it.
func process(t testing.TB, role string) (line func() string, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	return func() string {
			l, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", role, err)
			}
			return strings.TrimSpace(l)
		}, sync.OnceFunc(func() {
			in.Close()
			io.Copy(io.Discard, out)
			_ = cmd.Wait()
		})
}

// remote is an engine whose client and upstream are other processes. load makes requests and fails if one fails.
func remote(t testing.TB, change func(*stand, *Config)) (s *stand, load func(connections, requests int, path string)) {
	t.Helper()
	line, stop := process(t, "upstream")
	t.Cleanup(stop)
	s = newStand(t, func(s *stand, c *Config) {
		c.Recorder = nil
		if change != nil {
			change(s, c)
		}
	})
	s.list("u", line())
	s.route("order", "/order", "u")
	s.route("other", "/other", "u")
	s.publish()
	return s, func(connections, requests int, path string) {
		t.Helper()
		line, stop := process(t, fmt.Sprintf("client %s %d %d %s", s.addr("front"), connections, requests, path))
		defer stop()
		if got := line(); got != strconv.Itoa(requests/connections*connections) {
			t.Fatalf("%s of %d requests were answered", got, requests)
		}
	}
}

func TestRequestsDoNotAllocate(t *testing.T) {
	requests := 100_000
	if testing.Short() || raceEnabled {
		requests = 10_000
	}
	_, load := remote(t, nil)
	load(16, 4000, "/order/42?a=b") // warm up
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	load(16, requests, "/order/42?a=b")
	runtime.ReadMemStats(&after)
	each := float64(after.Mallocs-before.Mallocs) / float64(requests)
	t.Logf("%.4f allocations and %.1f bytes per request", each, float64(after.TotalAlloc-before.TotalAlloc)/float64(requests))
	limit := 0.02
	if !testing.Short() && !raceEnabled {
		limit = 0.01
	}
	if raceEnabled {
		limit = 5 // pools forget at random under the race detector
	}
	if each >= limit {
		t.Errorf("%.4f allocations per request", each)
	}
}

func TestIdleConnectionsAreSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory is counted")
	}
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), nil)
	const n = 400
	conns := make([]net.Conn, 0, n)
	b := make([]byte, 512)
	open := func() {
		c, err := net.Dial("tcp", s.addr("front"))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		io.WriteString(c, get("/"))
		if _, err := c.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	open()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		open()
	}
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)) / n
	t.Logf("%d bytes per idle connection, the client's half in this process included", each)
	if each > 16<<10 {
		t.Errorf("%d bytes per idle connection", each)
	}
}

func BenchmarkRequests(b *testing.B) {
	_, load := remote(b, nil)
	load(64, 6400, "/order/42")
	b.ReportAllocs()
	b.ResetTimer()
	began, cpu := time.Now(), processTime()
	load(64, max(64, b.N), "/order/42")
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "req/s")
	b.ReportMetric((processTime()-cpu).Seconds()*1e5/float64(b.N), "cpu-s/100k")
}
