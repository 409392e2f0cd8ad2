package httpproxy

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// foreign is another proxy in front of a recording upstream.
type foreign struct {
	name, addr string
	rec        *recorder
}

// TestDifferential sends the bytes of every table to nginx and HAProxy too, where they are installed: nothing that both
// refuse is forwarded here. `go test -v` shows where the three differ.
func TestDifferential(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: it starts other programs")
	}
	others := []foreign{startNginx(t), startHAProxy(t)}
	s, rec := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), nil)
	ours := foreign{"paifang", s.addr("front"), rec}
	for table, cases := range map[string][]strictCase{
		"line": lineCases(), "target": targetCases(), "absolute": absoluteCases(), "host": hostCases(), "field": fieldCases(), "hop": hopCases(),
		"length": lengthCases(), "coding": codingCases(), "chunk": chunkCases(), "trailer": trailerCases(), "sequence": sequenceCases(), "upgrade": upgradeCases(),
	} {
		for _, c := range cases {
			if len(c.more) > 0 || len(c.send) > 8<<10 {
				continue
			}
			name := table + "/" + c.name
			send := c.send
			if !strings.HasPrefix(c.want, "open ") {
				send += smuggled
			}
			mine, taken := ours.ask(t, send)
			text := fmt.Sprintf("%s: %s %d", name, mine, taken)
			refused, differs := 0, false
			for _, o := range others {
				status, n := o.ask(t, send)
				text += fmt.Sprintf(", %s %s %d", o.name, status, n)
				if n == 0 && status >= "400" {
					refused++
				}
				differs = differs || n != taken
			}
			if differs {
				t.Log(text)
			}
			if taken > 0 && refused == len(others) {
				t.Errorf("we alone take this: %s", text)
			}
		}
	}
}

// ask sends bytes on a connection, ends it, and returns the first status and how many requests the upstream had of it.
func (f *foreign) ask(t *testing.T, send string) (status string, requests int) {
	t.Helper()
	before := len(f.rec.requests())
	c, err := net.DialTimeout("tcp", f.addr, 5*time.Second)
	if err != nil {
		t.Fatal(f.name, err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	_, _ = io.WriteString(c, send)
	_ = c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	status = "---"
	if len(answer) > 12 {
		status = string(answer[9:12])
	}
	return status, len(f.rec.requests()) - before
}

// start runs a program that listens at an address until the test ends, or skips the test.
func start(t *testing.T, addr, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
		if _, err := os.Stat(path); err != nil {
			t.Skipf("skipped: %s is not installed", name)
		}
	}
	cmd := exec.Command(path, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Skipf("skipped: %s does not start: %v", name, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func startNginx(t *testing.T) foreign {
	t.Helper()
	f := foreign{"nginx", refusing(t), newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))}
	dir := t.TempDir()
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server { listen %[2]s; location / { proxy_pass http://%[3]s; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_ignore_client_abort on; } }
}
`, dir, f.addr, f.rec.Addr())
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, f.addr, "nginx", "-e", filepath.Join(dir, "error.log"), "-p", dir, "-c", file)
	return f
}

func startHAProxy(t *testing.T) foreign {
	t.Helper()
	f := foreign{"HAProxy", refusing(t), newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	conf := fmt.Sprintf(`defaults
	mode http
	timeout connect 1s
	timeout client 2s
	timeout server 2s
	timeout http-request 2s
frontend f
	bind %s
	default_backend b
backend b
	server s %s
`, f.addr, f.rec.Addr())
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, f.addr, "haproxy", "-db", "-f", file)
	return f
}
