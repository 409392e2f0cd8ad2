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
		return ConnectMethod
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
		r.Path, r.RawPath, r.normal = t, t, t
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
	r.rules = lim.path()
	r.Path, r.RawPath, r.normal = t[:i], t[:i], t[:i]
	if i < len(t) {
		r.HasQuery = true
		r.RawQuery = t[i+1:]
		if len(r.RawQuery) >= maxParameters && strings.Count(r.RawQuery, "&") >= maxParameters {
			return TooManyParameters
		}
	}
	if plain {
		return 0
	}
	path, done, fault := normalise(r.Path, &r.Mem, r.rules)
	if fault == 0 {
		r.Path, r.normal = path, path
		r.Differs = done != 0
		r.Moved = done&decodedSlash != 0 && r.rules.encoded == RedirectEncodedSlash
	}
	return fault
}

// SetPath replaces the path by what a filter made. It is normalised and checked like a received one, and bytes that
// no path may have, except controls, are percent-encoded: "?" and "#" become part of the path. An encoded slash stays
// one.
func (r *Request) SetPath(path string) error {
	p, _, fault := normalise(path, &r.Mem, pathRules{r.rules.slashes, KeepEncodedSlash})
	if fault == 0 {
		r.Path = p
	}
	return fault.err()
}

// SendAsReceived makes WirePath the path as the client wrote it, where that cannot matter: unless Differs, or a filter
// has changed Path.
func (r *Request) SendAsReceived() { r.asReceived = true }

// WirePath is the path that is sent on: Path, or, after SendAsReceived, the client's own spelling of the same.
func (r *Request) WirePath() string {
	if r.asReceived && !r.Differs && r.Path == r.normal {
		return r.RawPath
	}
	return r.Path
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
	p, _, fault := normalise(path, &mem, pathRules{encoded: KeepEncodedSlash})
	return p, fault.err()
}

// IsPath tells whether s begins with one slash and has no byte that a path must not have as it is.
func IsPath(s string) bool {
	if s == "" || s[0] != '/' || len(s) > 1 && s[1] == '/' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if octets[s[i]]&inPath == 0 && s[i] != '%' {
			return false
		}
	}
	return true
}

// EncodePath returns a path in which bytes are percent-encoded that no path has: "/a b/ü" becomes "/a%20b/%C3%BC". All else stays as it is.
func EncodePath(path string) string {
	if IsPath(path) {
		return path
	}
	var p pathBuilder
	for i := range len(path) {
		if c := path[i]; c == '/' || c == '%' || octets[c]&inPath != 0 {
			p.out = append(p.out, c)
		} else {
			p.escape(c)
		}
	}
	return string(p.out)
}

// changes are what normalising did beyond the spelling of escapes: where it did, servers behind may take the path as
// received for another one.
type changes uint8

const (
	mergedSlash  changes = 1 << iota // several slashes became one
	tookDots                         // a dot segment took effect
	decodedSlash                     // %2F became a slash
	keptSlash                        // %2F or %5C is still there
)

// normalise is RFC 3986, 6.2.2 without the parts that servers disagree about: those are refused.
func normalise(path string, mem *Arena, rules pathRules) (string, changes, Fault) {
	if path == "" || path[0] != '/' {
		return "", 0, BadTarget
	}
	p := pathBuilder{out: append(mem.take(3*len(path)), '/'), segment: 1, slashes: rules.slashes}
	for i := 1; i < len(path); i++ {
		switch c := path[i]; {
		case c == '/':
			if fault := p.end(false); fault != 0 {
				return "", 0, fault
			}
		case octets[c]&inPath != 0:
			p.out = append(p.out, c)
		case c == '%':
			if i+2 >= len(path) || octets[path[i+1]]&isHex == 0 || octets[path[i+2]]&isHex == 0 {
				return "", 0, BadEscape
			}
			v := hexValue[path[i+1]]<<4 | hexValue[path[i+2]]
			i += 2
			if fault := p.escaped(v, rules.encoded); fault != 0 {
				return "", 0, fault
			}
		case c == '\\':
			return "", 0, Backslash
		case c < ' ' || c == 0x7f:
			return "", 0, BadTarget
		default:
			p.escape(c)
		}
	}
	if fault := p.end(true); fault != 0 {
		return "", 0, fault
	}
	return mem.give(p.out), p.done, 0
}

// pathBuilder is a normal path that grows by segments. It begins with a slash and, between segments, ends with one.
type pathBuilder struct {
	out     []byte
	segment int // where the segment begins that is not ended
	slashes Slashes
	done    changes
}

// escaped takes an escape of this byte.
func (p *pathBuilder) escaped(v uint8, encoded EncodedSlashes) Fault {
	switch {
	case v == 0:
		return EncodedNUL
	case (v == '/' || v == '\\') && encoded == KeepEncodedSlash:
		p.done |= keptSlash
		p.escape(v)
	case v == '/' && encoded != RefuseEncodedSlash:
		p.done |= decodedSlash
		return p.end(false)
	case v == '/' || v == '\\':
		return EncodedSlash
	case octets[v]&inPath != 0 && v != ';': // what servers do not tell from its escape; behind a semicolon some have parameters
		p.out = append(p.out, v)
	default:
		p.escape(v)
	}
	return 0
}

func (p *pathBuilder) escape(c byte) {
	const digits = "0123456789ABCDEF"
	p.out = append(p.out, '%', digits[c>>4], digits[c&15])
}

// end closes a segment: "." and ".." take effect, at the root ".." has none. Empty segments are merged away, or kept;
// at the start of the path they never are.
func (p *pathBuilder) end(last bool) Fault {
	seg := view(p.out[p.segment:])
	switch {
	case seg == "":
		if last {
			break
		}
		if p.slashes == KeepSlashes && p.segment > 1 {
			p.out = append(p.out, '/')
		} else {
			p.done |= mergedSlash
		}
	case seg == ".":
		p.done |= tookDots
		p.out = p.out[:p.segment]
	case seg == "..":
		p.done |= tookDots
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
