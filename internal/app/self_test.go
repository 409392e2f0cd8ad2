package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/exposition/expositiontest"
	"paifang/internal/model"
	"paifang/internal/overload"
	"paifang/internal/telemetry"
)

// freePorts are ports of 127.0.0.1 that nobody has.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var out []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out
}

// gateway is a whole process with the role gateway, and a service behind it.
type gateway struct {
	*App
	t     *testing.T
	log   string // of accesses
	front string // URL of the gateway
	admin string // URL of the admin API
	http  *http.Client
}

func startGateway(t *testing.T, more string, change func(*Config)) *gateway {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/missing") {
			w.WriteHeader(404)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	routes := filepath.Join(dir, "routes.yaml")
	text := "spring:\n  cloud:\n    gateway:\n      routes:\n"
	for _, id := range []string{"order", "user"} {
		text += fmt.Sprintf("      - id: %s\n        uri: %s\n        predicates:\n        - Path=/%s/**\n", id, service.URL, id)
	}
	if err := os.WriteFile(routes, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2)
	cfg, err := ParseConfig("test.yaml", []byte(fmt.Sprintf("admin: {address: '127.0.0.1:%d'}\nlog: {access: '%s', redact: [card]}\nsources: {routes: ['%s']}\n"+
		"gateway: {http: '127.0.0.1:%d', service: '-'}\ndrain: 200ms\n%s", ports[0], filepath.Join(dir, "access.log"), routes, ports[1], more)))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg, Options{Name: "gateway"})
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
	g := &gateway{App: a, t: t, log: cfg.Log.Access, front: fmt.Sprintf("http://127.0.0.1:%d", ports[1]), admin: fmt.Sprintf("http://127.0.0.1:%d", ports[0]),
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}}
	t.Cleanup(func() {
		g.http.CloseIdleConnections()
		cancel()
		running.Wait()
	})
	until(t, "ready", a.hub.Ready)
	return g
}

func (g *gateway) ask(method, url string) (int, string) {
	g.t.Helper()
	q, err := http.NewRequest(method, url, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	q.Header.Set("User-Agent", `te"st`)
	q.Header.Set("Referer", "http://a.test/?token=s3cret")
	q.Header.Set("Cookie", "session=s3cret")
	q.Header.Set("Authorization", "Bearer s3cret")
	r, err := g.http.Do(q)
	if err != nil {
		g.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func (g *gateway) metrics() expositiontest.Page {
	g.t.Helper()
	code, body := g.ask("GET", g.admin+"/metrics")
	p, err := expositiontest.Parse([]byte(body))
	if err != nil || code != 200 {
		g.t.Fatal(code, err)
	}
	return p
}

// Metrics, the rows that the command line and the console show, and the access log tell the same.
func TestOneSetOfCounters(t *testing.T) {
	g := startGateway(t, "", nil)
	for _, path := range []string{"/order/1", "/order/2?accessToken=s3cret&card=s3cret&x=1", "/order/missing", "/user/1", "/nothing"} {
		g.ask("GET", g.front+path)
	}
	until(t, "every request is counted", func() bool { return g.metrics().Sum("paifang_requests_total") == 5 })
	p := g.metrics()
	rows := map[string]adminapi.Traffic{}
	for _, r := range g.Traffic() {
		rows[string(r.Part)+" "+r.Name] = r
	}
	order := rows["route springgw/order"]
	if order.Count != 3 || order.Refused != 1 || p.Sum("paifang_requests_total", `route="springgw/order"`) != 3 || p.Sum("paifang_requests_total", `route="springgw/order"`, `code="4xx"`) != 1 {
		t.Errorf("route order: %+v of %v", order, rows)
	}
	if none := rows["route "]; none.Count != 1 || p.Sum("paifang_requests_total", `route=""`) != 1 {
		t.Errorf("no route: %+v", none)
	}
	front := rows["listener gateway/http"]
	if front.Count != 5 || front.Refused != 2 || front.Latency <= 0 || p.Sum("paifang_requests_total", `listener="gateway/http"`) != 5 {
		t.Errorf("listener: %+v of %v", front, rows)
	}
	var endpoints uint64
	for key, r := range rows {
		if strings.HasPrefix(key, "endpoint ") {
			endpoints += r.Count
		}
	}
	if endpoints != 4 || p.Sum("paifang_upstream_first_byte_seconds") != 4 {
		t.Errorf("endpoints have %d requests, metrics have %v", endpoints, p.Sum("paifang_upstream_first_byte_seconds"))
	}
	if code, body := g.ask("POST", g.admin+"/api/v1/access-log/reopen"); code != 200 {
		t.Fatal(code, body)
	}
	text, err := os.ReadFile(g.log)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text, []byte("\n")) != 5 || bytes.Contains(text, []byte("s3cret")) {
		t.Errorf("access log:\n%s", text)
	}
	var line struct{ Query, UserAgent, Referer, Protocol, Peer, Reason string }
	if err := json.Unmarshal(bytes.Split(text, []byte("\n"))[1], &line); err != nil {
		t.Fatal(err)
	}
	if line.Query != "accessToken=***&card=***&x=1" || line.UserAgent != `te"st` || line.Referer != "http://a.test/?token=***" || line.Protocol != "HTTP/1.1" || line.Peer == "" {
		t.Errorf("%+v", line)
	}
	if p.Sum("paifang_access_log_up") != 1 || g.metrics().Sum("paifang_access_log_lines_total") != 5 || p.Sum("paifang_source_up", `source="springgw"`) != 1 {
		t.Error("the access log or the source is not in the metrics")
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	log := telemetry.NewAccessLog(full{}, telemetry.Options{})
	defer log.Close()
	r := requests{log, explain.NewRing(0)}
	record := &telemetry.Access{Time: time.Now(), Method: "GET", Target: "/order/42?accessToken=x", Path: "/order/42", Status: 200}
	for range 2 {
		for range 1000 {
			r.Record(record)
		}
		if err := log.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(500, func() { r.Record(record) }); n != 0 {
		t.Errorf("a request costs %v allocations", n)
	}
}

func TestSelfDiagnostics(t *testing.T) {
	g := startGateway(t, "metrics: {series: 31}\n", nil)
	codes := func() map[model.Code]model.Severity {
		out := map[model.Code]model.Severity{}
		for _, d := range (selfFinder{g.App}).Diagnostics() {
			out[d.Code] = d.Severity
		}
		return out
	}
	if got := codes(); len(got) != 1 || got[codeSeriesFolded] != model.Warning {
		t.Errorf("%v", got)
	}
	if n := g.metrics().Sum("paifang_diagnostics", `severity="warning"`); n < 1 {
		t.Errorf("%v warnings", n)
	}
	broken := &App{http: g.App.http, memory: overload.New(overload.Config{Limit: 1 << 30, Gauge: func() uint64 { return 1 << 30 }, Every: time.Millisecond, Relieve: func() {}}),
		access: telemetry.NewAccessLog(full{}, telemetry.Options{})}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { broken.memory.Run(ctx) })
	defer running.Wait()
	defer cancel()
	broken.access.Record(&telemetry.Access{Time: time.Now()})
	if err := broken.access.Close(); err == nil {
		t.Error("a full disk is no error")
	}
	until(t, "the process is short of memory", func() bool { return broken.memory.Level() == overload.Closed })
	g.App = broken
	if got := codes(); len(got) != 4 || got[codeLogFailed] != model.Error || got[codeLogDropped] != model.Warning || got[codeOverload] != model.Warning {
		t.Errorf("%v", got)
	}
}

// full is a disk that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
func (full) Close() error              { return nil }

func TestCombinedLogAndLimits(t *testing.T) {
	g := startGateway(t, "limits: {memory: 3GiB, connections: 100, connectionsPerAddress: 2}\n", func(c *Config) { c.Log.AccessFormat = "combined" })
	g.ask("GET", g.front+"/order/1?a=b")
	until(t, "the line", func() bool {
		text, err := os.ReadFile(g.log)
		return err == nil && strings.HasSuffix(string(text), "] \"GET /order/1?a=b HTTP/1.1\" 200 5 \"http://a.test/?token=***\" \"te\\x22st\"\n")
	})
	p := g.metrics()
	if p.Sum("paifang_memory_limit_bytes") != 3<<30 || p.Sum("paifang_connection_limit", `of="listener"`) != 2 || p.Sum("paifang_connection_limit", `of="total"`) != 100 {
		t.Error("the limits are not in force")
	}
	at := strings.TrimPrefix(g.front, "http://")
	for range 3 { // the client of this test keeps one
		if c, err := net.Dial("tcp", at); err == nil { // one that is refused may be reset before it stands
			defer c.Close()
		}
	}
	until(t, "one is refused", func() bool {
		return g.metrics().Sum("paifang_connections_refused_total", `cause="listener-limit"`) >= 1
	})
}

func TestLimitsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"limits: {memory: lots}\n":              "limits.memory",
		"limits: {memory: 1MiB}\n":              "too small",
		"limits: {connections: -1}\n":           "limits.connections",
		"metrics: {series: -5}\n":               "metrics.series",
		"log: {accessFormat: common}\n":         "log.accessFormat",
		"limits: {connectionsPerListener: 1}\n": "connectionsPerAddress",
	} {
		if _, err := ParseConfig("f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
}
