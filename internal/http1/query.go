package http1

import (
	"iter"
	"strings"
)

// Parameter returns the value of parameter i, from 0, of those with this name in a raw query, decoded, and whether it is
// there. Only a value with escapes takes room in mem. An escape that is none stands for itself, as browsers have it.
func Parameter(rawQuery, name string, i int, mem *Arena) (string, bool) {
	for n, v := range parameters(rawQuery) {
		if sameDecoded(n, name) {
			if i == 0 {
				return unescape(v, mem), true
			}
			i--
		}
	}
	return "", false
}

// parameters are the names and values of a raw query, still encoded.
func parameters(q string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for q != "" {
			pair := q
			for i := 0; i < len(q); i++ {
				if q[i] == '&' {
					pair = q[:i]
					break
				}
			}
			q = q[min(len(pair)+1, len(q)):]
			name, value := pair, ""
			for i := 0; i < len(pair); i++ {
				if pair[i] == '=' {
					name, value = pair[:i], pair[i+1:]
					break
				}
			}
			if pair != "" && !yield(name, value) {
				return
			}
		}
	}
}

// decodeAt returns the byte that stands at s[i] and how many bytes of s it takes.
func decodeAt(s string, i int) (byte, int) {
	switch {
	case s[i] == '+':
		return ' ', 1
	case s[i] == '%' && i+2 < len(s) && octets[s[i+1]]&isHex != 0 && octets[s[i+2]]&isHex != 0:
		return hexValue[s[i+1]]<<4 | hexValue[s[i+2]], 3
	}
	return s[i], 1
}

// sameDecoded compares an encoded name with a plain one.
func sameDecoded(encoded, plain string) bool {
	i, j := 0, 0
	for ; i < len(encoded) && j < len(plain); j++ {
		c, n := decodeAt(encoded, i)
		if c != plain[j] {
			return false
		}
		i += n
	}
	return i == len(encoded) && j == len(plain)
}

// DecodeSegment returns the text that a part of a path stands for: without percent-encoding. A plus is a plus there.
func DecodeSegment(s string, mem *Arena) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := mem.take(len(s))
	for i := 0; i < len(s); {
		c, n := s[i], 1
		if c == '%' {
			c, n = decodeAt(s, i)
		}
		b = append(b, c)
		i += n
	}
	return mem.give(b)
}

func unescape(s string, mem *Arena) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] != '%' && s[i] != '+'
	}
	if plain {
		return s
	}
	b := mem.take(len(s))
	for i := 0; i < len(s); {
		c, n := decodeAt(s, i)
		b = append(b, c)
		i += n
	}
	return mem.give(b)
}
