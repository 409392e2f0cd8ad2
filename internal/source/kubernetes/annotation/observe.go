package annotation

const (
	noTraces = "traces are not sent: a client's traceparent reaches the endpoint as it came, and the X-Request-ID that it gets is in the access log too"
	noWAF    = "there is no WAF: external-auth in paifang.dev/filters asks a service of yours"
)

func observeFamily() family {
	return family{name: "Logs, traces, WAF", rows: []Annotation{
		{Name: "enable-access-log", Scope: OwnPaths, Verdict: Ignored, Note: "every request has its line in the access log: log.access in the configuration file is of the whole process"},
		{Name: "enable-rewrite-log", Scope: OwnPaths, Verdict: Ignored, Note: "paifang explain shows what a request becomes"},
		{Name: "enable-opentelemetry", Scope: OwnPaths, Verdict: Ignored, Note: noTraces},
		{Name: "opentelemetry-trust-incoming-span", Scope: OwnPaths, Verdict: Ignored, Note: noTraces},
		{Name: "opentelemetry-operation-name", Scope: OwnPaths, Verdict: Ignored, Note: noTraces},
		{Name: "enable-modsecurity", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
		{Name: "enable-owasp-core-rules", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
		{Name: "modsecurity-transaction-id", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
		{Name: "modsecurity-snippet", Scope: WholeIngress, Verdict: Ignored, Note: noWAF},
	}}
}
