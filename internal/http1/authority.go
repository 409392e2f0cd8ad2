package http1

import "net/netip"

// SetAuthority sets Host, Port and Authority from "host" or "host:port" and returns BadHost, and changes nothing,
// if it is neither.
func (r *Request) SetAuthority(s string) error {
	a, fault := parseAuthority(s, &r.Mem)
	if fault == 0 {
		r.Host, r.Port, r.Authority = a.host, a.port, a.text
	}
	return fault.err()
}

// NormalAuthority returns the form of "host" or "host:port" that Request.Authority has, and whether s is either. What is
// not in that form already takes room in mem.
func NormalAuthority(s string, mem *Arena) (string, bool) {
	a, fault := parseAuthority(s, mem)
	return a.text, fault == 0
}

// authority is the normal form of the host that a message names.
type authority struct{ host, port, text string }

// parseAuthority normalises host [":" port] (RFC 3986, 3.2): routes, TLS options and the upstream must all see one
// form. Of host names only letters, digits, dash, dot and underscore are taken, which is less than the grammar allows
// and all that names in use have.
func parseAuthority(s string, mem *Arena) (a authority, _ Fault) {
	if s == "" || len(s) > maxHost {
		return a, BadHost
	}
	end := 0
	if s[0] == '[' {
		end = bracketEnd(s)
	} else {
		end = nameEnd(s)
	}
	if end == 0 {
		return a, BadHost
	}
	host, rest := s[:end], s[end:]
	if host[end-1] == '.' {
		if end == 1 {
			return a, BadHost
		}
		host = host[:end-1]
	}
	if host[0] == '[' {
		host = oneForm(host, mem)
	} else {
		host = lower(host, mem)
	}
	if rest == "" {
		return authority{host, "", host}, 0
	}
	port, ok := parsePort(rest[1:])
	switch {
	case rest[0] != ':' || !ok:
		return a, BadHost
	case port == "":
		return authority{host, "", host}, 0
	case len(host)+1+len(port) == len(s) && host == s[:len(host)]:
		return authority{host, port, s}, 0
	}
	return authority{host, port, mem.Join(host, ":", port)}, 0
}

// nameEnd returns where the host name at the start of s ends, 0 if it is none: a byte it cannot have is left for the
// caller to refuse, an empty label is refused here. One trailing dot is part of it.
func nameEnd(s string) int {
	i := 0
	for ; i < len(s) && octets[s[i]]&inName != 0; i++ {
		if s[i] == '.' && (i == 0 || s[i-1] == '.') {
			return 0
		}
	}
	return i
}

// bracketEnd returns where the IPv6 address in brackets at the start of s ends, 0 if it is none. Zones are for one
// machine only and are refused (RFC 6874, 4).
func bracketEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == ']':
			if a, err := netip.ParseAddr(s[1:i]); err != nil || !a.Is6() || a.Zone() != "" {
				return 0
			}
			return i + 1
		case octets[c]&isHex == 0 && c != ':' && c != '.':
			return 0
		}
	}
	return 0
}

// oneForm returns an IPv6 address in brackets as RFC 5952, section 4, writes it: it has many spellings, and what is decided by
// its host must not depend on which of them a client takes.
func oneForm(s string, mem *Arena) string {
	var b [64]byte
	text := append(netip.MustParseAddr(s[1:len(s)-1]).AppendTo(append(b[:0], '[')), ']')
	if string(text) == s {
		return s
	}
	return mem.Copy(text)
}

// parsePort cuts leading zeros off a port. An empty one is allowed (RFC 3986, 3.2.3).
func parsePort(s string) (string, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return "", false
		}
		if n = n*10 + int(s[i]-'0'); n > 65535 {
			return "", false
		}
	}
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s, true
}

// lower returns s in lower case, s itself if it is.
func lower(s string, mem *Arena) string {
	for i := 0; i < len(s); i++ {
		if lowered[s[i]] != s[i] {
			b := mem.take(len(s))
			for j := 0; j < len(s); j++ {
				b = append(b, lowered[s[j]])
			}
			return mem.give(b)
		}
	}
	return s
}

// sameAuthority compares, with the default port of a scheme the same as none.
func sameAuthority(a, b authority, defaultPort string) bool {
	port := func(p string) string {
		if p == defaultPort {
			return ""
		}
		return p
	}
	return a.host == b.host && port(a.port) == port(b.port)
}
