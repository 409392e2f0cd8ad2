package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// tokenHead is the only head of a token that is given or taken: a JSON Web Token (RFC 7519), signed with HMAC-SHA256. A token that names
// another algorithm is none of ours.
const tokenHead = `{"alg":"HS256","typ":"JWT"}`

const maxToken = 1024

// maxSkew is by how much the clocks of processes that share their users may differ.
const maxSkew = 5 * time.Minute

type claims struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`  // seconds since 1970
	Mark    string `json:"mark"` // of the user's password
}

func (a *Auth) sign(name string, u user) string {
	body, _ := json.Marshal(claims{name, a.opt.Now().Add(a.opt.TTL).Unix(), u.mark()}) // texts and a number
	text := encode([]byte(tokenHead)) + "." + encode(body)
	return text + "." + encode(a.signature(text))
}

func (a *Auth) signature(text string) []byte {
	h := hmac.New(sha256.New, a.opt.Secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// open reads a token that this registry gave and that has not run out.
func (a *Auth) open(token string) (name, mark string, err error) {
	refuse := func(why string) (string, string, error) {
		return "", "", fmt.Errorf("auth: token: %s: %w", why, ErrUnauthenticated)
	}
	if token == "" {
		return refuse("there is none")
	}
	at := strings.LastIndexByte(token, '.')
	if len(token) > maxToken || at < 0 {
		return refuse("it is none of ours")
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil || !hmac.Equal(signature, a.signature(token[:at])) {
		return refuse("it is none of ours")
	}
	head, body, _ := strings.Cut(token[:at], ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	var c claims
	if err != nil || head != encode([]byte(tokenHead)) || json.Unmarshal(text, &c) != nil {
		return refuse("it is none of ours")
	}
	switch now := a.opt.Now(); {
	case now.Unix() >= c.Expires:
		return refuse("token expired")
	case c.Expires > now.Add(a.opt.TTL+maxSkew).Unix(): // the clock has gone back, and the token would live as much longer
		return refuse("it is from the future")
	}
	return c.Subject, c.Mark, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
