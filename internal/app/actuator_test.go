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
	"strings"
	"sync"
	"testing"
	"time"
)

// TestActuator adds and takes away routes of a running process, and starts it again.
func TestActuator(t *testing.T) {
	dir := t.TempDir()
	token, routes := filepath.Join(dir, "token"), filepath.Join(dir, "application.yml")
	const secret = "a-token-of-this-test-0001"
	for file, text := range map[string]string{token: secret + "\n", routes: `
spring.cloud.gateway:
  default-filters: ["AddResponseHeader=X-Default, yes"]
  routes:
  - {id: first, uri: "no://op", predicates: ["Path=/both"], filters: ["SetStatus=201"]}
`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Config{Data: filepath.Join(dir, "data"), Gateway: &Gateway{HTTP: free(t), Service: "-"}, Admin: Admin{Address: free(t)},
		Sources: Sources{Routes: []string{routes}, Spring: Spring{Actuator: &Actuator{TokenFile: token}}}, Drain: Duration(50 * time.Millisecond), Leave: -1}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	ask := func(at netip.AddrPort, verb, path, body string) (int, string, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), verb, "http://"+at.String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, "/actuator") {
			r.Header.Set("Authorization", "Bearer "+secret)
			r.Header.Set("Content-Type", "application/json")
		}
		resp, err := client.Do(r)
		if err != nil {
			return 0, err.Error(), nil
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error(), nil
		}
		return resp.StatusCode, string(text), resp.Header
	}
	served := func(path string, want int) func() bool {
		return func() bool {
			status, _, h := ask(c.Gateway.HTTP, "GET", path, "")
			return status == want && (want == 404 || h.Get("X-Default") == "yes")
		}
	}
	manage := func(want int, verb, path, body string) string {
		t.Helper()
		status, text, _ := ask(c.Admin.Address, verb, "/actuator/gateway"+path, body)
		if status != want {
			t.Fatalf("%s %s: %d %s", verb, path, status, text)
		}
		return text
	}
	run := func(during func(a *App)) {
		t.Helper()
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
		defer running.Wait()
		defer cancel()
		within, stop := context.WithTimeout(ctx, 20*time.Second)
		defer stop()
		if err := a.WaitReady(within); err != nil {
			t.Fatal(err)
		}
		during(a)
	}
	run(func(a *App) {
		until(t, "the file is served", served("/both", 201))
		manage(201, "POST", "/routes/second", `{"uri":"no://op","predicates":["Path=/both"],"filters":["SetStatus=202"]}`)
		manage(201, "POST", "/routes/posted", `{"uri":"no://op","predicates":["Path=/posted"],"filters":["SetStatus=203"]}`)
		manage(200, "POST", "/refresh", "")
		until(t, "what was posted is served, with the default filters", served("/posted", 203))
		if !served("/both", 201)() {
			t.Error("a posted route comes before one in a file with the same order")
		}
		manage(201, "POST", "/routes/second", `{"uri":"no://op","predicates":["Path=/both"],"filters":["SetStatus=202"],"order":-1}`)
		until(t, "its order is before that of the file's", served("/both", 202))
		manage(409, "POST", "/routes/first", `{"uri":"no://op","predicates":["Path=/x"]}`)
		manage(400, "POST", "/routes/third", `{"uri":"no://op","predicates":["Path=/x"],"filters":["SetStatus=1"]}`)
		if text := manage(200, "GET", "/routes", ""); strings.Index(text, `"second"`) > strings.Index(text, `"first"`) || !strings.Contains(text, `[[AddResponseHeader X-Default = 'yes'], order = 1]`) {
			t.Error(text)
		}
		if status, text, _ := ask(c.Admin.Address, "GET", "/api/v1/config", ""); status != 200 || strings.Contains(text, secret) {
			t.Errorf("the configuration is shown with %d and the token: %s", status, text)
		}
	})
	run(func(a *App) {
		if !served("/posted", 203)() || !served("/both", 202)() {
			t.Error("what was posted is not served as soon as the process is ready again")
		}
		manage(200, "DELETE", "/routes/second", "")
		until(t, "what was deleted is gone", served("/both", 201))
		manage(404, "DELETE", "/routes/first", "")
	})
	posted := filepath.Join(c.Data, "actuator", "routes.json")
	if err := os.WriteFile(posted, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(func(a *App) {
		if !served("/posted", 203)() {
			t.Error("the last good routes are not served where the file is broken")
		}
		if all := strings.Join(a.Troubles(), "\n"); !strings.Contains(all, "actuator-store") || !strings.Contains(all, posted) {
			t.Errorf("a broken file is not told: %s", all)
		}
		manage(409, "POST", "/routes/new", `{"uri":"no://op","predicates":["Path=/x"]}`)
		if err := os.WriteFile(token, []byte("another-token-of-this-test"), 0o600); err != nil {
			t.Fatal(err)
		}
		manage(401, "GET", "/routes", "")
	})
	if text, err := os.ReadFile(posted); string(text) != "[{" {
		t.Errorf("the broken file was written over: %s, %v", text, err)
	}
	on := c.Sources.Spring.Actuator
	c.Sources.Spring.Actuator = nil
	run(func(*App) { // off unless it is switched on
		manage(404, "GET", "/routes", "")
		manage(404, "POST", "/routes/new", `{"uri":"no://op","predicates":["Path=/x"]}`)
		if !served("/both", 201)() || !served("/posted", 404)() {
			t.Error("without the actuator the file is not served, or what was posted is")
		}
	})
	c.Sources.Spring.Actuator = on
	for _, wrong := range []Actuator{{}, {TokenFile: token, TokenVariable: "X"}} {
		bad := c
		bad.Sources.Spring.Actuator = &wrong
		if bad.Check() == nil {
			t.Errorf("%+v is accepted", wrong)
		}
	}
	t.Setenv("SHORT_TOKEN", "short")
	c.Sources.Spring.Actuator = &Actuator{TokenVariable: "SHORT_TOKEN"}
	if _, err := New(c, Options{}); err == nil || !strings.Contains(err.Error(), "16") || strings.Contains(err.Error(), `"short"`) {
		t.Errorf("a short token: %v", err)
	}
}

// TestLocatedHaveMetadata: the actuator lists the metadata of the instance that a route of the locator has its own from.
func TestLocatedHaveMetadata(t *testing.T) {
	dir := t.TempDir()
	file, token := filepath.Join(dir, "application.yml"), filepath.Join(dir, "token")
	for path, text := range map[string]string{file: "spring.cloud.gateway.discovery.locator.enabled: true\n", token: "0123456789abcdef"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reg := free(t)
	c := Config{Data: filepath.Join(dir, "data"), Gateway: &Gateway{HTTP: free(t), Service: "-"}, Admin: Admin{Address: free(t)},
		Sources:  Sources{Routes: []string{file}, Spring: Spring{Actuator: &Actuator{TokenFile: token}}},
		Registry: &Registry{HTTP: reg, GRPC: free(t), Auth: authOff, Storage: "memory", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	a := started(t, c)
	for port, metadata := range map[string]string{"81": `{"zone":"a"}`, "82": `{"response-timeout":"0700","zone":"b"}`} {
		res, err := http.Post(fmt.Sprintf("http://%s/nacos/v1/ns/instance?serviceName=order&ip=127.0.0.1&port=%s&metadata=%s", reg, port, url.QueryEscape(metadata)), "", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	until(t, "the route is listed with what the instance says whose timeout acts", func() bool {
		all := a.located()
		return len(all) == 1 && string(all[0].Metadata) == `{"response-timeout":"0700","zone":"b"}`
	})
}
