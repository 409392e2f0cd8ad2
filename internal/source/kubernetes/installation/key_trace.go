package installation

import (
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// Traces are what the ConfigMap says of traces.
type Traces struct {
	On           bool   // unless an Ingress says otherwise
	Host         string // of the collector; "" = none, and nothing is traced
	Port         int
	Service      string
	Sampler      string // AlwaysOn, AlwaysOff or TraceIdRatioBased
	Ratio        float64
	Parent       bool // the sampler of who sends the request decides, where it belongs to a trace
	Distrust     bool // it belongs to none
	Name         string
	Queue, Batch int // 0 = as we have it, which is the same
	Delay        time.Duration
}

// The samplers.
const (
	samplerOn    = "AlwaysOn"
	samplerOff   = "AlwaysOff"
	samplerRatio = "TraceIdRatioBased"
)

func tracesDefault() Traces {
	return Traces{Port: 4317, Service: "nginx", Sampler: samplerOn, Ratio: 0.01, Parent: true}
}

// listener is the same as listeners have it.
func (t *Traces) listener() model.Tracing {
	if t.Host == "" {
		return model.Tracing{}
	}
	out := model.Tracing{
		Collector: "grpc://" + t.Host + ":" + strconv.Itoa(t.Port), Service: t.Service, Queue: t.Queue, Batch: t.Batch, Delay: t.Delay,
		RouteTracing: model.RouteTracing{Spans: model.SpansOff, Incoming: model.IncomingTrust, Name: t.Name},
	}
	if t.On {
		out.Spans = model.SpansOn
	}
	if t.Distrust {
		out.Incoming = model.IncomingIgnore
	}
	sampler := t.Sampler
	if sampler == samplerRatio && t.Ratio == 0 {
		sampler = samplerOff
	}
	switch sampler {
	case samplerOn:
		out.Sampler = model.SamplerOn
	case samplerOff:
		out.Sampler = model.SamplerOff
	default:
		out.Sampler, out.Ratio = model.SamplerRatio, t.Ratio
	}
	if t.Parent {
		out.Sampler = "parentbased_" + out.Sampler
	}
	return out
}

func openTelemetryKeys() []Key {
	return []Key{
		acts("enable-opentelemetry", "false", func(v *value) { v.boolean(&v.s.Traces.On) }),
		acts("opentelemetry-trust-incoming-span", "true", func(v *value) {
			if trusted := true; v.boolean(&trusted) {
				v.s.Traces.Distrust = !trusted
			}
		}),
		{Name: "opentelemetry-operation-name", Verdict: annotation.Differs, read: (*value).operationName,
			Note: "of the variables of nginx it may have $request_method, $host, $uri and $service_name, which is the name of our upstream; where it is not given, a span has the name of method and route"},
		ignored("opentelemetry-config", "a file", "no file of nginx' module is read: the keys below say what would stand in it"),
		acts("otlp-collector-host", "", (*value).collectorHost),
		acts("otlp-collector-port", "4317", func(v *value) { v.integer(&v.s.Traces.Port, 1, math.MaxUint16) }),
		acts("otel-max-queuesize", "2048", func(v *value) { v.integer(&v.s.Traces.Queue, 1, model.MaxTraceQueue) }),
		acts("otel-schedule-delay-millis", "5000", func(v *value) {
			if n := 0; v.integer(&n, 1, 3_600_000) {
				v.s.Traces.Delay = time.Duration(n) * time.Millisecond
			}
		}),
		acts("otel-max-export-batch-size", "512", func(v *value) { v.integer(&v.s.Traces.Batch, 1, model.MaxTraceQueue) }),
		acts("otel-service-name", "nginx", func(v *value) {
			if v.text != "" {
				v.s.Traces.Service = v.text
			}
		}),
		acts("otel-sampler", "AlwaysOn", func(v *value) {
			switch v.text {
			case samplerOn, samplerOff, samplerRatio:
				v.s.Traces.Sampler = v.text
			default:
				v.invalid("%q is none of %s, %s, %s: it has no effect", v.text, samplerOn, samplerOff, samplerRatio)
			}
		}),
		acts("otel-sampler-parent-based", "true", func(v *value) { v.boolean(&v.s.Traces.Parent) }),
		acts("otel-sampler-ratio", "0.01", func(v *value) {
			r, err := strconv.ParseFloat(v.text, 64)
			if err != nil || !(r >= 0 && r <= 1) {
				v.invalid("%q is no number within 0 and 1: it has no effect", v.text)
				return
			}
			v.s.Traces.Ratio = r
		}),
	}
}

// collectorHost reads a name or an address.
func (v *value) collectorHost() {
	host := v.text
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	if c, err := model.ParseCollector("grpc://" + host); host != "" && (err != nil || c.At != host+":4317") {
		v.invalid("%q is no name or address of a host: it has no effect", v.text)
		return
	}
	v.s.Traces.Host = host
}

// nginxVariable is $name or ${name}.
var nginxVariable = regexp.MustCompile(`\$(\{\w+\}|\w+)`)

// operationName reads the name of spans, with variables of nginx.
func (v *value) operationName() {
	unknown := ""
	name := nginxVariable.ReplaceAllStringFunc(v.text, func(text string) string {
		switch strings.Trim(text, "${}") {
		case "request_method":
			return "{method}"
		case "host":
			return "{host}"
		case "uri":
			return "{path}"
		case "service_name":
			return "{upstream}"
		}
		unknown = text
		return text
	})
	if unknown != "" {
		v.invalid("%s is none of $request_method, $host, $uri, $service_name: it has no effect", unknown)
		return
	}
	v.s.Traces.Name = name
}
