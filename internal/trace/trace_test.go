package trace

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"paifang/internal/model"
	"paifang/internal/telemetry"
	"paifang/internal/trace/tracetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stand is exporters, with what they have logged.
type stand struct {
	*Exporters
	mu  sync.Mutex
	log bytes.Buffer
}

// Write takes a line of the log.
func (s *stand) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

// lines counts those of the log that have a text in them.
func (s *stand) lines(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.log.String(), text)
}

func newStand(t *testing.T) *stand {
	s := &stand{}
	s.Exporters = NewExporters(slog.New(slog.NewTextHandler(s, nil)), func(p string) string { return strings.ReplaceAll(p, "secret", "***") })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Close(ctx)
	})
	return s
}

// tracer is one that is released with the test, where it was not before.
func (s *stand) tracer(t *testing.T, set model.Tracing) (tracer *Tracer, release func()) {
	t.Helper()
	tracer = s.Acquire(set)
	release = sync.OnceFunc(func() { s.Release(tracer) })
	t.Cleanup(release)
	return tracer, release
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestSamplers: each sampler, for a trace that begins here and for those that come sampled and not.
func TestSamplers(t *testing.T) {
	for _, c := range []struct {
		sampler               model.Sampler
		ratio                 float64
		begun, sampled, quiet bool
	}{
		{"", 0, true, true, false},
		{model.SamplerOn, 0, true, true, true},
		{model.SamplerOff, 0, false, false, false},
		{model.SamplerRatio, 1, true, true, true},
		{model.SamplerRatio, 1e-9, false, false, false},
		{model.SamplerParentOn, 0, true, true, false},
		{model.SamplerParentOff, 0, false, true, false},
		{model.SamplerParentRatio, 1, true, true, false},
		{model.SamplerParentRatio, 1e-9, false, true, false},
	} {
		tr := newTracer(model.Tracing{Sampler: c.sampler, Ratio: c.ratio}.Effective(), nil)
		for header, want := range map[string]bool{"": c.begun, sampledParent: c.sampled, unsampledParent: c.quiet} {
			s := tr.Start(model.RouteTracing{}, header, "")
			if s.id.sampled != want || strings.HasSuffix(s.Header, "-01") != want {
				t.Errorf("%q %v, from %q: %s", c.sampler, c.ratio, header, s.Header)
			}
		}
	}
	n, tr := 0, newTracer(model.Tracing{Sampler: model.SamplerRatio}.Effective(), nil)
	for range 100_000 {
		if tr.Start(model.RouteTracing{}, "", "").id.sampled {
			n++
		}
	}
	if n < 700 || n > 1300 {
		t.Errorf("of 100,000 traces %d are sampled, want about 1,000", n)
	}
}

// TestStart: a trace is continued by a span of its own, and one that is malformed or not trusted is not, with its tracestate.
func TestStart(t *testing.T) {
	tr := newTracer(model.Tracing{}.Effective(), nil)
	s := tr.Start(model.RouteTracing{}, sampledParent, "a=1")
	p, ok := parseParent(s.Header)
	if !ok || s.Trace() != "4bf92f3577b34da6a3ce929d0e0e4736" || s.Header[spanAt:spanEnd] == "00f067aa0ba902b7" || s.State != "a=1" || p.span != s.id.span {
		t.Errorf("%+v", s)
	}
	if s := tr.Start(model.RouteTracing{}, sampledParent, "a"); s.State != "" || s.Trace() != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("a malformed tracestate: %+v", s)
	}
	for name, s := range map[string]*Span{
		"malformed":   tr.Start(model.RouteTracing{}, sampledParent+"x", "a=1"),
		"not trusted": tr.Start(model.RouteTracing{Incoming: model.IncomingIgnore}, sampledParent, "a=1"),
	} {
		if _, ok := parseParent(s.Header); !ok || s.Trace() == "4bf92f3577b34da6a3ce929d0e0e4736" || s.State != "" || s.above != [8]byte{} {
			t.Errorf("%s: %+v", name, s)
		}
	}
	on := newTracer(model.Tracing{RouteTracing: model.RouteTracing{Spans: model.SpansOff, Name: "all"}}.Effective(), nil)
	if got := on.Of(model.RouteTracing{Spans: model.SpansOn}); got != (model.RouteTracing{Spans: model.SpansOn, Incoming: model.IncomingTrust, Name: "all"}) {
		t.Errorf("%+v", got)
	}
}

func record() *telemetry.Access {
	return &telemetry.Access{
		Time: time.Now(), Listener: "gateway/http", Node: "gateway", Peer: netip.MustParseAddrPort("10.0.0.9:4711"), Client: netip.MustParseAddr("192.0.2.1"),
		Method: "GET", Host: "shop.test:8080", Path: "/order/secret", Target: "/order/secret?token=x", Protocol: "HTTP/1.1", Status: 503, Reason: "no-endpoint",
		Route: "springgw/order", Upstream: "nacos/order", Endpoint: netip.MustParseAddrPort("10.1.0.1:80"), Pod: "order-1", Tries: 2, Resent: 1, In: 3, Out: 4,
		Total: 50 * time.Millisecond, RequestID: "r1",
	}
}

// TestWhatIsSent: everything of a record is in its span, and no query and no secret.
func TestWhatIsSent(t *testing.T) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	tr, _ := newStand(t).tracer(t, model.Tracing{Collector: c.Addr, Service: "edge", Delay: time.Millisecond})
	s := tr.Start(model.RouteTracing{}, sampledParent, "a=1")
	a := record()
	s.End(a, true)
	*a = telemetry.Access{} // it is used again
	got := c.Wait(t, 1)[0]
	attributes := map[string]any{
		"http.request.method": "GET", "url.scheme": "https", "url.path": "/order/***", "server.address": "shop.test", "client.address": "192.0.2.1",
		"network.peer.address": "10.0.0.9", "network.peer.port": int64(4711), "network.protocol.version": "1.1", "http.response.status_code": int64(503),
		"http.request.body.size": int64(3), "http.response.body.size": int64(4), "http.route": "springgw/order", "paifang.listener": "gateway/http",
		"paifang.node": "gateway", "paifang.upstream": "nacos/order", "paifang.endpoint": "10.1.0.1:80", "paifang.pod": "order-1", "paifang.tries": int64(2),
		"paifang.resent": int64(1), "paifang.reason": "no-endpoint", "paifang.request_id": "r1", "error.type": "no-endpoint",
	}
	want := tracetest.Span{Service: "edge", Name: "GET springgw/order", Trace: s.Trace(), ID: s.Header[spanAt:spanEnd], Parent: "00f067aa0ba902b7", State: "a=1",
		Server: true, Error: true, Took: 50 * time.Millisecond, Attributes: attributes}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent\n%+v, want\n%+v", got, want)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		said, method, route, want string
	}{
		{"", "GET", "r", "GET r"}, {"", "GET", "", "GET"}, {"", "EVIL-1", "r", "HTTP r"}, {"checkout", "GET", "r", "checkout"},
		{"{method} {host} {path} {upstream}", "PUT", "r", "PUT shop.test /x nacos/order"}, {"\xff", "GET", "r", "\uFFFD"},
	} {
		a := record()
		a.Method, a.Route = c.method, c.route
		if got := name(c.said, a, "/x"); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	a := record()
	a.Method, a.Protocol, a.Status = "EVIL-1", "HTTP/2.0", 404
	m := (&finished{access: *a}).message(func(p string) string { return p }).String()
	for _, part := range []string{`"_OTHER"`, `"EVIL-1"`, `"network.protocol.version" value:{string_value:"2"}`} {
		if !strings.Contains(strings.ReplaceAll(m, "  ", " "), part) {
			t.Errorf("%s is not in %s", part, m)
		}
	}
	if strings.Contains(m, "STATUS_CODE") || strings.Contains(m, "error.type") {
		t.Errorf("404 is an error of the client: %s", m)
	}
}

// TestBatches: spans are sent together, when there are enough or the first has waited; those not sampled are not.
func TestBatches(t *testing.T) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	s := newStand(t)
	tr, release := s.tracer(t, model.Tracing{Collector: "grpc://" + c.Addr, Batch: 10, Delay: time.Hour})
	tr.Start(model.RouteTracing{}, unsampledParent, "").End(record(), false)
	for range 10 {
		tr.Start(model.RouteTracing{}, "", "").End(record(), false)
	}
	c.Wait(t, 10)
	for range 3 {
		tr.Start(model.RouteTracing{}, "", "").End(record(), false)
	}
	release() // what waits is sent
	c.Wait(t, 13)
	if got := c.Messages(); !reflect.DeepEqual(got, []int{10, 3}) {
		t.Errorf("messages of %v", got)
	}
	until(t, "the count", func() bool { return s.Counts().Sent == 13 })
	tr.Start(model.RouteTracing{}, "", "").End(record(), false)
	until(t, "what comes after the end is dropped", func() bool { return s.Counts() == Counts{Sent: 13, Dropped: 1} })
}

// TestSettings: who says the same shares a sender, who names no collector has none.
func TestSettings(t *testing.T) {
	s := newStand(t)
	a, _ := s.tracer(t, model.Tracing{Collector: "127.0.0.1:1"})
	b, _ := s.tracer(t, model.Tracing{Collector: "127.0.0.1:1", Sampler: model.SamplerOff})
	d, _ := s.tracer(t, model.Tracing{Collector: "127.0.0.1:1", Service: "other"})
	if a.sender != b.sender || a.sender == d.sender {
		t.Error("senders are not by where spans go")
	}
	if s.Acquire(model.Tracing{Service: "x"}) != nil || s.Acquire(model.Tracing{Collector: "ftp://x"}) != nil || (*Exporters)(nil).Acquire(model.Tracing{Collector: "x"}) != nil {
		t.Error("a tracer without a collector")
	}
	s.Release(nil)
}

// TestSlowCollector: a full queue drops, and nobody waits for the collector.
func TestSlowCollector(t *testing.T) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	release := c.Hold()
	defer release()
	s := newStand(t)
	tr, _ := s.tracer(t, model.Tracing{Collector: c.Addr, Queue: 8, Batch: 4, Delay: time.Millisecond})
	began := time.Now()
	for range 1000 {
		tr.Start(model.RouteTracing{}, "", "").End(record(), false)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("1,000 spans took %v", took)
	}
	if n := s.Counts().Dropped; n < 900 {
		t.Errorf("%d were dropped", n)
	}
	release()
	until(t, "the rest", func() bool { n := s.Counts(); return n.Sent+n.Dropped == 1000 && n.Sent >= 8 })
}

// TestCollectorAway: it is told of once, spans wait for it, and it is told when it is back.
func TestCollectorAway(t *testing.T) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	c.Fail(status.Error(codes.Unavailable, "no disk"))
	s := newStand(t)
	tr, _ := s.tracer(t, model.Tracing{Collector: c.Addr, Delay: time.Millisecond})
	tr.Start(model.RouteTracing{}, "", "").End(record(), false)
	until(t, "two tries", func() bool { return s.Counts().Failed >= 2 })
	if ts := s.Troubles(); len(ts) != 1 || ts[0].Collector != c.Addr || !strings.Contains(ts[0].Err.Error(), "no disk") {
		t.Errorf("%+v", ts)
	}
	c.Fail(nil)
	c.Wait(t, 1)
	until(t, "it is well", func() bool { return len(s.Troubles()) == 0 && s.lines("takes traces again") == 1 })
	if n := s.lines("does not take traces"); n != 1 {
		t.Errorf("told %d times", n)
	}
	// What would be refused again is not sent again.
	c.Fail(status.Error(codes.InvalidArgument, "what is this"))
	before := s.Counts()
	tr.Start(model.RouteTracing{}, "", "").End(record(), false)
	until(t, "dropped", func() bool { return s.Counts().Dropped == before.Dropped+1 })
	if n := s.Counts().Failed - before.Failed; n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestEndWhileAway: the end waits for its time and no longer.
func TestEndWhileAway(t *testing.T) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	defer c.Hold()()
	s := newStand(t)
	tr, release := s.tracer(t, model.Tracing{Collector: c.Addr, Delay: time.Millisecond})
	tr.Start(model.RouteTracing{}, "", "").End(record(), false)
	release()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	s.Close(ctx)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the end took %v", took)
	}
	if n := s.Counts(); n.Dropped != 1 || n.Sent != 0 {
		t.Errorf("%+v", n)
	}
}

// TestOverHTTP: the same messages, posted, and what is answered counts.
func TestOverHTTP(t *testing.T) {
	var mu sync.Mutex
	var names []string
	answers := []int{503, 200, 400, 302}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		code := answers[0]
		if answers = answers[1:]; code != 200 {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			return
		}
		b, _ := io.ReadAll(r.Body)
		var m collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(b, &m); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%v %v %v", err, r.URL, r.Header)
		}
		for _, s := range m.ResourceSpans[0].ScopeSpans[0].Spans {
			names = append(names, s.Name)
		}
		out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 1}})
		_, _ = w.Write(out)
	}))
	defer srv.Close()
	s := newStand(t)
	tr, release := s.tracer(t, model.Tracing{Collector: srv.URL, Batch: 2, Delay: time.Hour, RouteTracing: model.RouteTracing{Name: "n"}})
	send := func() {
		for range 2 {
			tr.Start(tr.Of(model.RouteTracing{}), "", "").End(record(), false)
		}
	}
	send()
	until(t, "one of two was taken", func() bool { return s.Counts() == Counts{Sent: 1, Dropped: 1, Failed: 1} })
	send()
	until(t, "400 is for good", func() bool { return s.Counts() == Counts{Sent: 1, Dropped: 3, Failed: 2} })
	send()
	until(t, "a redirect is not followed", func() bool { return s.Counts() == Counts{Sent: 1, Dropped: 5, Failed: 3} })
	if ts := s.Troubles(); len(ts) != 1 || !strings.Contains(ts[0].Err.Error(), "302") {
		t.Errorf("%+v", ts)
	}
	release()
	mu.Lock()
	defer mu.Unlock()
	if !reflect.DeepEqual(names, []string{"n", "n"}) {
		t.Errorf("%v", names)
	}
}

// TestNobodyThere: a port that nobody listens at.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	for _, scheme := range []string{"grpc://", "http://"} {
		s := newStand(t)
		tr, release := s.tracer(t, model.Tracing{Collector: scheme + at, Delay: time.Millisecond})
		tr.Start(model.RouteTracing{}, "", "").End(record(), false)
		until(t, scheme, func() bool { return len(s.Troubles()) == 1 })
		release()
		s.Close(t.Context())
		if n := s.Counts(); n.Dropped != 1 || len(s.Troubles()) != 0 {
			t.Errorf("%s: %+v", scheme, n)
		}
	}
}
