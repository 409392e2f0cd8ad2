package jwks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// TestHeaders: what the header says is read in one way only, and what it demands is not passed over.
func TestHeaders(t *testing.T) {
	p := made(t, "e", "ES256")
	set, err := Parse(published(t, p))
	if err != nil {
		t.Fatal(err)
	}
	token := func(header string) string {
		signed := encoded([]byte(header)) + "." + encoded([]byte(`{"n":1}`))
		r, s, err := ecdsa.Sign(rand.Reader, p.private.(*ecdsa.PrivateKey), digest(signed))
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + encoded(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
	for _, good := range []string{
		`{"alg":"ES256"}`, `{"alg":"ES256","kid":"e"}`, `{"alg":"ES256","typ":"at+jwt","cty":"JWT","x":[1,{"a":"b"}]}`, ` { "kid" : "e", "alg" : "ES256" } `,
		`{"alg":"ES256","jwk":{"kty":"oct","k":"AA"},"jku":"http://evil.test/keys"}`, // which are never used
	} {
		if got, err := verify(t, set, token(good)); err != nil || got != `{"n":1}` {
			t.Errorf("%s: %q %v", good, got, err)
		}
	}
	for _, bad := range []string{
		``, `null`, `[]`, `"ES256"`, `{`, `{}`, `{"alg":null}`, `{"alg":["ES256"]}`, `{"alg":"ES256"}x`, `{"alg":"es256"}`, `{"Alg":"ES256"}`, `{"ALG":"ES256"}`,
		`{"alg":"none"}`, `{"alg":"HS256"}`, `{"alg":"ES256","alg":"ES256"}`, `{"alg":"none","alg":"ES256"}`, `{"alg":"ES256","kid":"x","kid":"e"}`, `{"alg":"ES256","kid":1}`,
		`{"alg":"ES256","crit":["exp"],"exp":1}`, `{"alg":"ES256","crit":[]}`, `{"alg":"ES256","crit":null}`, `{"alg":"ES256","crit":["b64"],"b64":false}`, `{"alg":"ES256","b64":false}`, `{"alg":"ES384"}`, "{\"alg\":\"ES256\"\x00}",
	} {
		if got, err := verify(t, set, token(bad)); err == nil {
			t.Errorf("%s passes: %q", bad, got)
		}
	}
	if _, err := verify(t, set, token(`{"alg":"ES256","KID":"x"}`)); err != nil {
		t.Errorf("another name is taken for kid: %v", err)
	}
	good := token(`{"alg":"ES256","kid":"e"}`)
	for name, bad := range map[string]string{
		"padding": good + "==", "a line break within": good[:40] + "\n" + good[40:], "a line break behind": good + "\r\n", "a blank": good + " ", "four parts": good + ".AA", "two parts": good[:strings.LastIndexByte(good, '.')],
		"the other alphabet": good[:len(good)-4] + "+/+/", "no signature": good[:strings.LastIndexByte(good, '.')+1], "bits that no byte has": good[:len(good)-1] + lastBits(good[len(good)-1]),
	} {
		if _, err := verify(t, set, bad); err == nil {
			t.Errorf("with %s it passes", name)
		}
	}
}

// lastBits is a last digit which says the same byte in another way.
func lastBits(digit byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return digits[strings.IndexByte(digits, digit)+1:][:1]
}

func digest(signed string) []byte {
	t := Token{algorithm: "ES256", signed: []byte(signed)}
	sum, _ := t.sum()
	return sum
}

// TestSignaturesOfCurves: of the ways to write a signature that is none, or the good one differently, none passes.
func TestSignaturesOfCurves(t *testing.T) {
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		p := made(t, "e", alg)
		set, err := Parse(published(t, p))
		if err != nil {
			t.Fatal(err)
		}
		token := p.sign(t, `{}`)
		cut := strings.LastIndexByte(token, '.') + 1
		raw, err := base64.RawURLEncoding.DecodeString(token[cut:])
		if err != nil {
			t.Fatal(err)
		}
		size := len(raw) / 2
		n := curve.Params().N
		r, s := new(big.Int).SetBytes(raw[:size]), new(big.Int).SetBytes(raw[size:])
		pair := func(r, s *big.Int) []byte {
			if r.BitLen() > 8*size || s.BitLen() > 8*size {
				return nil // it cannot be written
			}
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
		zero, one := new(big.Int), big.NewInt(1)
		der, err := ecdsa.SignASN1(rand.Reader, p.private.(*ecdsa.PrivateKey), make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		for i, bad := range [][]byte{
			{}, raw[:len(raw)-1], append(bytes.Clone(raw), 0), append([]byte{0}, raw...), raw[:size], der, bytes.Repeat([]byte{0xff}, 2*size), make([]byte, 2*size),
			pair(zero, s), pair(r, zero), pair(zero, zero), pair(one, zero), pair(zero, one), pair(one, one), pair(n, s), pair(r, n), pair(n, n), pair(s, r),
			pair(new(big.Int).Add(r, n), s), pair(r, new(big.Int).Add(s, n)), pair(new(big.Int).Sub(n, one), s), pair(r, one), pair(new(big.Int).Sub(n, r), s),
		} {
			if _, err := verify(t, set, token[:cut]+encoded(bad)); err == nil {
				t.Errorf("%s: signature %d passes", alg, i)
			}
		}
		// The other s of a signature is as good (RFC 7518 asks for no particular one).
		if _, err := verify(t, set, token[:cut]+encoded(pair(r, new(big.Int).Sub(n, s)))); err != nil {
			t.Errorf("%s: the other s: %v", alg, err)
		}
	}
}

// FuzzAgainstAnother has another reader of tokens say whether one is good: what passes here must pass there.
func FuzzAgainstAnother(f *testing.F) {
	var pairs []pair
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		pairs = append(pairs, made(f, alg, alg))
		f.Add(pairs[len(pairs)-1].sign(f, `{"a":1}`), uint16(3), byte(1))
	}
	set, err := Parse(published(f, pairs...))
	if err != nil {
		f.Fatal(err)
	}
	var all []jose.SignatureAlgorithm
	for _, a := range Algorithms() {
		all = append(all, jose.SignatureAlgorithm(a))
	}
	f.Fuzz(func(t *testing.T, token string, at uint16, change byte) {
		text := []byte(token)
		if len(text) > 0 {
			text[int(at)%len(text)] ^= change
		}
		payload, err := verify(t, set, string(text))
		if err != nil {
			if errors.Is(err, ErrToken) || errors.Is(err, ErrUnknown) || errors.Is(err, ErrForged) {
				return
			}
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(string(text), all)
		if err != nil {
			t.Fatalf("%q is read here alone: %v", text, err)
		}
		for _, p := range pairs {
			if there, err := jws.Verify(p.private.Public()); err == nil && string(there) == payload {
				return
			}
		}
		t.Fatalf("%q passes here alone", text)
	})
}
