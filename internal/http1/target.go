package http1

import "strings"

// target resolves Target and Host into path, query and authority (RFC 9112, 3.2 and 3.3).
func (r *Request) target(f *facts, lim *Limits) Fault {
	switch {
	case f.hosts > 1:
		return TwoHosts
	case f.hosts == 0 && r.Minor > 0:
		return NoHost
	}
	var host authority
	if f.hosts > 0 {
		var fault Fault
		if host, fault = parseAuthority(f.host, &r.Mem); fault != 0 {
			return fault
		}
	}
	t := r.Target
	switch {
	case r.Method == "CONNECT":
		if a, fault := parseAuthority(t, &r.Mem); fault != 0 || a.port == "" {
			return BadTarget
		}
		return ConnectRefused
	case t == "*":
		if r.Method != "OPTIONS" {
			return BadTarget
		}
	case t[0] != '/':
		var fault Fault
		if t, host, fault = r.absolute(t, host, f.hosts > 0); fault != 0 {
			return fault
		}
	}
	r.Host, r.Port, r.Authority = host.host, host.port, host.text
	return r.split(t, lim)
}

// absolute cuts scheme and authority off an absolute target. The authority must be the same as Host: two servers in a
// row that believed one of the two each would serve different sites.
func (r *Request) absolute(t string, host authority, hasHost bool) (rest string, _ authority, _ Fault) {
	defaultPort := ""
	switch {
	case hasPrefixFold(t, "http://"):
		t, defaultPort = t[7:], "80"
	case hasPrefixFold(t, "https://"):
		t, defaultPort = t[8:], "443"
	default:
		return "", host, BadTarget
	}
	end := 0
	for end < len(t) && t[end] != '/' && t[end] != '?' {
		if t[end] == '@' {
			return "", host, UserInfo
		}
		end++
	}
	a, fault := parseAuthority(t[:end], &r.Mem)
	switch {
	case fault != 0:
		return "", host, fault
	case hasHost && !sameAuthority(a, host, defaultPort):
		return "", host, HostMismatch
	case !hasHost:
		host = a
	}
	t = t[end:]
	switch {
	case t == "" && r.Method == "OPTIONS":
		return "*", host, 0 // RFC 9112, 3.2.4
	case t == "" || t[0] == '?':
		return r.Mem.Join("/", t), host, 0
	}
	return t, host, 0
}

// split parts path and query, and normalises the path.
func (r *Request) split(t string, lim *Limits) Fault {
	if t == "*" {
		r.Path = t
		return 0
	}
	plain := true // nothing to normalise
	i := 0
	for ; i < len(t) && t[i] != '?'; i++ {
		c := t[i]
		if octets[c]&inPath == 0 || c == '/' && i+1 < len(t) && (t[i+1] == '/' || t[i+1] == '.') {
			plain = false
		}
	}
	r.Path = t[:i]
	if i < len(t) {
		r.HasQuery = true
		r.RawQuery = t[i+1:]
	}
	if plain {
		return 0
	}
	path, fault := normalise(r.Path, &r.Mem, lim.keepEncodedSlash())
	if fault == 0 {
		r.Path = path
	}
	return fault
}

// SetPath replaces the path by what a filter made. It is normalised and checked like a received one, and bytes that
// no path may have, except controls, are percent-encoded: "?" and "#" become part of the path.
func (r *Request) SetPath(path string) error {
	p, fault := normalise(path, &r.Mem, true)
	if fault == 0 {
		r.Path = p
	}
	return fault.err()
}

// SetQuery replaces the query; raw is percent-encoded already. An empty one removes the question mark.
func (r *Request) SetQuery(raw string) error {
	for i := 0; i < len(raw); i++ {
		if octets[raw[i]]&inQuery == 0 {
			return BadTarget
		}
	}
	r.RawQuery, r.HasQuery = raw, raw != ""
	return nil
}

// NormalPath returns the form of a path that Request.Path is compared with: what configuration writes as "/a b/ü" and
// a client sends as "/a%20b/%c3%bc" are both "/a%20b/%C3%BC". It is a Fault if no request can have this path.
func NormalPath(path string) (string, error) {
	var mem Arena
	p, fault := normalise(path, &mem, true)
	return p, fault.err()
}

// normalise is RFC 3986, 6.2.2 without the parts that servers disagree about: those are refused.
func normalise(path string, mem *Arena, keepEncodedSlash bool) (string, Fault) {
	if path == "" || path[0] != '/' {
		return "", BadTarget
	}
	p := pathBuilder{out: append(mem.take(3*len(path)), '/'), segment: 1}
	for i := 1; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/':
			if fault := p.end(false); fault != 0 {
				return "", fault
			}
		case octets[c]&inPath != 0:
			p.out = append(p.out, c)
		case c == '%':
			if i+2 >= len(path) || octets[path[i+1]]&isHex == 0 || octets[path[i+2]]&isHex == 0 {
				return "", BadEscape
			}
			v := hexValue[path[i+1]]<<4 | hexValue[path[i+2]]
			i += 2
			switch {
			case v == 0:
				return "", EncodedNUL
			case (v == '/' || v == '\\') && !keepEncodedSlash:
				return "", EncodedSlash
			case octets[v]&unreserved != 0:
				p.out = append(p.out, v)
			default:
				p.escape(v)
			}
		case c == '\\':
			return "", Backslash
		case c < ' ' || c == 0x7f:
			return "", BadTarget
		default:
			p.escape(c)
		}
	}
	if fault := p.end(true); fault != 0 {
		return "", fault
	}
	return mem.give(p.out), 0
}

// pathBuilder is a normal path that grows by segments. It begins with a slash and, between segments, ends with one.
type pathBuilder struct {
	out     []byte
	segment int // where the segment begins that is not ended
}

func (p *pathBuilder) escape(c byte) {
	const digits = "0123456789ABCDEF"
	p.out = append(p.out, '%', digits[c>>4], digits[c&15])
}

// end closes a segment: empty ones are merged away, "." and ".." take effect, at the root ".." has none.
func (p *pathBuilder) end(last bool) Fault {
	seg := view(p.out[p.segment:])
	switch {
	case seg == "":
	case seg == ".":
		p.out = p.out[:p.segment]
	case seg == "..":
		p.out = p.out[:p.segment]
		if p.segment > 1 {
			p.out = p.out[:strings.LastIndexByte(view(p.out[:p.segment-1]), '/')+1]
		}
	case seg[0] == '.' && (strings.HasPrefix(seg, ".;") || strings.HasPrefix(seg, "..;")):
		return DotParameter
	case !last:
		p.out = append(p.out, '/')
	}
	p.segment = len(p.out)
	return 0
}
