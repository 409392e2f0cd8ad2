package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4/json"
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

// Token is one whose signature was not looked at yet.
type Token struct {
	algorithm, keyID string
	signed           []byte // header and payload as they came
	payload          []byte
	signature        []byte
}

// header is what a token says of its signature (RFC 7515, 4.1). Its members are read with their case, and none may be there twice:
// readers that differ in these could take one token for two.
type header struct {
	Algorithm string          `json:"alg"`
	KeyID     string          `json:"kid"`
	Critical  json.RawMessage `json:"crit"`
	Unencoded json.RawMessage `json:"b64"`
}

// Read reads a token in its compact form (RFC 7515, 7.1), signed with one of some algorithms. It fails with ErrToken. A token that
// demands something of its reader ("crit") is not taken, since nothing that can be demanded is done here.
func Read(compact string, algorithms []string) (Token, error) {
	if len(compact) > MaxToken || strings.ContainsAny(compact, "\r\n") { // which decoding would pass over
		return Token{}, ErrToken
	}
	text := []byte(compact)
	head, rest, _ := bytes.Cut(text, []byte("."))
	payload, signature, ok := bytes.Cut(rest, []byte("."))
	if !ok {
		return Token{}, ErrToken
	}
	decoded := make([]byte, 0, len(text))
	var parts [3][]byte
	for i, part := range [...][]byte{head, payload, signature} {
		from := len(decoded)
		var err error
		if decoded, err = base64.RawURLEncoding.Strict().AppendDecode(decoded, part); err != nil {
			return Token{}, ErrToken
		}
		parts[i] = decoded[from:len(decoded):len(decoded)]
	}
	var h header
	if json.Unmarshal(parts[0], &h) != nil || len(h.Critical) > 0 || len(h.Unencoded) > 0 || !slices.Contains(algorithms, h.Algorithm) {
		return Token{}, ErrToken
	}
	return Token{h.Algorithm, h.KeyID, text[:len(head)+1+len(payload)], parts[1], parts[2]}, nil
}

// Verify returns what a token says, once its signature is that of a key of the set: its own, or, where it names none, one of the first
// few of the fitting kind. A key that says for which algorithm it is verifies no other. It fails with ErrUnknown or ErrForged.
func (s *Set) Verify(t Token) ([]byte, error) {
	tries := 0
	for i := range s.keys {
		k := &s.keys[i]
		if t.keyID != "" && k.id != t.keyID || k.algorithm != "" && k.algorithm != t.algorithm || !k.signs(t.algorithm) {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if k.signed(&t) {
			return t.payload, nil
		}
	}
	if tries == 0 {
		return nil, ErrUnknown
	}
	return nil, ErrForged
}

// signs tells whether a key is of the kind that an algorithm needs.
func (k *key) signs(algorithm string) bool {
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		switch p.Curve.Params().BitSize {
		case 256:
			return algorithm == "ES256"
		case 384:
			return algorithm == "ES384"
		case 521:
			return algorithm == "ES512"
		}
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// sum is the digest of what was signed, with the hash of the token's algorithm.
func (t *Token) sum() ([]byte, crypto.Hash) {
	switch t.algorithm[2:] {
	case "384":
		s := sha512.Sum384(t.signed)
		return s[:], crypto.SHA384
	case "512":
		s := sha512.Sum512(t.signed)
		return s[:], crypto.SHA512
	}
	s := sha256.Sum256(t.signed)
	return s[:], crypto.SHA256
}

// signed tells whether a token has the key's signature (RFC 7518, 3.3 to 3.5; RFC 8037, 3.1). The key is of the kind for it.
func (k *key) signed(t *Token) bool {
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		sum, hash := t.sum()
		if t.algorithm[0] == 'P' {
			return rsa.VerifyPSS(p, hash, sum, t.signature, nil) == nil
		}
		return rsa.VerifyPKCS1v15(p, hash, sum, t.signature) == nil
	case *ecdsa.PublicKey:
		sum, _ := t.sum()
		size := (p.Curve.Params().BitSize + 7) / 8
		return len(t.signature) == 2*size && ecdsa.Verify(p, sum, new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:]))
	case ed25519.PublicKey:
		return ed25519.Verify(p, t.signed, t.signature)
	}
	return false
}
