package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"paifang/internal/adminapi"
)

// started runs a process until the test ends.
func started(t *testing.T, c Config) *App {
	t.Helper()
	c.Admin.Address, c.Drain, c.Leave = netip.MustParseAddrPort("127.0.0.1:0"), Duration(50*time.Millisecond), -1
	a, err := New(c, Options{Name: "test", Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	within, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	if err := a.WaitReady(within); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRoutesInARegistry has routes followed that a configuration holds: in the registry of the process, and in one that is
// another process's and speaks the protocol of Nacos.
func TestRoutesInARegistry(t *testing.T) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	at, grpc := free(t), free(t)
	publish := func(verb string, form url.Values) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), verb, "http://"+at.String()+"/nacos/v1/cs/configs?"+form.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
	}
	status := func(a *App, path string) func(want int) func() bool {
		return func(want int) func() bool {
			return func() bool {
				resp, err := client.Get("http://" + a.cfg.Gateway.HTTP.String() + path)
				if err != nil {
					return false
				}
				resp.Body.Close()
				return resp.StatusCode == want
			}
		}
	}
	spring := Spring{Nacos: []SpringItem{{DataID: "gateway.yml"}, {DataID: "list.json", Group: "ROUTES"}}, Properties: map[string]string{"given": "203"}}
	own := started(t, Config{
		Gateway: &Gateway{HTTP: free(t), Service: "-"}, Sources: Sources{Spring: spring},
		Registry: &Registry{HTTP: at, GRPC: grpc, Auth: authOff, Storage: "memory"},
	})
	far := started(t, Config{
		Gateway: &Gateway{HTTP: free(t), Service: "-"},
		Sources: Sources{Spring: spring, Nacos: []Nacos{{Address: at.String(), GRPC: grpc.String()}}},
	})
	both := map[string]*App{"own": own, "far": far}
	route := func(status string) string {
		return fmt.Sprintf("spring.cloud.gateway.routes:\n- {id: a, uri: 'no://op', predicates: ['Path=/a'], filters: ['SetStatus=%s']}\n", status)
	}
	item := url.Values{"dataId": {"gateway.yml"}, "group": {"DEFAULT_GROUP"}, "content": {route("202")}}
	publish("POST", item)
	publish("POST", url.Values{"dataId": {"list.json"}, "group": {"ROUTES"}, "content": {`[{"id":"j","uri":"no://op","predicates":[{"name":"Path","args":{"pattern":"/j"}}],"filters":[{"name":"SetStatus","args":{"status":"206"}}]}]`}})
	for name, a := range both {
		until(t, name+": the first text is served", status(a, "/a")(202))
		until(t, name+": the list is served", status(a, "/j")(206))
	}
	item.Set("content", route("${given}"))
	publish("POST", item)
	for name, a := range both {
		until(t, name+": the changed text is served", status(a, "/a")(203))
	}
	item.Del("content")
	publish("DELETE", item)
	gone := func(a *App) func() bool {
		return func() bool {
			for _, d := range a.store.Load().Diagnostics() {
				if d.Origin.File == "nacos/public/DEFAULT_GROUP/gateway.yml" {
					return true
				}
			}
			return false
		}
	}
	for name, a := range both {
		until(t, name+": it is told that the configuration is gone", gone(a))
		if !status(a, "/a")(203)() {
			t.Errorf("%s: the routes of a configuration that is gone went with it", name)
		}
	}
	for _, verb := range []adminapi.Verb{adminapi.Stop, adminapi.Start} {
		if err := own.Act(t.Context(), "registry", verb, ""); err != nil {
			t.Fatal(err)
		}
	}
	for name, a := range both {
		if !status(a, "/a")(203)() {
			t.Errorf("%s: the routes went with the registry", name)
		}
	}
	item.Set("content", route("201"))
	publish("POST", item)
	for name, a := range both {
		until(t, name+": a registry that is back is followed", status(a, "/a")(201))
	}
}

// TestGuardOfFilesInARegistry: filters of ours that files have for all routes guard those that a registry holds.
func TestGuardOfFilesInARegistry(t *testing.T) {
	file := filepath.Join(t.TempDir(), "application.yml")
	if err := os.WriteFile(file, []byte("spring.cloud.gateway.paifang-filters: [{kind: addresses, config: {deny: [127.0.0.0/8]}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := free(t)
	a := started(t, Config{
		Gateway:  &Gateway{HTTP: free(t), Service: "-"},
		Sources:  Sources{Routes: []string{file}, Spring: Spring{Nacos: []SpringItem{{DataID: "gateway.yml"}}}},
		Registry: &Registry{HTTP: at, GRPC: free(t), Auth: authOff, Storage: "memory"},
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	ask := func(verb, address string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), verb, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	item := url.Values{"dataId": {"gateway.yml"}, "group": {"DEFAULT_GROUP"}, "content": {"spring.cloud.gateway.routes:\n- {id: a, uri: 'no://op', predicates: ['Path=/a']}\n"}}
	if status := ask("POST", "http://"+at.String()+"/nacos/v1/cs/configs?"+item.Encode()); status != 200 {
		t.Fatal(status)
	}
	until(t, "the route is served, and refuses who is not let in", func() bool {
		status := ask("GET", "http://"+a.cfg.Gateway.HTTP.String()+"/a")
		if status == 200 {
			t.Fatal("the route is served without the filter of all routes")
		}
		return status == 403
	})
}
