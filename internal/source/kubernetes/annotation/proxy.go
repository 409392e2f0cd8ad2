package annotation

// Proxy is how long is waited for an endpoint, and when the next one is asked.
type Proxy struct{}

func proxyFamily() family {
	return family{name: "Timeouts and further tries", rows: []Annotation{
		{Name: "proxy-connect-timeout", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-send-timeout", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-read-timeout", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-next-upstream", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-next-upstream-tries", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-next-upstream-timeout", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-http-version", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-cookie-domain", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-cookie-path", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-redirect-from", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-redirect-to", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "connection-proxy-header", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "http2-push-preload", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
	}}
}
