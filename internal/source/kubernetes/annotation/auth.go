package annotation

// Auth is who may pass.
type Auth struct{}

func authFamily() family {
	return family{name: "Authentication", rows: []Annotation{
		{Name: "auth-type", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-secret", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-secret-type", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-realm", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "satisfy", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-url", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-method", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-signin", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-signin-redirect-param", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-response-headers", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-proxy-set-headers", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-request-redirect", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-cache-key", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-cache-duration", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-always-set-cookie", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-keepalive", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-keepalive-requests", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-keepalive-timeout", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-keepalive-share-vars", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "auth-snippet", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "enable-global-auth", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
	}}
}
