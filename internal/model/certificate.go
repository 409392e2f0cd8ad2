package model

import "encoding/json"

// CertificateID names a certificate: "secret/shop/shop-tls".
type CertificateID string

// Certificate is a key pair for hosts. Hosts without a certificate, or whose certificate is broken, get the
// listener's default certificate.
type Certificate struct {
	ID     CertificateID `json:"id"`
	Origin Origin        `json:"origin"`
	Attach []Class       `json:"attach"`
	Hosts  []Host        `json:"hosts"`
	Secret string        `json:"secret,omitempty"` // the TLS Secret that chain and key are read from: "shop/shop-tls"
	Chain  string        `json:"chain"`            // PEM, the leaf first
	Key    Secret        `json:"key"`              // PEM
}

// Validate reports the first field that its type does not allow. Whether key and chain fit is decided by compile.
func (c Certificate) Validate() error {
	switch {
	case c.ID == "":
		return fieldError("id", "is empty")
	case len(c.Attach) == 0:
		return fieldError("attach", "is empty")
	case len(c.Hosts) == 0:
		return fieldError("hosts", "is empty")
	}
	for _, h := range c.Hosts {
		if err := h.Validate(); err != nil {
			return fieldError("hosts", err.Error())
		}
	}
	return nil
}

// Secret is text that never shows: it prints, formats and marshals as [redacted].
type Secret struct{ text string }

// NewSecret wraps a text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text. Call it only where the text is used.
func (s Secret) Reveal() string { return s.text }

const redacted = "[redacted]"

// String returns "[redacted]", or "" for an empty secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return redacted
}

// GoString is String, so that %#v does not show the text either.
func (s Secret) GoString() string { return s.String() }

// MarshalJSON writes String.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
