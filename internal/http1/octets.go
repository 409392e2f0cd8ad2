package http1

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// What a byte may be part of.
const (
	inToken    uint8 = 1 << iota // tchar (RFC 9110, 5.6.2)
	isScore                      // the underscore
	inPath                       // may stand in a path as it is: unreserved, sub-delims, ":", "@", "/"
	inQuery                      // visible ASCII without "#"
	inName                       // may stand in a host name
	unreserved                   // its escape is decoded (RFC 3986, 2.3)
	isHex                        // hexadecimal digit
	quotePath                    // no path byte, but sent by clients: forwarded percent-encoded
)

// octets has the properties of each byte, lowered the lower case of each, and hexValue the value of each hexadecimal digit.
var octets, lowered, hexValue = octetTables()

func octetTables() (set, low, hex [256]uint8) {
	add := func(chars string, p uint8) {
		for i := 0; i < len(chars); i++ {
			set[chars[i]] |= p
		}
	}
	const digits, lower, upper = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	const alnum = digits + lower + upper
	add(alnum+"!#$%&'*+-.^_`|~", inToken)
	add("_", isScore)
	add(alnum+"-._~!$&'()*+,;=:@/", inPath)
	add(alnum+"-._", inName)
	add(alnum+"-._~", unreserved)
	add(digits+"abcdefABCDEF", isHex)
	add("\"<>^`{}|", quotePath)
	for c := 0x21; c <= 0x7e; c++ {
		if c != '#' {
			set[c] |= inQuery
		}
	}
	for c := range low {
		low[c] = uint8(c)
		switch {
		case c >= '0' && c <= '9':
			hex[c] = uint8(c - '0')
		case c >= 'a' && c <= 'f':
			hex[c] = uint8(c - 'a' + 10)
		case c >= 'A' && c <= 'Z':
			low[c] = uint8(c + 'a' - 'A')
			if c <= 'F' {
				hex[c] = uint8(c - 'A' + 10)
			}
		}
	}
	return set, low, hex
}

// EqualFold tells whether two ASCII strings are the same but for case.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lowered[a[i]] != lowered[b[i]] {
			return false
		}
	}
	return true
}

// SameName is EqualFold that takes an underscore for a dash, as servers with CGI-like names do.
func SameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && twin(a[i]) != twin(b[i]) {
			return false
		}
	}
	return true
}

func twin(c uint8) uint8 {
	if c == '_' {
		return '-'
	}
	return lowered[c]
}

// hasPrefixFold tells whether s begins with the lower-case prefix, whatever the case of s.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && EqualFold(s[:len(prefix)], prefix)
}

// IsToken tells whether s is a token (RFC 9110, 5.6.2): what a method and a field name must be.
func IsToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&inToken == 0 {
			return false
		}
	}
	return s != ""
}

// IsFieldValue tells whether s has no byte that a field value must not have (RFC 9110, 5.5): no control but the tab.
func IsFieldValue(s string) bool {
	return valueEnd(unsafe.Slice(unsafe.StringData(s), len(s)), 0) == len(s)
}

// valueEnd returns the index at or after i of the first byte that no field value has, len(b) if there is none.
// Eight bytes are looked at together, since values are most of a head.
func valueEnd(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ ones*0x7f
		// The top bit of each byte that is below 0x20 or equal to 0x7f. A borrow can set it wrongly only above a byte
		// where it is right, and the lowest one counts.
		hit := ((x-ones*0x20)&^x | (del-ones)&^del) & tops
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' && c != '\t' || c == 0x7f {
			return i
		}
	}
	return i
}

// trim cuts spaces and tabs from both ends (OWS, RFC 9110, 5.6.3).
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// member cuts the first member off a comma-separated list. Members may be empty.
func member(list string) (first, rest string) {
	for i := 0; i < len(list); i++ {
		if list[i] == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), ""
}
