package builtin

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// CodeCertificateSubject is the code of the answer 403 to a client whose certificate is not for somebody who may ask.
const CodeCertificateSubject model.Code = "certificate-subject"

// ClientCertificate configures "client-certificate": what the upstream is told of the certificate that the client has shown, and
// whose certificates pass. Whether one is asked for, and verified, TLS policies say. Each setting but Match is the name of a field
// for the upstream, where it is given; the client's own fields of these names are replaced, or removed.
type ClientCertificate struct {
	Verify      string `json:"verify,omitempty"`      // SUCCESS, NONE, or FAILED: and why
	Subject     string `json:"subject,omitempty"`     // its distinguished name (RFC 2253)
	Issuer      string `json:"issuer,omitempty"`      // of who signed it
	Certificate string `json:"certificate,omitempty"` // the certificate in PEM, percent-encoded
	Match       string `json:"match,omitempty"`       // RE2 that the subject must have a match of, or the answer is 403
}

// Validate refuses names that no field can have.
func (c ClientCertificate) Validate() error {
	for _, name := range []string{c.Verify, c.Subject, c.Issuer, c.Certificate} {
		if name != "" {
			if err := validateName(name); err != nil {
				return err
			}
		}
	}
	if _, err := regexp.Compile(c.Match); err != nil {
		return fmt.Errorf("match: %w", err)
	}
	return nil
}

func clientCertificateKind() filter.Kind {
	return filter.Define("client-certificate", func(c ClientCertificate, _ filter.Env) (filter.Filter, error) {
		f := &clientCertificate{ClientCertificate: c}
		if c.Match == "" {
			return f, nil
		}
		var err error
		f.match, err = regexp.Compile(c.Match)
		return f, err
	})
}

type clientCertificate struct {
	ClientCertificate
	match *regexp.Regexp
}

// OwnsFields implements filter.FieldOwner.
func (*clientCertificate) OwnsFields() {}

func (f *clientCertificate) Request(x *filter.Exchange) filter.Verdict {
	verify, subject, issuer, text := "NONE", "", "", ""
	if x.TLS != nil && x.TLS.Client != nil {
		c := x.TLS.Client
		subject, issuer = c.Subject, c.Issuer
		switch {
		case c.Verified:
			verify = "SUCCESS"
		case c.Problem != "":
			verify = x.Request.Mem.Join("FAILED:", strings.ReplaceAll(strings.ReplaceAll(c.Problem, "\n", " "), "\r", " "))
		default:
			verify = "FAILED:nobody has verified it"
		}
		if f.Certificate != "" {
			text = strings.ReplaceAll(url.QueryEscape(c.PEM()), "+", "%20")
		}
	}
	if f.match != nil && !f.match.MatchString(subject) {
		return x.Respond(403, CodeCertificateSubject, "This is not served here to everybody.\n")
	}
	if subject != "" {
		x.Admit(true)
	}
	fields := &x.Request.Fields
	for _, h := range [...]struct{ name, value string }{{f.Verify, verify}, {f.Subject, subject}, {f.Issuer, issuer}, {f.Certificate, text}} {
		switch {
		case h.name == "":
		case h.value == "":
			fields.Del(h.name)
		default:
			fields.Set(h.name, h.value)
		}
	}
	return filter.Continue
}
