package annotation

import (
	"strings"

	"paifang/internal/model"
)

const noWAF = "there is no WAF: external-auth in paifang.dev/filters asks a service of yours"

func observeFamily() family {
	return family{name: "Logs, traces, WAF", settle: settleTraces, rows: []Annotation{
		{Name: "enable-access-log", Scope: OwnPaths, Verdict: Ignored, Note: "every request has its line in the access log: log.access in the configuration file is of the whole process"},
		{Name: "enable-rewrite-log", Scope: OwnPaths, Verdict: Ignored, Note: "paifang explain shows what a request becomes"},
		{Name: "enable-opentelemetry", Scope: OwnPaths, Verdict: Supported, read: (*value).traced},
		{Name: "opentelemetry-trust-incoming-span", Scope: OwnPaths, Verdict: Supported, read: (*value).incoming},
		{Name: "opentelemetry-operation-name", Scope: OwnPaths, Verdict: Supported, read: (*value).operation},
		{Name: "enable-modsecurity", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
		{Name: "enable-owasp-core-rules", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
		{Name: "modsecurity-transaction-id", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
		{Name: "modsecurity-snippet", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
	}}
}

// traced reads whether requests are told of as spans.
func (v *value) traced() {
	if on := false; v.boolean(&on) {
		v.s.Traces.Spans = model.SpansOff
		if on {
			v.s.Traces.Spans = model.SpansOn
		}
	}
}

// incoming reads whether the trace of a request is continued.
func (v *value) incoming() {
	if on := false; v.boolean(&on) {
		v.s.Traces.Incoming = model.IncomingIgnore
		if on {
			v.s.Traces.Incoming = model.IncomingTrust
		}
	}
}

// operation reads the name of spans, of which ingress-nginx takes letters, digits, dashes and underscores.
func (v *value) operation() {
	if strings.ContainsFunc(v.text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}) {
		v.invalid("%q has more in it than letters, digits, - and _: it has no effect", v.text)
		return
	}
	v.s.Traces.Name = v.text
}

// settleTraces leaves out what ingress-nginx reads only beside enable-opentelemetry.
func settleTraces(r *reading) {
	if r.has("enable-opentelemetry") {
		return
	}
	for _, name := range []string{"opentelemetry-trust-incoming-span", "opentelemetry-operation-name"} {
		if r.has(name) {
			r.say(name, Ignored, "it is read only beside enable-opentelemetry")
		}
	}
	r.Traces = model.RouteTracing{}
}
