package example

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a registry that writes down who calls.
type book struct {
	mu    sync.Mutex
	calls []string
	down  bool
}

func (b *book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		http.Error(w, "down", http.StatusInternalServerError)
		return
	}
	q := r.URL.Query()
	b.calls = append(b.calls, fmt.Sprintf("%s %s %s:%s", r.Method, q.Get("serviceName"), q.Get("ip"), q.Get("port")))
	if strings.HasSuffix(r.URL.Path, "/beat") {
		_, _ = io.WriteString(w, `{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}`)
		return
	}
	_, _ = io.WriteString(w, "ok")
}

func (b *book) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.calls...)
}

type run struct {
	url    string
	cancel context.CancelFunc
	done   chan error
}

// start runs the application on a free port and waits until it answers.
func start(t *testing.T, env map[string]string) *run {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	all := map[string]string{"POD_IP": "127.0.0.1", "PORT": port, "POD_NAME": "order-a", "NODE_NAME": "node-1"}
	for k, v := range env {
		all[k] = v
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{"http://127.0.0.1:" + port, cancel, make(chan error, 1)}
	go func() { r.done <- Run(ctx, func(k string) string { return all[k] }, t.Output()) }()
	until(t, "it answers", func() bool {
		resp, err := client.Get(r.url + "/healthz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	t.Cleanup(cancel)
	return r
}

var client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (r *run) wait(t *testing.T) {
	t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it did not end")
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAnswer(t *testing.T) {
	r := start(t, map[string]string{"PAIFANG_IMAGE": "paifang.dev/example-order:v7"})
	req, _ := http.NewRequest(http.MethodPost, r.url+"/order/4%2F2?status=418&sleep=1ms", strings.NewReader("body"))
	req.Host = "shop.test"
	req.Header.Set(NodeHeader, "node-2")
	req.Header.Add("X-Two", "a")
	req.Header.Add("X-Two", "b")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var a Answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 418 || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	if a.Service != "order" || a.Version != "v7" || a.Pod != "order-a" || a.PodIP != "127.0.0.1" || a.PodNode != "node-1" || a.PID == 0 ||
		a.Node != "node-2" || a.Path != "/order/4%2F2" || a.Headers["Host"] != "shop.test" || a.Headers["X-Two"] != "a, b" {
		t.Errorf("%+v", a)
	}
	for _, bad := range []string{"?status=99", "?status=600", "?status=x", "?sleep=31s", "?sleep=-1s", "?sleep=soon"} {
		resp, err := client.Get(r.url + "/" + bad)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", bad, resp.Status)
		}
	}
	r.cancel()
	r.wait(t)
}

func TestRegistersAndLeavesInOrder(t *testing.T) {
	b := &book{}
	registry := httptest.NewServer(b)
	defer registry.Close()
	r := start(t, map[string]string{"PAIFANG_REGISTRY": registry.Listener.Addr().String()})
	address := strings.TrimPrefix(r.url, "http://")
	first := "POST DEFAULT_GROUP@@nacos-order-service " + address
	until(t, "it registers", func() bool { return len(b.all()) > 0 && b.all()[0] == first })

	slow, sent := make(chan error, 1), make(chan struct{})
	go func() {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/order/1?sleep=700ms", nil)
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
		}
		slow <- err
	}()
	<-sent
	r.cancel()
	last := "DELETE DEFAULT_GROUP@@nacos-order-service " + address
	until(t, "it deregisters", func() bool { c := b.all(); return c[len(c)-1] == last })
	// It still answers: others do not know yet that it is gone.
	resp, err := client.Get(r.url + "/order/2")
	if err != nil {
		t.Fatalf("a request right after the deregistration: %v", err)
	}
	_ = resp.Body.Close()
	if err := <-slow; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	r.wait(t)
}

func TestStartsWithoutItsRegistry(t *testing.T) {
	b := &book{down: true}
	registry := httptest.NewServer(b)
	defer registry.Close()
	r := start(t, map[string]string{"PAIFANG_REGISTRY": registry.Listener.Addr().String()})
	b.mu.Lock()
	b.down = false
	b.mu.Unlock()
	until(t, "it registers once the registry is there", func() bool { return len(b.all()) > 0 })
	registry.Close() // and it ends without its registry
	r.cancel()
	r.wait(t)
}

func TestBadSettings(t *testing.T) {
	for _, env := range []map[string]string{{"PORT": "http"}, {"PORT": "0"}, {"PORT": "65536"}, {"POD_IP": "here"}} {
		err := Run(t.Context(), func(k string) string { return env[k] }, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "example: ") {
			t.Errorf("%v: %v", env, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := Run(t.Context(), func(k string) string { return map[string]string{"PORT": port}[k] }, io.Discard); err == nil {
		t.Error("a taken port is no error")
	}
}

func TestTag(t *testing.T) {
	for image, want := range map[string]string{"": "v1", "a/b": "v1", "a/b:v2": "v2", "host:5000/b": "v1", "host:5000/b:x@sha256:00": "x", "b:": "v1"} {
		if got := tag(image); got != want {
			t.Errorf("%q: %q, want %q", image, got, want)
		}
	}
}
