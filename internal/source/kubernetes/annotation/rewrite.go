package annotation

// Rewrite is how paths are matched and what becomes of them.
type Rewrite struct{}

func rewriteFamily() family {
	return family{name: "Rewrite and paths", rows: []Annotation{
		{Name: "rewrite-target", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "use-regex", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "x-forwarded-prefix", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "server-alias", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
