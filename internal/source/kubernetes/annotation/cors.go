package annotation

// CORS is which other origins scripts may come from.
type CORS struct{}

func corsFamily() family {
	return family{name: "CORS", rows: []Annotation{
		{Name: "enable-cors", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "cors-allow-origin", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "cors-allow-methods", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "cors-allow-headers", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "cors-expose-headers", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "cors-allow-credentials", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "cors-max-age", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
