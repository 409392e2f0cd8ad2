package http1

// DropParameter takes every parameter with this name out of the query. What stays is as it was written.
func (r *Request) DropParameter(name string) {
	if _, ok := Parameter(r.RawQuery, name, 0, &r.Mem); !ok {
		return
	}
	b := r.Mem.take(len(r.RawQuery))
	rest := r.RawQuery
	for rest != "" {
		end := 0
		for end < len(rest) && rest[end] != '&' {
			end++
		}
		pair, equals := rest[:end], 0
		for equals < len(pair) && pair[equals] != '=' {
			equals++
		}
		if !sameDecoded(pair[:equals], name) {
			if len(b) > 0 {
				b = append(b, '&')
			}
			b = append(b, pair...)
		}
		rest = rest[min(end+1, len(rest)):]
	}
	r.RawQuery = r.Mem.give(b)
	r.HasQuery = r.RawQuery != ""
}

// AddParameter puts a parameter behind those of the query. Bytes of name and value that have a meaning there are escaped.
func (r *Request) AddParameter(name, value string) {
	b := r.Mem.take(len(r.RawQuery) + 3*(len(name)+len(value)) + len("&="))
	b = append(b, r.RawQuery...)
	if len(b) > 0 {
		b = append(b, '&')
	}
	b = appendEscaped(b, name)
	b = append(b, '=')
	b = appendEscaped(b, value)
	r.RawQuery, r.HasQuery = r.Mem.give(b), true
}

// appendEscaped escapes all but unreserved bytes (RFC 3986, 2.3).
func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}
