package model

import (
	"strings"
	"testing"
	"time"
)

func TestCollectors(t *testing.T) {
	for text, want := range map[string]Collector{
		"otel": {At: "otel:4317"}, "otel:1": {At: "otel:1"}, "grpc://otel": {At: "otel:4317"}, "grpcs://otel:443/": {TLS: true, At: "otel:443"}, "[::1]": {At: "[::1]:4317"},
		"http://otel": {HTTP: true, At: "http://otel:4318/v1/traces"}, "https://otel/in": {HTTP: true, TLS: true, At: "https://otel/in"}, "http://[::1]:1/": {HTTP: true, At: "http://[::1]:1/v1/traces"},
	} {
		if got, err := ParseCollector(text); err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ftp://x", "grpc://x/path", "http://", "http://u:p@x", "http://x?y", "x:y", "http://x#y"} {
		if got, err := ParseCollector(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestTracingIsChecked(t *testing.T) {
	if err := (Tracing{}).Validate(); err != nil {
		t.Error(err)
	}
	for field, bad := range map[string]Tracing{
		"collector": {Collector: "ftp://x"}, "sampler": {Sampler: "AlwaysOn"}, "ratio": {Ratio: 1.5}, "queue": {Queue: -1}, "batch": {Batch: MaxTraceQueue + 1}, "delay": {Delay: -time.Second},
		"spans": {RouteTracing: RouteTracing{Spans: "yes"}}, "incoming": {RouteTracing: RouteTracing{Incoming: "no"}},
	} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	e := Tracing{Queue: 10}.Effective()
	if e.Batch != 10 || e.Ratio != 0.01 || e.Sampler != SamplerParentOn || e.Delay != 5*time.Second || e.Service != "paifang" || e.Spans != SpansOn || e.Incoming != IncomingTrust {
		t.Errorf("%+v", e)
	}
}
