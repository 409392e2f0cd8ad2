package annotation

import "strings"

// TLS is how TLS is spoken, on both sides.
type TLS struct {
	Secret string // namespace/name: the certificate shown to endpoints, and the CAs that theirs are verified against
	Verify bool
	Name   string // that must be in the certificate of an endpoint, and is sent as server name; "" = the upstream's default
	Hide   bool   // no server name is sent
	Pass   bool   // TLS for the hosts is not ended here, where the installation has that switched on
}

// Without proxy-ssl-secret ingress-nginx reads none of what else is said of TLS towards endpoints. Here it counts, and that is told.
const (
	verifiedNote = "without proxy-ssl-secret, where ingress-nginx verifies nobody, endpoints are verified against the CAs of the system"
	namedNote    = "without proxy-ssl-secret, where ingress-nginx sends no server name, it is sent too"
)

const tlsVersions = "TLS 1.2 and 1.3 are spoken, with ciphers that keep secrecy forward"

func tlsFamily() family {
	return family{name: "TLS", settle: settleTLS, rows: []Annotation{
		{Name: "ssl-passthrough", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.TLS.Pass) }},
		{Name: "ssl-ciphers", Scope: WholeIngress, Verdict: Ignored, Note: tlsVersions + "; tls.ciphers of the listener narrows them"},
		{Name: "ssl-prefer-server-ciphers", Scope: WholeIngress, Verdict: Ignored, Note: tlsVersions + ", the strongest first that both have"},
		{Name: "proxy-ssl-secret", Scope: WholeIngress, Verdict: Supported, read: readProxySecret},
		{Name: "proxy-ssl-verify", Scope: WholeIngress, Verdict: Differs, Note: verifiedNote, read: readProxyVerify},
		{Name: "proxy-ssl-verify-depth", Scope: WholeIngress, Verdict: Ignored, Note: "chains are verified whatever their length"},
		{Name: "proxy-ssl-name", Scope: WholeIngress, Verdict: Differs, Note: "where it is not given the name is that of upstream-vhost, or the endpoint's own, and not upstream_balancer", read: readProxyName},
		{Name: "proxy-ssl-server-name", Scope: WholeIngress, Verdict: Differs, Note: namedNote, read: func(v *value) {
			var on bool
			if v.onOff(&on) {
				v.s.TLS.Hide = !on
			}
		}},
		{Name: "proxy-ssl-protocols", Scope: WholeIngress, Verdict: Ignored, Note: tlsVersions},
		{Name: "proxy-ssl-ciphers", Scope: WholeIngress, Verdict: Ignored, Note: tlsVersions},
	}}
}

// readProxySecret reads namespace/name: of a name alone ingress-nginx does not take the Ingress's own namespace.
func readProxySecret(v *value) {
	if !strings.Contains(v.text, "/") {
		v.deny("%q is not namespace/name", v.text)
		return
	}
	v.object(&v.s.TLS.Secret)
}

// readProxyVerify takes a bad value for on: endpoints that nobody has verified are worse than none.
func readProxyVerify(v *value) {
	if !v.onOff(&v.s.TLS.Verify) {
		v.deny("%q is neither on nor off", v.text)
	}
}

func readProxyName(v *value) {
	if !isToken(v.text) {
		v.deny("%q is no name of a host", v.text)
		return
	}
	v.s.TLS.Name = v.text
	v.same()
}

// settleTLS says of what needs proxy-ssl-secret under ingress-nginx that it is as there, where the secret is given or nothing is asked for.
func settleTLS(r *reading) {
	with := r.tried("proxy-ssl-secret")
	for name, on := range map[string]bool{"proxy-ssl-verify": r.TLS.Verify, "proxy-ssl-server-name": !r.TLS.Hide} {
		if r.has(name) && (with || !on) {
			r.say(name, Supported, "")
		}
	}
}
