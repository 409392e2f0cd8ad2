package httpproxy

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/trace"
	"paifang/internal/trace/tracetest"
)

const (
	incoming   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	incomingID = "4bf92f3577b34da6a3ce929d0e0e4736"
)

// traced is a stand whose listener sends spans to a collector.
func traced(t *testing.T, change func(*model.Tracing)) (*stand, *tracetest.Collector, *trace.Exporters) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	e := trace.NewExporters(nil, nil)
	t.Cleanup(func() { // after the plane
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		e.Close(ctx)
	})
	s := newStand(t, func(s *stand, cfg *Config) {
		cfg.Traces = e
		s.listeners[0].Tracing = model.Tracing{Collector: c.Addr, Service: "edge", Delay: time.Millisecond}
		if change != nil {
			change(&s.listeners[0].Tracing)
		}
	})
	return s, c, e
}

// answer is that of one request on a connection of its own.
func (s *stand) answer(request string) reply { return s.dial().send(request).receive("GET") }

// TestSpanOfARequest: the endpoint is a child of the span that is sent, which continues the client's trace, and the log has the trace.
func TestSpanOfARequest(t *testing.T) {
	s, c, _ := traced(t, nil)
	rec := newRecorder(t, echo)
	s.list("u", rec.Addr().String())
	s.route("shop/order", "/order", "u")
	s.publish()
	e := s.answer(get("/order/1?token=x", "Traceparent: "+incoming+"\r\ntracestate: a=1\r\nTraceState: b=2")).echoed(t)
	got := c.Wait(t, 1)[0]
	if got.Trace != incomingID || got.Parent != "00f067aa0ba902b7" || got.State != "a=1, b=2" || got.Name != "GET shop/order" || got.Service != "edge" || !got.Server || got.Error {
		t.Errorf("%+v", got)
	}
	if want := "00-" + incomingID + "-" + got.ID + "-01"; e.Head["traceparent"] != want || e.Head["tracestate"] != "a=1, b=2" {
		t.Errorf("the endpoint got %q %q, want %q", e.Head["traceparent"], e.Head["tracestate"], want)
	}
	r := s.last(1)
	if r.TraceID != incomingID {
		t.Errorf("the log has %q", r.TraceID)
	}
	for name, want := range map[string]any{
		"http.request.method": "GET", "http.response.status_code": int64(200), "url.path": "/order/1", "url.scheme": "http", "server.address": "shop.test", "client.address": "127.0.0.1",
		"network.protocol.version": "1.1", "http.route": "shop/order", "paifang.upstream": "u", "paifang.endpoint": rec.Addr().String(), "paifang.tries": int64(1), "paifang.request_id": r.RequestID,
	} {
		if got.Attributes[name] != want {
			t.Errorf("%s is %v, want %v", name, got.Attributes[name], want)
		}
	}
	if got.Took < r.Total || got.Took > r.Total {
		t.Errorf("it took %v, and %v by the log", got.Took, r.Total)
	}
}

// TestSpansOfAnswers: own answers have spans too, of routes and of none, and what was tried again has one.
func TestSpansOfAnswers(t *testing.T) {
	s, c, _ := traced(t, nil)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	s.list("u", newRecorder(t, saying("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")).Addr().String())
	s.list("none", dead.Addr().String())
	only := func(r *model.Route) { r.Hosts = []model.Host{"shop.test"} }
	s.route("move", "/move", "", only, func(r *model.Route) { r.Action = model.Redirect{Status: 308, Location: "/x"} })
	s.route("dead", "/dead", "none", only)
	s.route("two", "/two", "u", only, func(r *model.Route) {
		f := r.Action.(model.Forward)
		f.Retry = model.Retry{On: []model.RetryOn{model.RetryGateway}, Backoff: model.Backoff{Base: time.Millisecond}}
		r.Action = f
	})
	s.publish()
	for _, path := range []string{"/move", "/dead", "/none"} {
		s.answer(get(path))
	}
	spans := map[string]tracetest.Span{}
	for _, sp := range c.Wait(t, 3) {
		spans[sp.Name] = sp
	}
	for name, want := range map[string]int64{"GET move": 308, "GET dead": 502, "GET": 404} {
		sp := spans[name]
		if sp.Attributes["http.response.status_code"] != want || sp.Error != (want >= 500) || sp.Parent != "" {
			t.Errorf("%s: %+v", name, sp)
		}
	}
	if r, _ := spans["GET dead"].Attributes["paifang.reason"].(string); r == "" || spans["GET dead"].Attributes["error.type"] != r {
		t.Errorf("%+v", spans["GET dead"])
	}
	s.answer(get("/two"))
	if sp := c.Wait(t, 4)[3]; sp.Name != "GET two" || sp.Attributes["paifang.tries"] != int64(3) || !sp.Error || sp.Attributes["error.type"] != "503" {
		t.Errorf("%+v", sp)
	}
	before := len(c.Spans())
	s.answer("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n") // no request
	s.answer(get("/move"))
	if got := c.Wait(t, before+1); len(got) != before+1 || got[before].Name != "GET move" {
		t.Errorf("%+v", got[before:])
	}
}

// TestWhoIsTraced: routes say otherwise than their listener, whom to believe too, and what is not traced passes as it came.
func TestWhoIsTraced(t *testing.T) {
	s, c, _ := traced(t, func(tr *model.Tracing) { tr.Spans = model.SpansOff })
	rec := newRecorder(t, echo)
	s.list("u", rec.Addr().String())
	s.route("plain", "/plain", "u")
	s.route("on", "/on", "u", func(r *model.Route) { r.Tracing = model.RouteTracing{Spans: model.SpansOn, Name: "checkout"} })
	s.route("anew", "/anew", "u", func(r *model.Route) {
		r.Tracing = model.RouteTracing{Spans: model.SpansOn, Incoming: model.IncomingIgnore}
	})
	s.publish()
	if e := s.answer(get("/plain", "traceparent: "+incoming+"\r\ntracestate: a=1")).echoed(t); e.Head["traceparent"] != incoming || e.Head["tracestate"] != "a=1" {
		t.Errorf("what is not traced passes as it came: %v", e.Head)
	}
	if r := s.last(1); r.TraceID != "" {
		t.Errorf("%+v", r)
	}
	s.answer(get("/on", "traceparent: "+incoming))
	if sp := c.Wait(t, 1)[0]; sp.Name != "checkout" || sp.Trace != incomingID {
		t.Errorf("%+v", sp)
	}
	e := s.answer(get("/anew", "traceparent: "+incoming+"\r\ntracestate: a=1")).echoed(t)
	if sp := c.Wait(t, 2)[1]; sp.Trace == incomingID || sp.Parent != "" || e.Head["traceparent"] != "00-"+sp.Trace+"-"+sp.ID+"-01" || e.Head["tracestate"] != "" {
		t.Errorf("%+v %v", sp, e.Head)
	}
	// Two traceparents are none.
	e = s.answer(get("/on", "traceparent: "+incoming, "traceparent: "+incoming+"")).echoed(t)
	if sp := c.Wait(t, 3)[2]; sp.Trace == incomingID || e.Head["traceparent"] != "00-"+sp.Trace+"-"+sp.ID+"-01" {
		t.Errorf("%+v %v", sp, e.Head)
	}
	// One that is not sampled is passed on with a span of ours, and not sent.
	e = s.answer(get("/on", "traceparent: "+strings.TrimSuffix(incoming, "1")+"0")).echoed(t)
	if h := e.Head["traceparent"]; !strings.HasPrefix(h, "00-"+incomingID) || !strings.HasSuffix(h, "-00") || strings.Contains(h, "00f067aa0ba902b7") {
		t.Errorf("%q", h)
	}
	s.answer(get("/on"))
	if got := c.Wait(t, 4); len(got) != 4 || got[3].Trace == incomingID {
		t.Errorf("%+v", got)
	}
}

// TestTracingChanges: another generation traces elsewhere, or not at all, and the sender of the one before has sent what it had.
func TestTracingChanges(t *testing.T) {
	s, c, e := traced(t, func(tr *model.Tracing) { tr.Delay = time.Hour })
	rec := newRecorder(t, echo)
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u")
	s.publish()
	s.answer(get("/1"))
	s.last(1) // its span has ended: one that ends after its sender is dropped
	other := tracetest.Listen(t, "127.0.0.1:0")
	s.listeners[0].Tracing = model.Tracing{Collector: other.Addr, Delay: time.Millisecond}
	s.publish()
	c.Wait(t, 1)
	s.answer(get("/2"))
	other.Wait(t, 1)
	s.listeners[0].Tracing = model.Tracing{}
	s.publish()
	if e := s.answer(get("/3")).echoed(t); e.Head["traceparent"] != "" {
		t.Errorf("%v", e.Head)
	}
	eventually(t, func() bool { return e.Counts() == trace.Counts{Sent: 2} })
	if len(c.Spans()) != 1 || len(other.Spans()) != 1 {
		t.Errorf("%v %v", c.Spans(), other.Spans())
	}
}

// TestSpanOfAStream: a request of HTTP/2 has a span too.
func TestSpanOfAStream(t *testing.T) {
	s, c, _ := traced(t, nil)
	rec := newRecorder(t, echo)
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u")
	s.publish()
	do(t, http2Client(t, s.addr("front")), "GET", "http://shop.test/a", nil)
	if sp := c.Wait(t, 1)[0]; sp.Attributes["network.protocol.version"] != "2" || sp.Name != "GET all" {
		t.Errorf("%+v", sp)
	}
}
