package builtin

import (
	"strings"

	"paifang/internal/http1"
)

// digestAnswer is what an Authorization field of the scheme Digest says (RFC 7616, 3.4). Its texts are parts of the field, but for the
// name of the user, which may be one that was quoted.
type digestAnswer struct {
	user, realm, nonce, uri, response, cnonce, count string
}

// What a field may have. A nonce of another server may come, whose form is its own.
const (
	maxAnswer = 8 << 10 // bytes: most of them the address
	maxNonce  = 256     // bytes, of the client's, too
)

// parse reads a field. room is for a name that has quotes. What is not understood, is said twice or is missing gives false: a client
// that leaves qop out is one of RFC 2069, whose requests can be sent again by whoever has seen them.
func (a *digestAnswer) parse(field string, room *[maxCredentials]byte) bool {
	scheme, rest, found := strings.Cut(field, " ")
	if !found || len(field) > maxAnswer || !http1.EqualFold(scheme, "Digest") {
		return false
	}
	var qop, algorithm string
	for rest = strings.Trim(rest, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		name, after, ok := strings.Cut(rest, "=")
		if name = strings.TrimRight(name, " \t"); !ok || !http1.IsToken(name) {
			return false
		}
		value, quoted, tail, ok := directive(strings.TrimLeft(after, " \t"))
		if !ok {
			return false
		}
		rest = tail
		var to *string
		switch {
		case http1.EqualFold(name, "username"):
			to = &a.user
			if quoted {
				if value, ok = unquote(value, room); !ok {
					return false
				}
				quoted = false
			}
		case http1.EqualFold(name, "realm"):
			to = &a.realm
		case http1.EqualFold(name, "nonce"):
			to = &a.nonce
		case http1.EqualFold(name, "uri"):
			to = &a.uri
		case http1.EqualFold(name, "response"):
			to = &a.response
		case http1.EqualFold(name, "cnonce"):
			to = &a.cnonce
		case http1.EqualFold(name, "nc"):
			to = &a.count
		case http1.EqualFold(name, "qop"):
			to = &qop
		case http1.EqualFold(name, "algorithm"):
			to = &algorithm
		default:
			continue
		}
		if *to != "" || value == "" || quoted { // none of the others has a byte that needs a backslash
			return false
		}
		*to = value
	}
	return a.user != "" && a.nonce != "" && a.uri != "" && a.response != "" && a.cnonce != "" && a.count != "" &&
		len(a.nonce) <= maxNonce && len(a.cnonce) <= maxNonce && len(a.count) == countDigits && a.realm != "" &&
		http1.EqualFold(qop, "auth") && (algorithm == "" || http1.EqualFold(algorithm, "MD5"))
}

// directive cuts a token or a quoted string off, and what stands behind it up to the next comma. Quoted tells that the value has
// backslashes in it.
func directive(text string) (value string, quoted bool, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, ",")
		value = strings.TrimRight(value, " \t")
		return value, false, rest, http1.IsToken(value)
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			quoted = true
			i++
		case '"':
			rest = strings.TrimLeft(text[i+1:], " \t")
			return text[1:i], quoted, rest, rest == "" || rest[0] == ','
		}
	}
	return "", false, "", false
}

// unquote takes the backslashes out of a quoted string (RFC 9110, 5.6.4).
func unquote(text string, room *[maxCredentials]byte) (string, bool) {
	out := room[:0]
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			if i++; i == len(text) {
				return "", false
			}
		}
		if len(out) == len(room) {
			return "", false
		}
		out = append(out, text[i])
	}
	return string(out), true
}

// countDigits is the length of a count (RFC 7616, 3.4: 8LHEX).
const countDigits = 8

// parseCount reads a count, which begins with 1.
func parseCount(text string) (n uint32, ok bool) {
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F': // some write it so
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(c)
	}
	return n, n > 0
}
