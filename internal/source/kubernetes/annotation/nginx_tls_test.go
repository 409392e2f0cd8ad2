package annotation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paifang/internal/certs/certstest"
)

// clientSecret is the Secret with the CAs of clients in cases that nginx can show; a revocation list of ca() may follow.
const clientSecret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: clients\n  namespace: shop\nstringData:\n  ca.crt: \"ca()\"\n"

// overTLS tells whether hosts of a case have certificates.
func (c *testCase) overTLS() bool {
	return slices.ContainsFunc(c.ingresses, func(g ingress) bool { return g.tls })
}

// verifiesClients tells whether a case asks clients for certificates.
func (c *testCase) verifiesClients() bool {
	return slices.ContainsFunc(c.ingresses, func(g ingress) bool { return g.annotation("auth-tls-secret", "") != "" })
}

// forNginxTLS tells whether what a case says of TLS, and the objects beside its Ingresses, are what ssl_verify_client and ssl_crl can show.
func (c *testCase) forNginxTLS() bool {
	if !c.verifiesClients() {
		return c.yaml == "" && !c.overTLS()
	}
	if _, ok := c.revoked(); !ok || !c.overTLS() {
		return false
	}
	return !slices.ContainsFunc(c.steps, func(s step) bool { return !strings.HasPrefix(s.url, "https://") })
}

// revoked is the revocation list of a case, empty for none; ok is false where its objects are others than clientSecret.
func (c *testCase) revoked() (list string, ok bool) {
	rest, ok := strings.CutPrefix(c.yaml, clientSecret)
	list = strings.TrimSuffix(strings.TrimPrefix(rest, "  ca.crl: \""), "\"\n")
	return list, ok && (rest == "" || list == "crl()" || list == "oldcrl()")
}

// writeTLS writes the files that the directives of serverTLS name.
func (c *testCase) writeTLS(t *testing.T, s *stand, dir string) {
	t.Helper()
	var hosts []string
	for _, g := range c.ingresses {
		hosts = append(hosts, g.host)
	}
	chain, key := certstest.Text(t, s.ca.Server(hosts...))
	files := map[string]string{"tls.crt": chain, "tls.key": key.Reveal(), "ca.crt": s.ca.PEM()}
	if list, _ := c.revoked(); list != "" {
		files["ca.crl"] = s.revocation(list)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serverTLS are the directives of a server of whose locations one asks for certificates: it is of the whole host.
func (c *testCase) serverTLS(all []location) string {
	text := "ssl_certificate tls.crt;\nssl_certificate_key tls.key;\n"
	for _, l := range all {
		if how := l.clients(); how != "off" {
			text += fmt.Sprintf("ssl_client_certificate ca.crt;\nssl_verify_client %s;\nssl_verify_depth 1;\n", how)
			if list, _ := c.revoked(); list != "" {
				text += "ssl_crl ca.crl;\n"
			}
			break
		}
	}
	return text
}

// clients is what ssl_verify_client says for the Ingress of a location.
func (l *location) clients() string {
	if l.g == nil || l.g.annotation("auth-tls-secret", "") == "" {
		return "off"
	}
	return l.g.annotation("auth-tls-verify-client", "on")
}

// toldOfClients are the fields by which the upstream is told; what the client has sent in their place is dropped.
func (l *location) toldOfClients() string {
	if l.clients() == "off" {
		return ""
	}
	return "  proxy_set_header ssl-client-verify $ssl_client_verify;\n  proxy_set_header ssl-client-subject-dn $ssl_client_s_dn;\n  proxy_set_header ssl-client-issuer-dn $ssl_client_i_dn;\n" +
		"  proxy_set_header ssl-client-cert \"\";\n"
}
