package annotation

func observeFamily() family {
	return family{name: "Logs, traces, WAF", rows: []Annotation{
		{Name: "enable-access-log", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "enable-rewrite-log", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "enable-opentelemetry", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "opentelemetry-trust-incoming-span", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "opentelemetry-operation-name", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "enable-modsecurity", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "enable-owasp-core-rules", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "modsecurity-transaction-id", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "modsecurity-snippet", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
