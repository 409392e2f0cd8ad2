package installation

import (
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
)

// visible are the keys whose effect, or whose default, requests show under ingress-nginx.
const visible = `
http-redirect-code ssl-redirect force-ssl-redirect hsts hsts-max-age hsts-include-subdomains hsts-preload no-tls-redirect-locations
no-auth-locations relative-redirects
use-http2 http2-max-concurrent-streams keep-alive keep-alive-requests client-header-timeout client-body-timeout
client-header-buffer-size large-client-header-buffers client-body-buffer-size ignore-invalid-headers enable-underscores-in-headers
upstream-keepalive-connections upstream-keepalive-timeout upstream-keepalive-requests upstream-keepalive-time proxy-connect-timeout
proxy-read-timeout proxy-send-timeout proxy-next-upstream proxy-next-upstream-tries proxy-next-upstream-timeout retry-non-idempotent
load-balance service-upstream
proxy-body-size proxy-request-buffering proxy-buffering proxy-buffer-size proxy-buffers-number proxy-max-temp-file-size
proxy-http-version
limit-req-status-code limit-conn-status-code limit-conn-zone-variable
use-forwarded-headers compute-full-forwarded-for enable-real-ip forwarded-for-header proxy-real-ip-cidr use-proxy-protocol
proxy-protocol-header-timeout
ssl-protocols ssl-session-tickets ssl-session-cache ssl-session-cache-size ssl-session-timeout ssl-reject-handshake enable-ocsp
worker-shutdown-timeout max-worker-connections reuse-port server-tokens generate-request-id use-gzip enable-brotli
proxy-stream-timeout proxy-stream-next-upstream proxy-stream-next-upstream-tries proxy-stream-next-upstream-timeout
proxy-stream-responses
allow-snippet-annotations annotations-risk-level strict-validate-path-type allow-cross-namespace-resources
annotation-value-word-blocklist
enable-opentelemetry otel-sampler otel-sampler-ratio otel-sampler-parent-based otlp-collector-port`

// TestVerdictsAreKept: the table knows each key whose effect shows; what acts is read, and a note is one sentence. That what acts
// has a case is TestSettingsAgainstCases of package annotation.
func TestVerdictsAreKept(t *testing.T) {
	known := map[string]bool{}
	check := func(name string, v annotation.Verdict, note string, reads bool) {
		known[name] = true
		if (v == annotation.Supported || v == annotation.Differs) && !reads {
			t.Errorf("%s is %s, and nothing reads it", name, v)
		}
		if strings.Contains(note, ". ") || strings.HasSuffix(note, ".") {
			t.Errorf("%s says more than a sentence, or ends it: %q", name, note)
		}
	}
	for _, k := range Keys() {
		check(k.Name, k.Verdict, k.Note, k.read != nil || k.Annotation != "")
	}
	for _, f := range Table() {
		check("--"+f.Name, f.Verdict, f.Note, f.read != nil)
	}
	for name := range strings.FieldsSeq(visible) {
		if !known[name] {
			t.Errorf("the key %s has no verdict", name)
		}
	}
}

// TestWhatListenersAreTold: what keys say of listeners, together.
func TestWhatListenersAreTold(t *testing.T) {
	for _, c := range []struct {
		data map[string]string
		want func(Settings) bool
	}{
		{nil, func(s Settings) bool {
			d := s.Listeners()
			return d.Trust.ForwardedFrom == nil && d.Trust.ProxyFrom == nil && d.Parsing.Underscores == "" && d.Parsing.Head == 0 && !d.TLS.NoSessions && !d.HTTP1Only
		}},
		{map[string]string{"use-proxy-protocol": "true"}, func(s Settings) bool {
			d := s.Listeners()
			return len(d.Trust.ProxyFrom) == 2 && d.Trust.ForwardedFrom == nil
		}},
		{map[string]string{"use-forwarded-headers": "true", "proxy-real-ip-cidr": ""}, func(s Settings) bool {
			from := s.Listeners().Trust.ForwardedFrom
			return len(from) == 1 && from[0].String() == "0.0.0.0/0"
		}},
		{map[string]string{"use-forwarded-headers": "true", "proxy-real-ip-cidr": "10.0.0.1,bad"}, func(s Settings) bool {
			from := s.Listeners().Trust.ForwardedFrom
			return from != nil && len(from) == 0
		}},
		{map[string]string{"keep-alive": "0", "keep-alive-requests": "50"}, func(s Settings) bool { return s.Listeners().Clients.Requests == 1 }},
		{map[string]string{"keep-alive-requests": "0"}, func(s Settings) bool { return s.Listeners().Clients.Requests == 1 }},
		{map[string]string{"large-client-header-buffers": "100 1m"}, func(s Settings) bool { p := s.Listeners().Parsing; return p.Head == 64<<10 && p.Line == 64<<10 }},
		{map[string]string{"large-client-header-buffers": "1 16"}, func(s Settings) bool { p := s.Listeners().Parsing; return p.Head == 1<<10+16 && p.Line == 1<<10 }},
		{map[string]string{"client-header-buffer-size": "k"}, func(s Settings) bool { return s.Listeners().Parsing.Head == 0 }},
		{map[string]string{"ignore-invalid-headers": "false", "enable-underscores-in-headers": "false"}, func(s Settings) bool { return s.Listeners().Parsing.Underscores == "allow" }},
		{map[string]string{"ignore-invalid-headers": "true", "enable-underscores-in-headers": "true"}, func(s Settings) bool { return s.Listeners().Parsing.Underscores == "allow" }},
	} {
		s, _ := Read(c.data)
		if d := s.Listeners(); !c.want(s) || d.Parsing.Validate() != nil || d.Clients.Validate() != nil || d.TLS.Validate() != nil {
			t.Errorf("%v: %+v", c.data, d)
		}
	}
}
