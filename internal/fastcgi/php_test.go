package fastcgi_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"paifang/internal/fastcgi"
)

const script = `<?php
if (isset($_GET['status'])) { http_response_code((int)$_GET['status']); }
if (isset($_GET['to'])) { header('Location: '.$_GET['to']); exit; }
setcookie('a', '1'); setcookie('b', '2');
echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['REQUEST_URI'], ' ', $_SERVER['SCRIPT_NAME'], ' ', $_SERVER['REMOTE_ADDR'], ' ', $_SERVER['HTTP_HOST'], ' ',
  $_SERVER['HTTPS'] ?? 'off', ' ', $_SERVER['HTTP_PROXY'] ?? 'none', ' ', strlen(file_get_contents('php://input')), ' ', json_encode($_POST), ' ', $_FILES['f']['size'] ?? 'no file';
`

// phpFPM starts PHP-FPM with a script in a directory, and returns the socket that it listens on.
func phpFPM(t *testing.T, dir string) string {
	t.Helper()
	programs, _ := filepath.Glob("/usr/sbin/php-fpm*")
	if len(programs) == 0 {
		t.Skip("install php-fpm (Debian: php-fpm)")
	}
	socket, config := filepath.Join(dir, "s"), filepath.Join(dir, "fpm.conf")
	text := fmt.Sprintf("[global]\nerror_log = %[1]s/log\ndaemonize = no\n[www]\nuser = %[2]d\ngroup = %[3]d\nlisten = %[1]s/s\npm = static\npm.max_children = 2\n", dir, os.Getuid(), os.Getgid())
	for name, content := range map[string]string{config: text, filepath.Join(dir, "index.php"): script} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(programs[0], "-R", "-F", "-y", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("%s", log)
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			return socket
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// PHP-FPM is what most of those speak FastCGI for.
func TestPHP(t *testing.T) {
	dir, err := os.MkdirTemp("", "fpm") // a name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := phpFPM(t, dir)
	settings := &fastcgi.Settings{Index: "index.php", Params: []fastcgi.Param{{Name: "SCRIPT_FILENAME", Value: func(r *fastcgi.Request) string { return dir + r.Script }}}}
	c := client(t, settings, func() (net.Conn, error) { return net.Dial("unix", socket) }, func() {})

	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	w, err := m.CreateFormFile("f", "big")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(bytes.Repeat([]byte{0, 1, 2, 3}, 100_000))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		method, target, body, kind string
		status                     int
		want                       string
	}{
		{"GET", "/?q=%20", "", "", 200, "GET /?q=%20 /index.php 192.0.2.7 shop.test on none 0 [] no file"},
		{"POST", "/index.php", "a=1&b=2", "application/x-www-form-urlencoded", 200, `POST /index.php /index.php 192.0.2.7 shop.test on none 7 {"a":"1","b":"2"} no file`},
		{"POST", "/", form.String(), m.FormDataContentType(), 200, "POST / /index.php 192.0.2.7 shop.test on none 0 [] 400000"},
		{"GET", "/?status=503", "", "", 503, "GET /?status=503 /index.php 192.0.2.7 shop.test on none 0 [] no file"},
		{"GET", "/?to=/there", "", "", 302, ""},
		{"HEAD", "/", "", "", 200, ""},
		{"GET", "/missing.php", "", "", 404, "File not found.\n"},
	} {
		a, text := ask(t, c, x.method, x.target, strings.NewReader(x.body), "Content-Type", x.kind, "X-Forwarded-Proto", "https", "X-Real-IP", "192.0.2.7", "Proxy", "evil")
		if a.StatusCode != x.status || text != x.want {
			t.Errorf("%s %s: %d %q, want %d %q", x.method, x.target, a.StatusCode, text, x.status, x.want)
		}
		if x.status == 200 && len(a.Header.Values("Set-Cookie")) != 2 {
			t.Errorf("%s %s: %v", x.method, x.target, a.Header)
		}
	}
}
