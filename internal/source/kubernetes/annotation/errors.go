package annotation

func errorsFamily() family {
	return family{name: "Errors and headers", rows: []Annotation{
		{Name: "custom-headers", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "custom-http-errors", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "disable-proxy-intercept-errors", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "mirror-target", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "mirror-request-body", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "mirror-host", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
