package registry

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/nacos"
)

// program builds the product once.
var program = sync.OnceValues(func() (string, error) {
	file := filepath.Join(scratch, "paifang")
	build := exec.Command("go", "build", "-o", file, "./cmd/paifang")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, nil
})

// process is a server, most often a `paifang serve`, that is killed and started again.
type process struct {
	t       *testing.T
	name    string
	dir     string
	admin   string // of Paifang
	command func() (*exec.Cmd, error)
	up      func() bool // it does what it is there for
	within  time.Duration
	cmd     *exec.Cmd
	log     bytes.Buffer
	done    chan struct{}
}

// serve starts a process with a configuration and waits until it is ready.
func serve(t *testing.T, name, config string) *process {
	t.Helper()
	p := &process{t: t, name: name, dir: t.TempDir(), admin: freeAddress(t), within: 30 * time.Second}
	p.command = func() (*exec.Cmd, error) {
		file, err := program()
		return exec.Command(file, "serve", "-c", filepath.Join(p.dir, "paifang.yaml")), err
	}
	p.up = func() bool {
		status, _, err := get("http://" + p.admin + "/readyz")
		return err == nil && status == 200
	}
	must(t, os.WriteFile(filepath.Join(p.dir, "paifang.yaml"), fmt.Appendf(nil, "admin: {address: %q}\ndata: %q\n%s", p.admin, p.dir, config), 0o600))
	p.begin()
	return p
}

// begin starts it for as long as the test lasts.
func (p *process) begin() {
	p.t.Helper()
	p.t.Cleanup(func() {
		p.kill()
		if p.t.Failed() {
			p.t.Logf("%s: %s", p.name, p.log.String())
		}
	})
	p.start()
	p.ready()
}

func (p *process) start() {
	p.t.Helper()
	var err error
	p.cmd, err = p.command()
	must(p.t, err)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	must(p.t, p.cmd.Start())
	p.done = make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
}

func (p *process) ready() {
	p.t.Helper()
	within(p.t, p.within, p.name+" is ready", p.up)
}

// kill ends it without a word, and returns when it is gone.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	p.cmd = nil
}

// password is that of the first user.
func (p *process) password() string {
	p.t.Helper()
	text, err := os.ReadFile(p.passwordFile())
	must(p.t, err)
	return strings.TrimSpace(string(text))
}

func (p *process) passwordFile() string { return filepath.Join(p.dir, "registry", "password") }

// client connects a program to a registry whose ports are where they are.
func client(t *testing.T, opt nacos.Options) *nacos.Client {
	t.Helper()
	c, err := nacos.Connect(t.Context(), opt)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

var asking = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func get(url string) (int, string, error) { return request("GET", url) }

func request(method, url string) (int, string, error) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := asking.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
