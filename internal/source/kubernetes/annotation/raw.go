package annotation

// Raw is what is text of nginx: it is never carried out.
type Raw struct{}

func rawFamily() family {
	return family{name: "FastCGI and text of nginx", rows: []Annotation{
		{Name: "fastcgi-index", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "fastcgi-params-configmap", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "configuration-snippet", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "server-snippet", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "stream-snippet", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
