package telemetry

import "unicode/utf8"

// AppendString appends s as a JSON string (RFC 8259, 7). Controls, quotes and whatever is not UTF-8 are escaped or
// replaced, and so are the line separators that some readers of logs break lines at: nothing a client sends can look
// like another record.
func AppendString(dst []byte, s string) []byte {
	return append(appendJSON(append(dst, '"'), s), '"')
}

// appendJSON is AppendString without the quotes.
func appendJSON(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[from:i]...)
			if c == '"' || c == '\\' {
				dst = append(dst, '\\', c)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			dst = append(dst, s[from:i]...)
			if n == 1 {
				r = utf8.RuneError
			}
			dst = append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
			from = i + n
		}
		i += n
	}
	return append(dst, s[from:]...)
}
