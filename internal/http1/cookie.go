package http1

import "strings"

// Cookie returns the value of cookie i, from 0, of those with a name (RFC 6265, section 4.2), without its quotes, and
// whether it is there. Names are compared as they are written.
func Cookie(f *Fields, name string, i int) (string, bool) {
	for line := range f.Values("Cookie") {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			k, v, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			switch {
			case !ok || k != name:
			case i == 0:
				return strings.Trim(v, `"`), true
			default:
				i--
			}
		}
	}
	return "", false
}
