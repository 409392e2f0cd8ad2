package installation

import (
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// TestTraces: what the keys say is what listeners have, and nothing without a collector.
func TestTraces(t *testing.T) {
	base := model.Tracing{Collector: "grpc://otel.obs:4317", Service: "nginx", Sampler: model.SamplerParentOn,
		RouteTracing: model.RouteTracing{Spans: model.SpansOff, Incoming: model.IncomingTrust}}
	with := func(change func(*model.Tracing)) model.Tracing {
		out := base
		change(&out)
		return out
	}
	for _, c := range []struct {
		key, value string
		want       model.Tracing
	}{
		{"enable-opentelemetry", "true", with(func(m *model.Tracing) { m.Spans = model.SpansOn })},
		{"enable-opentelemetry", "yes", base},
		{"opentelemetry-trust-incoming-span", "false", with(func(m *model.Tracing) { m.Incoming = model.IncomingIgnore })},
		{"opentelemetry-operation-name", "$request_method $service_name", with(func(m *model.Tracing) { m.Name = "{method} {upstream}" })},
		{"opentelemetry-operation-name", "$msec", base},
		{"otlp-collector-host", "2001:db8::1", with(func(m *model.Tracing) { m.Collector = "grpc://[2001:db8::1]:4317" })},
		{"otlp-collector-host", "", model.Tracing{}},
		{"otlp-collector-host", "a:1", model.Tracing{}},
		{"otlp-collector-host", "a/b", model.Tracing{}},
		{"otlp-collector-port", "1", with(func(m *model.Tracing) { m.Collector = "grpc://otel.obs:1" })},
		{"otlp-collector-port", "0", base},
		{"otel-max-queuesize", "10", with(func(m *model.Tracing) { m.Queue = 10 })},
		{"otel-schedule-delay-millis", "1500", with(func(m *model.Tracing) { m.Delay = 1500 * time.Millisecond })},
		{"otel-max-export-batch-size", "7", with(func(m *model.Tracing) { m.Batch = 7 })},
		{"otel-service-name", "edge", with(func(m *model.Tracing) { m.Service = "edge" })},
		{"otel-sampler", "AlwaysOff", with(func(m *model.Tracing) { m.Sampler = model.SamplerParentOff })},
		{"otel-sampler", "TraceIdRatioBased", with(func(m *model.Tracing) { m.Sampler, m.Ratio = model.SamplerParentRatio, 0.01 })},
		{"otel-sampler", "always_on", base},
		{"otel-sampler-ratio", "0.5", base}, // of a sampler that does not go by it
		{"otel-sampler-parent-based", "false", with(func(m *model.Tracing) { m.Sampler = model.SamplerOn })},
	} {
		set, found := Read(map[string]string{"otlp-collector-host": "otel.obs", c.key: c.value})
		got := set.Listeners().Tracing
		if got != c.want {
			t.Errorf("%s: %q gives\n%+v, want\n%+v", c.key, c.value, got, c.want)
		}
		if got != (model.Tracing{}) && got.Validate() != nil {
			t.Errorf("%s: %q: %v", c.key, c.value, got.Validate())
		}
		for _, f := range found {
			if acts := f.Verdict == annotation.Supported || f.Verdict == annotation.Differs; f.Key == c.key && acts != (c.want != base && c.want != model.Tracing{} || c.value == "0.5" || c.value == "") {
				t.Errorf("%s: %q is %s: %s", c.key, c.value, f.Verdict, f.Message)
			}
		}
	}
	set, _ := Read(map[string]string{"otlp-collector-host": "a", "otel-sampler": "TraceIdRatioBased", "otel-sampler-ratio": "0"})
	if got := set.Listeners().Tracing.Sampler; got != model.SamplerParentOff {
		t.Errorf("a ratio of 0 is %s", got)
	}
	if _, found := Read(map[string]string{"enable-opentelemetry": "true"}); found[0].Verdict != annotation.Ignored {
		t.Errorf("without a collector: %+v", found)
	}
}
