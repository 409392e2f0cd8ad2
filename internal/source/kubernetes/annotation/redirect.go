package annotation

// Redirect is where clients are sent instead.
type Redirect struct{}

func redirectFamily() family {
	return family{name: "Redirects", rows: []Annotation{
		{Name: "app-root", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "ssl-redirect", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "force-ssl-redirect", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "preserve-trailing-slash", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "permanent-redirect", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "permanent-redirect-code", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "temporal-redirect", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "temporal-redirect-code", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "from-to-www-redirect", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "relative-redirects", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "use-port-in-redirects", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
	}}
}
