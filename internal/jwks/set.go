// Package jwks has the public keys that tokens are signed with (RFC 7517): sets of them, followed where they are published, and the
// verification of a token's signature (RFC 7515).
package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of what is read.
const (
	MaxKeys    = 100     // of a set
	MaxToken   = 8 << 10 // bytes of a token
	maxRSABits = 8192    // a longer key makes each token expensive
	minRSABits = 2048    // a shorter one can be broken
	maxTries   = 4       // keys that are tried for a token which does not name its key
)

// Algorithms are the signatures that are verified: all with a public key. A token that is signed with a secret, or not at all, never is.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Errors of Verify.
var (
	ErrToken   = errors.New("jwks: token cannot be read, or has an algorithm that is not taken")
	ErrUnknown = errors.New("jwks: no key of the set is the token's")
	ErrForged  = errors.New("jwks: signature is not that of the key")
)

// Set is some keys. It is immutable.
type Set struct {
	keys []jose.JSONWebKey
}

// Parse reads a set, {"keys": […]}. Keys that are for something else, or of a kind that is not known, are left out, as RFC 7517, 5
// has it; a set of which nothing is left is an error, and so is one that holds a private or a secret key.
func Parse(b []byte) (*Set, error) {
	var in struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, errors.New("jwks: read key set: it is no JSON with a list of keys")
	}
	if len(in.Keys) > MaxKeys {
		return nil, fmt.Errorf("jwks: read key set: it has %d keys, at most %d are taken", len(in.Keys), MaxKeys)
	}
	s := &Set{}
	for i, raw := range in.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || k.Use != "" && k.Use != "sig" || !fits(k.Key) {
			if secret(raw) {
				return nil, fmt.Errorf("jwks: read key set: key %d is a private or a secret one, which is for its owner alone", i)
			}
			continue
		}
		s.keys = append(s.keys, k)
	}
	if len(s.keys) == 0 {
		return nil, errors.New("jwks: read key set: it has no public key that signatures can be verified with")
	}
	return s, nil
}

// secret tells whether a key is one that must not be published.
func secret(raw []byte) bool {
	var k struct {
		D json.RawMessage `json:"d"`
		K json.RawMessage `json:"k"`
	}
	return json.Unmarshal(raw, &k) == nil && (len(k.D) > 0 || len(k.K) > 0)
}

// fits tells whether a key is a public one that is worth something.
func fits(key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

// Len is the number of keys.
func (s *Set) Len() int { return len(s.keys) }

// Same tells whether two sets have the same keys in the same order.
func (s *Set) Same(other *Set) bool {
	return other != nil && slices.EqualFunc(s.keys, other.keys, func(a, b jose.JSONWebKey) bool {
		p, ok := a.Key.(interface{ Equal(crypto.PublicKey) bool })
		return ok && a.KeyID == b.KeyID && a.Algorithm == b.Algorithm && p.Equal(b.Key)
	})
}

// Token is one whose signature was not looked at yet.
type Token struct {
	jws *jose.JSONWebSignature
}

// Read reads a token in its compact form, signed with one of some algorithms. It fails with ErrToken.
func Read(compact string, algorithms []string) (Token, error) {
	if len(compact) > MaxToken {
		return Token{}, ErrToken
	}
	taken := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, a := range algorithms {
		taken[i] = jose.SignatureAlgorithm(a)
	}
	jws, err := jose.ParseSignedCompact(compact, taken)
	if err != nil || len(jws.Signatures) != 1 {
		return Token{}, ErrToken
	}
	return Token{jws}, nil
}

// Verify returns what a token says, once its signature is that of a key of the set: its own, or, where it names none, one of the first
// few of the fitting kind. A key that says for which algorithm it is verifies no other. It fails with ErrUnknown or ErrForged.
func (s *Set) Verify(t Token) ([]byte, error) {
	header := t.jws.Signatures[0].Header
	tries := 0
	for i := range s.keys {
		k := &s.keys[i]
		if header.KeyID != "" && k.KeyID != header.KeyID || k.Algorithm != "" && k.Algorithm != header.Algorithm || !signs(k.Key, header.Algorithm) {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if payload, err := t.jws.Verify(k.Key); err == nil {
			return payload, nil
		}
	}
	if tries == 0 {
		return nil, ErrUnknown
	}
	return nil, ErrForged
}

// signs tells whether a key is of the kind that an algorithm needs.
func signs(key any, algorithm string) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return algorithm[0] == 'R' || algorithm[0] == 'P'
	case *ecdsa.PublicKey:
		return algorithm == map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Curve.Params().BitSize]
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}
