package annotation

// TLS is how TLS is spoken, on both sides.
type TLS struct{}

func tlsFamily() family {
	return family{name: "TLS", rows: []Annotation{
		{Name: "ssl-passthrough", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "ssl-ciphers", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "ssl-prefer-server-ciphers", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "proxy-ssl-secret", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "proxy-ssl-verify", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "proxy-ssl-verify-depth", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "proxy-ssl-name", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "proxy-ssl-server-name", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "proxy-ssl-protocols", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
		{Name: "proxy-ssl-ciphers", Scope: WholeIngress, Verdict: Ignored, Note: notYet},
	}}
}
