package annotation

// Canary is which requests the service of a canary Ingress gets.
type Canary struct{}

func canaryFamily() family {
	return family{name: "Canary", rows: []Annotation{
		{Name: "canary", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "canary-by-header", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "canary-by-header-value", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "canary-by-header-pattern", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "canary-by-cookie", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "canary-weight", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "canary-weight-total", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
