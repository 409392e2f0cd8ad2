package telemetry

import (
	"bytes"
	"strings"
)

// hidden stands for what was taken out.
const hidden = "***"

// secrets knows which parameters of an address are nobody's business. Headers are no trouble: none that has credentials
// is ever recorded.
type secrets struct{ also []string } // plain names besides the usual ones

// newSecrets takes further names, in any spelling.
func newSecrets(also []string) *secrets {
	s := &secrets{}
	for _, name := range also {
		var b [nameRoom]byte
		if n := plain(&b, name); n > 0 {
			s.also = append(s.also, string(b[:n]))
		}
	}
	return s
}

// Hider returns what takes secrets out of an address, as the access log does. It is told further names of parameters.
func Hider(also []string) func(address string) string {
	s := newSecrets(also)
	plainly := func(dst []byte, text string) []byte { return append(dst, text...) }
	return func(address string) string { return string(s.hide(nil, address, false, plainly)) }
}

// nameRoom is how much of a name is looked at, in bytes.
const nameRoom = 64

// secretParts are what names of secrets have in them: accessToken, user_password, X-Amz-Signature.
var secretParts = [...][]byte{
	[]byte("token"), []byte("passw"), []byte("secret"), []byte("signature"), []byte("credential"), []byte("apikey"), []byte("accesskey"),
	[]byte("sessionid"), []byte("sessid"), []byte("authorization"),
}

// isSecret tells whether a parameter's value is a secret by its name, given percent-encoded.
func (s *secrets) isSecret(name string) bool {
	var b [nameRoom]byte
	n := plain(&b, name)
	switch string(b[:n]) {
	case "pwd", "sig", "sign", "jwt", "auth", "otp", "sid", "bearer", "assertion", "samlresponse":
		return true
	}
	for _, part := range secretParts {
		if bytes.Contains(b[:n], part) {
			return true
		}
	}
	for _, also := range s.also {
		if string(b[:n]) == also {
			return true
		}
	}
	return false
}

// plain writes a name decoded, in lower case and without what spellings differ in: access_token, Access-Token and
// %61ccessToken are one.
func plain(b *[nameRoom]byte, name string) int {
	n := 0
	for i := 0; i < len(name) && n < len(b); {
		c, w := unescaped(name, i)
		i += w
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c == '_' || c == '-' || c == '.' || c == ' ' {
			continue
		}
		b[n] = c
		n++
	}
	return n
}

// unescaped returns the byte that stands at s[i], and how many bytes it takes.
func unescaped(s string, i int) (byte, int) {
	if s[i] == '%' && i+2 < len(s) {
		hi, lo := hex(s[i+1]), hex(s[i+2])
		if hi < 16 && lo < 16 {
			return hi<<4 | lo, 3
		}
	}
	return s[i], 1
}

// hex is the value of a digit; 16 and more: it is none.
func hex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}

// hide appends an address, or a query alone, with escape applied, and *** in the place of secrets: the values of parameters
// whose names say so, in a query, a fragment, behind a semicolon in the path, and one level deep in an address that is a
// parameter itself; and what stands before an @ in front of a host. It does not allocate.
func (s *secrets) hide(dst []byte, url string, query bool, escape func([]byte, string) []byte) []byte {
	if strings.IndexByte(url, '=') < 0 && strings.IndexByte(url, '%') < 0 && strings.IndexByte(url, '@') < 0 {
		return escape(dst, url) // most addresses: nothing in it has a value
	}
	from := 0 // url[:from] is done
	if !query {
		if at, end := userInfo(url); end > 0 {
			dst = append(escape(dst, url[:at]), hidden...)
			from = end
		}
	}
	inside := query // among parameters
	asked := query  // behind the question mark
	begin := from   // of a name
	nested := false // the name began behind a delimiter that was escaped
	for i := from; i < len(url); {
		c, w := unescaped(url, i)
		switch {
		case c == '?' || c == ';' || c == '#' || c == '&' && inside:
			inside, begin, nested = true, i+w, w > 1
			asked = asked || c == '?' && w == 1
		case c == '=' && inside && begin >= 0:
			name := url[begin:i]
			begin = -1
			if !s.isSecret(name) {
				break
			}
			dst = append(escape(dst, url[from:i+w]), hidden...)
			from = valueEnd(url, i+w, nested, !asked)
			i = from
			continue
		}
		i += w
	}
	return escape(dst, url[from:])
}

// valueEnd is where the value of a parameter ends. In one that is nested, an escaped delimiter ends it too, and in the path
// the question mark.
func valueEnd(url string, i int, nested, path bool) int {
	for i < len(url) {
		c, w := unescaped(url, i)
		if (w == 1 || nested) && (c == '&' || c == ';' || c == '#' || c == '?' && path) {
			return i
		}
		i += w
	}
	return i
}

// userInfo returns where the part before an @ begins and ends, in an address with a scheme; end is 0 where there is none.
func userInfo(url string) (begin, end int) {
	scheme := strings.Index(url, "://")
	if scheme < 0 || strings.ContainsAny(url[:scheme], "/?#") {
		return 0, 0
	}
	begin = scheme + len("://")
	authority := url[begin:]
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		return begin, begin + at
	}
	return 0, 0
}
