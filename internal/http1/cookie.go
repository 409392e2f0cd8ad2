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

// DelCookies removes the cookies with a name, but for the first n of them, and leaves the others as they were sent. What has to be written
// anew is in mem.
func (f *Fields) DelCookies(name string, n int, mem *Arena) {
	kept := 0
	for i := range f.rows {
		r := f.rows[i]
		if r.role == cookie {
			if r.value, n = withoutCookies(r.value, name, n, mem); r.value == "" {
				continue
			}
		}
		f.rows[kept] = r
		kept++
	}
	f.rows = f.rows[:kept]
}

// withoutCookies returns a Cookie line without those with a name, but for the first n, and how many of n are left. A name with white space
// behind it goes too: servers take it for the same.
func withoutCookies(line, name string, n int, mem *Arena) (string, int) {
	b, some, rest := mem.take(len(line)), false, line
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, ";")
		k, _, ok := strings.Cut(trim(pair), "=")
		switch {
		case !ok || trim(k) != name:
		case n > 0 && k == name:
			n--
		default:
			continue
		}
		if some {
			b = append(b, ';')
		}
		b, some = append(b, pair...), true
	}
	if len(b) == len(line) {
		return line, n
	}
	return trim(mem.give(b)), n
}
