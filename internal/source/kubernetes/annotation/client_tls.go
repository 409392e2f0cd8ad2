package annotation

// ClientTLS is which certificates clients show.
type ClientTLS struct{}

func clientTLSFamily() family {
	return family{name: "Client certificates", rows: []Annotation{
		{Name: "auth-tls-secret", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-tls-verify-client", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-tls-verify-depth", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-tls-error-page", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-tls-pass-certificate-to-upstream", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-tls-match-cn", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
	}}
}
