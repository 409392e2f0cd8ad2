package example

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/registry"
	"paifang/internal/registry/nacosapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a registry behind its wire servers.
type book struct {
	t          *testing.T
	handle     registry.Handle
	http, grpc string
	api        *nacosapi.Server
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{t: t, http: free(t), grpc: free(t)}
	t.Cleanup(b.stop)
	return b
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (b *book) start() {
	b.t.Helper()
	if err := b.handle.Start(registry.Options{Addresses: registry.AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}); err != nil {
		b.t.Fatal(err)
	}
	var at [2]net.Listener
	for i, addr := range []string{b.http, b.grpc} {
		var err error
		if at[i], err = net.Listen("tcp", addr); err != nil {
			b.t.Fatal(err)
		}
	}
	b.api = nacosapi.New(nacosapi.Config{}, &b.handle)
	b.api.Start(at[0], at[1])
}

func (b *book) stop() {
	if b.api == nil {
		return
	}
	b.handle.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = b.api.Close(ctx) // connections that are cut are an error, and no surprise
	b.api = nil
}

func (b *book) env() map[string]string {
	return map[string]string{"PAIFANG_REGISTRY": b.http, "PAIFANG_REGISTRY_GRPC": b.grpc}
}

// lists returns the addresses of the application, with the pods that they say they are.
func (b *book) lists() string {
	r, ok := b.handle.Current()
	if !ok {
		return ""
	}
	var out []string
	for _, in := range r.View(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: RegistryService}).Instances {
		pod, _ := in.Metadata.Get("pod")
		out = append(out, in.Addr.String()+" "+pod)
	}
	return strings.Join(out, ", ")
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
	b := newBook(t)
	b.start()
	r := start(t, b.env())
	until(t, "it registers", func() bool { return b.lists() == strings.TrimPrefix(r.url, "http://")+" order-a" })

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
	until(t, "it deregisters", func() bool { return b.lists() == "" })
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
	b := newBook(t)
	r := start(t, b.env())
	b.start()
	until(t, "it registers once the registry is there", func() bool { return b.lists() != "" })
	b.stop() // and it ends without its registry
	r.cancel()
	r.wait(t)
}

func TestBadSettings(t *testing.T) {
	for _, env := range []map[string]string{{"PAIFANG_REGISTRY": "here", "PAIFANG_REGISTRY_USERNAME": "a", "PAIFANG_REGISTRY_PASSWORD_FILE": "/none"}, {"PORT": "http"}, {"PORT": "0"}, {"PORT": "65536"}, {"POD_IP": "here"}} {
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
