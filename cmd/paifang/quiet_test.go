package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestLibrariesAreQuiet: an auth service that sends a body with 204 makes Go's client print bytes of it. The log of serve, which somebody
// reads as JSON, has nothing but its own lines.
func TestLibrariesAreQuiet(t *testing.T) {
	auth, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close()
	go func() {
		for {
			c, err := auth.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\nauthbody")
					_, _ = io.Copy(io.Discard, c) // until it is closed there, which is when the client has read the rest
				}
			}()
		}
	}()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := front.Addr().String()
	front.Close()
	write := writer(t)
	rules := write("rules.yaml", "apiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: all}\nspec:\n  attach: [gateway]\n  match: {path: {kind: Prefix, value: /}}\n  respond: {status: 200}\n"+
		"  filters:\n  - kind: external-auth\n    config: {url: 'http://"+auth.Addr().String()+"/', loopback: true}\n")
	file := write("paifang.yaml", fmt.Sprintf("admin: {address: '127.0.0.1:0'}\nlog: {format: json}\nsources: {manifests: [%q]}\ngateway: {http: %q, service: '-'}\ndrain: 100ms\n", rules, at))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, "serve", "--config", file)
	c.Env = append(os.Environ(), asPaifang+"=1")
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	passed := 0
	for end := time.Now().Add(time.Minute); passed < 20 && time.Now().Before(end); {
		if r, err := client.Get("http://" + at + "/"); err == nil {
			if r.Body.Close(); r.StatusCode == 200 {
				passed++
				continue
			}
		}
		time.Sleep(5 * time.Millisecond) // it is starting
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // how it ended is told below, as far as it matters
	if passed < 20 || !strings.Contains(out.String(), `"msg":"started"`) {
		t.Fatalf("%d requests passed:\n%s", passed, out.String())
	}
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("not ours: %s", line)
		}
	}
}
