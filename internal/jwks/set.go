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

// Set is some keys. It is immutable.
type Set struct {
	keys []key
}

// key is a public key with what its publisher says of it.
type key struct {
	id        string
	algorithm string // the only one it is for; empty = any of its kind
	public    crypto.PublicKey
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
		s.keys = append(s.keys, key{k.KeyID, k.Algorithm, k.Key})
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
	return other != nil && slices.EqualFunc(s.keys, other.keys, func(a, b key) bool {
		p, ok := a.public.(interface{ Equal(crypto.PublicKey) bool })
		return ok && a.id == b.id && a.algorithm == b.algorithm && p.Equal(b.public)
	})
}
