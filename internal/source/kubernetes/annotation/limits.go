package annotation

// Limits is how much one client may ask, and from where.
type Limits struct{}

func limitsFamily() family {
	return family{name: "Limits and addresses", rows: []Annotation{
		{Name: "limit-rps", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "limit-rpm", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "limit-burst-multiplier", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "limit-connections", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "limit-rate", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "limit-rate-after", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "limit-allowlist", Alias: "limit-whitelist", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "allowlist-source-range", Alias: "whitelist-source-range", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "denylist-source-range", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
	}}
}
