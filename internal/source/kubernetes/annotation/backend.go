package annotation

// Backend is how endpoints are chosen and spoken to.
type Backend struct{}

func backendFamily() family {
	return family{name: "Backends and balancing", rows: []Annotation{
		{Name: "backend-protocol", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "service-upstream", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "default-backend", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "load-balance", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "upstream-hash-by", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "upstream-hash-by-subset", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "upstream-hash-by-subset-size", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "upstream-vhost", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
	}}
}
