package annotation

import (
	"regexp"
	"strings"

	"paifang/internal/model"
)

// ClientTLS is which certificates clients show.
type ClientTLS struct {
	Secret string           // namespace/name of the one with ca.crt and perhaps ca.crl; "" = none is asked for
	Auth   model.ClientAuth // ClientNone: none is asked for, after all
	Depth  int              // intermediate certificates
	Pass   bool             // the upstream gets the certificate
	Match  string           // RE2 on the subject
}

const withCA = "it belongs to auth-tls-secret"

func clientTLSFamily() family {
	return family{name: "Client certificates", settle: settleClientTLS, rows: []Annotation{
		{Name: "auth-tls-secret", Scope: OwnPaths, Verdict: Differs,
			Note: "a Secret that cannot be read makes the paths answer 503, where ingress-nginx answers 403; a revocation list of a part of the certificates, or of changes, is one that cannot be read", read: readTLSSecret},
		{Name: "auth-tls-verify-client", Scope: OwnPaths, Verdict: Supported, read: readVerifyClient},
		{Name: "auth-tls-verify-depth", Scope: OwnPaths, Verdict: Ignored, Note: "one intermediate certificate is allowed, as where it is not given", read: readDepth},
		{Name: "auth-tls-error-page", Scope: OwnPaths, Verdict: Ignored, Note: "certificate errors are answered 400"},
		{Name: "auth-tls-pass-certificate-to-upstream", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.ClientTLS.Pass) }},
		{Name: "auth-tls-match-cn", Scope: OwnPaths, Verdict: Supported, read: readMatchCN},
	}}
}

func readTLSSecret(v *value) {
	if !strings.Contains(v.text, "/") {
		v.deny("%q is not namespace/name", v.text)
		return
	}
	v.object(&v.s.ClientTLS.Secret)
}

func readVerifyClient(v *value) {
	c := &v.s.ClientTLS
	switch v.text {
	case "on":
		c.Auth = model.ClientRequired
	case "off":
		c.Auth = model.ClientNone
	case "optional":
		c.Auth = model.ClientOptional
	case "optional_no_ca":
		c.Auth = model.ClientUnverified
	default:
		v.deny("%q is none of on, off, optional, optional_no_ca", v.text)
	}
}

// readDepth takes the one bound that has the effect it names.
func readDepth(v *value) {
	var n int
	if v.integer(&n, 0, 100) && n != 1 {
		v.s.ClientTLS.Depth = n
		if n == 0 {
			v.s.ClientTLS.Depth = -1
		}
		v.differs("so many intermediate certificates are allowed between a client's and that of a CA")
	}
}

func readMatchCN(v *value) {
	if _, err := regexp.Compile(v.text); err != nil || len(v.text) > maxExpression || !strings.HasPrefix(v.text, "CN=") {
		v.deny("%q is no expression that begins with CN=", v.text)
		return
	}
	v.s.ClientTLS.Match = v.text
}

func settleClientTLS(r *reading) {
	c := &r.ClientTLS
	if c.Secret != "" {
		if r.given["auth-tls-verify-client"] == nil {
			c.Auth = model.ClientRequired
		}
		return
	}
	for _, name := range []string{"auth-tls-verify-client", "auth-tls-verify-depth", "auth-tls-pass-certificate-to-upstream", "auth-tls-match-cn"} {
		if r.has(name) {
			r.say(name, Ignored, withCA)
		}
	}
}
