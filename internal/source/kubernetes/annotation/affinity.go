package annotation

// Affinity is how a client is kept at an endpoint.
type Affinity struct{}

func affinityFamily() family {
	return family{name: "Affinity", rows: []Annotation{
		{Name: "affinity", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "affinity-mode", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "affinity-canary-behavior", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-name", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-path", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-domain", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-expires", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-max-age", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-samesite", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-secure", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-change-on-failure", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "session-cookie-conditional-samesite-none", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
