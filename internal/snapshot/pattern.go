package snapshot

import (
	"fmt"
	"strings"
)

// MaxCaptures is how many variables a pattern may capture.
const MaxCaptures = 8

// Capture is a variable of a path pattern with its value in a request.
type Capture struct{ Name, Value string }

// pattern is a path of segments: literal text, {name} or * for one segment of any text, ? and * inside a segment, and at
// the end ** or {*name} for the rest. The shapes are those of Spring's PathPattern without regular expressions.
type pattern struct {
	segs   []string // without the rest element
	rest   bool     // ends in ** or {*name}
	strict bool
	loose  bool   // a segment holds wildcards inside text, or ** stands in the middle: no place in a tree
	deep   bool   // ** stands in the middle
	head   string // the segments as a path, for the tree
	vars   []variable
}

type variable struct {
	name string
	seg  int
	rest bool
}

func parsePattern(text string, strict bool) (*pattern, error) {
	p := &pattern{strict: strict}
	all := strings.Split(strings.TrimPrefix(text, "/"), "/")
	for i, seg := range all {
		last := i == len(all)-1
		switch {
		case last && seg == "**":
			p.rest = true
			continue
		case last && strings.HasPrefix(seg, "{*") && strings.HasSuffix(seg, "}"):
			if p.deep {
				return nil, fmt.Errorf("segment %q: a variable after ** is not supported", seg)
			}
			p.rest = true
			p.vars = append(p.vars, variable{seg[2 : len(seg)-1], i, true})
			continue
		case last && seg == "" && i > 0:
			p.strict = true // the pattern itself ends in a slash
		case seg == "**":
			p.loose, p.deep = true, true
		case strings.HasPrefix(seg, "{"):
			name, ok := strings.CutSuffix(seg[1:], "}")
			if !ok || name == "" || strings.ContainsAny(name, "{}*:") {
				return nil, fmt.Errorf("segment %q: want {name} for one segment or {*name} at the end", seg)
			}
			if p.deep {
				return nil, fmt.Errorf("segment %q: a variable after ** is not supported", seg)
			}
			p.vars = append(p.vars, variable{name, i, false})
		case strings.ContainsAny(seg, "{}"):
			return nil, fmt.Errorf("segment %q: a variable must be the whole segment", seg)
		case seg != "*" && strings.ContainsAny(seg, "*?"):
			p.loose = true
		}
		if last && seg == "" && i == 0 {
			break // "/"
		}
		p.segs = append(p.segs, seg)
	}
	if len(p.vars) > MaxCaptures {
		return nil, fmt.Errorf("%d variables: at most %d", len(p.vars), MaxCaptures)
	}
	p.head = "/" + strings.Join(p.segs, "/")
	return p, nil
}

// matches tells whether a normalised path fits.
func (p *pattern) matches(path string) bool {
	return matchSegments(p.segs, strings.TrimPrefix(path, "/"), path == "/" || path == "", p)
}

func matchSegments(segs []string, path string, ended bool, p *pattern) bool {
	if len(segs) == 0 {
		return ended || p.rest || path == "" && !p.strict
	}
	if segs[0] == "**" {
		if matchSegments(segs[1:], path, ended, p) {
			return true
		}
		if ended {
			return false
		}
		_, rest, more := strings.Cut(path, "/")
		return matchSegments(segs, rest, !more, p)
	}
	if ended {
		return false
	}
	seg, rest, more := strings.Cut(path, "/")
	return segmentMatches(segs[0], seg) && matchSegments(segs[1:], rest, !more, p)
}

func segmentMatches(want, seg string) bool {
	switch {
	case want == "*" || strings.HasPrefix(want, "{"):
		return seg != ""
	case strings.ContainsAny(want, "*?"):
		return glob(want, seg)
	default:
		return want == seg
	}
}

// glob matches ? (one byte) and * (any bytes) without backtracking further than the last star.
func glob(want, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(want) && want[i] == '*':
			star, mark = i, j
			i++
		case i < len(want) && (want[i] == '?' || want[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(want) && want[i] == '*' {
		i++
	}
	return i == len(want)
}

// Captures fills dst with the variables of the route's pattern in a path that it matched and returns how many. The
// values are parts of path.
func (r *Route) Captures(path string, dst *[MaxCaptures]Capture) int {
	if r.pattern == nil {
		return 0
	}
	for n, v := range r.pattern.vars {
		at := 0 // the slash before the segment
		for range v.seg {
			next := strings.IndexByte(path[at+1:], '/')
			if next < 0 {
				at = len(path)
				break
			}
			at += next + 1
		}
		value := ""
		if at < len(path) {
			value = path[at:]
			if !v.rest {
				value = value[1:]
				if end := strings.IndexByte(value, '/'); end >= 0 {
					value = value[:end]
				}
			}
		}
		dst[n] = Capture{v.name, value}
	}
	return len(r.pattern.vars)
}
