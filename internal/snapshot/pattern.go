package snapshot

import (
	"fmt"
	"strings"

	"paifang/internal/http1"
)

// MaxCaptures is how many variables a pattern may capture.
const MaxCaptures = 8

// Capture is a variable of a path pattern with its value in a request.
type Capture struct{ Name, Value string }

// pattern is a path of segments: literal text, {name} or * for one segment of any text, ? and * inside a segment, and at
// the end ** or {*name} for the rest, or a * that takes an empty segment too; a variable may be {name:regex}, and have text beside it. The shapes are those of Spring's PathPattern.
type pattern struct {
	segs   []string   // without the rest element; one that an expression is for as a segment that takes more
	exprs  []*segment // as long, nil where a segment needs none; nil where no segment does
	rest   bool       // ends in ** or {*name}
	strict bool
	deep   bool   // ** stands in the middle
	head   string // the segments as a path
	last   string // what every path ends with, but for a slash after it; empty where that cannot be said
	vars   []variable
}

type variable struct {
	name  string
	seg   int
	rest  bool
	group int // of the expression for the segment; 0 = there is none
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
			p.vars = append(p.vars, variable{name: seg[2 : len(seg)-1], seg: i, rest: true})
			continue
		case last && seg == "" && i > 0:
			p.strict = true // the pattern itself ends in a slash
		case seg == "**":
			p.deep = true
		case strings.ContainsAny(seg, "{}"):
			expr, names, err := parseSegment(seg)
			switch {
			case err != nil:
				return nil, fmt.Errorf("segment %q: %w", seg, err)
			case p.deep:
				return nil, fmt.Errorf("segment %q: a variable after ** is not supported", seg)
			}
			for n, name := range names {
				p.vars = append(p.vars, variable{name: name, seg: i, group: n + 1})
			}
			if expr != nil {
				p.exprs = append(p.exprs, make([]*segment, len(all)-len(p.exprs))...)
				p.exprs[i] = expr
				seg = beyondText
				if expr.whole {
					seg = "{" + names[0] + "}"
				}
			}
		}
		if last && seg == "" && i == 0 {
			break // "/"
		}
		if p.exprs == nil || i >= len(p.exprs) || p.exprs[i] == nil {
			seg = normalText(seg)
		}
		p.segs = append(p.segs, seg)
	}
	if len(p.vars) > MaxCaptures {
		return nil, fmt.Errorf("%d variables: at most %d", len(p.vars), MaxCaptures)
	}
	p.head = "/" + strings.Join(p.segs, "/")
	if n := len(p.segs); n > 0 && !p.rest && !isWild(p.segs[n-1]) {
		p.last = "/" + p.segs[n-1]
	}
	return p, nil
}

// normalText is the text of a segment as normalised paths have it: "a b" and "ü" are percent-encoded. ? and * stay, and so does what no path
// has.
func normalText(seg string) string {
	parts := strings.Split(seg, "?")
	for i, part := range parts {
		if http1.IsPath("/"+part) && !strings.Contains(part, "%") || strings.HasPrefix(part, "{") {
			continue
		}
		if path, err := http1.NormalPath("/" + part); err == nil {
			parts[i] = path[1:]
		}
	}
	return strings.Join(parts, "?")
}

// beyondText is what stands for a segment with variables beside text: a tree of segments ends there.
const beyondText = "?*"

// isVariable tells of a segment that takes one of any text.
func isVariable(seg string) bool { return seg == "*" || strings.HasPrefix(seg, "{") }

// isWild tells of a segment that is more than text.
func isWild(seg string) bool { return isVariable(seg) || strings.ContainsAny(seg, "*?") }

// matches tells whether a normalised path fits. It goes back no further than to the last ** that it passed, so its
// cost is bounded by the product of both lengths, whatever a client sends.
func (p *pattern) matches(path string) bool {
	if path == "" || path[0] != '/' { // that of OPTIONS *
		return len(p.segs) == 0 && p.rest
	}
	if !p.endsIn(path) {
		return false
	}
	at := 0 // the slash before the next segment, or the end
	if endsBare(path, 0) && !p.endsOpen(0) {
		at = len(path)
	}
	i, star, mark := 0, -1, 0
	empty := false // the last segment was
	for {
		switch {
		case i == len(p.segs):
			if at >= len(path) || p.rest || !p.strict && !empty && endsBare(path, at) {
				return true
			}
		case p.segs[i] == "**":
			star, mark = i, at
			i++
			continue
		case at < len(path):
			end := segmentEnd(path, at)
			if seg := withoutParameters(path[at+1 : end]); p.fits(i, seg) {
				i, at, empty = i+1, end, seg == ""
				continue
			}
		}
		if star < 0 || mark >= len(path) {
			return false
		}
		mark = segmentEnd(path, mark)
		i, at = star+1, mark
	}
}

// endsIn tells whether a path ends as it must. It costs little and spares most paths a walk through all their segments.
func (p *pattern) endsIn(path string) bool {
	if !p.strict {
		path = strings.TrimSuffix(path, "/")
	}
	return strings.HasSuffix(path, p.last) || strings.IndexByte(path, ';') >= 0
}

// withoutParameters is a segment without what stands behind a semicolon (;a=b): servers of Java, for which these patterns are written, do
// not see it when they choose who answers, so nobody may get around a rule by it.
func withoutParameters(seg string) string {
	if i := strings.IndexByte(seg, ';'); i >= 0 {
		return seg[:i]
	}
	return seg
}

// endsBare tells whether nothing but parameters follows the slash at a place.
func endsBare(path string, at int) bool {
	return at == len(path)-1 || path[at+1] == ';' && strings.IndexByte(path[at+1:], '/') < 0
}

// segmentEnd returns where the segment after the slash at a place ends.
func segmentEnd(path string, at int) int {
	if i := strings.IndexByte(path[at+1:], '/'); i >= 0 {
		return at + 1 + i
	}
	return len(path)
}

// fits tells whether a segment of a path is as one of the pattern says.
func (p *pattern) fits(i int, seg string) bool {
	if p.exprs != nil && p.exprs[i] != nil {
		return p.exprs[i].matches(seg)
	}
	return seg == "" && p.endsOpen(i) || segmentMatches(p.segs[i], seg)
}

// endsOpen tells of a * at the end, which takes an empty segment too, as in Spring: /a/* is /a/.
func (p *pattern) endsOpen(i int) bool {
	return !p.rest && i == len(p.segs)-1 && p.segs[i] == "*"
}

func segmentMatches(want, seg string) bool {
	switch {
	case isVariable(want):
		return seg != ""
	case isWild(want):
		return glob(want, seg)
	default:
		return want == seg
	}
}

// glob matches ? (one byte) and * (any bytes) without backtracking further than the last star. What follows the last
// star in the pattern is compared first: most texts that do not match are told by their end.
func glob(want, s string) bool {
	end := want[strings.LastIndexByte(want, '*')+1:]
	if len(s) < len(end) {
		return false
	}
	for i, tail := 0, s[len(s)-len(end):]; i < len(end); i++ {
		if end[i] != '?' && end[i] != tail[i] {
			return false
		}
	}
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

func (p *pattern) captures(path string, dst *[MaxCaptures]Capture) int {
	for n, v := range p.vars {
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
				value = withoutParameters(value)
			} else if strings.IndexByte(value, ';') >= 0 {
				var rest strings.Builder
				for seg := range strings.SplitSeq(value[1:], "/") {
					rest.WriteString("/" + withoutParameters(seg))
				}
				value = rest.String()
			}
		}
		if p.exprs != nil && p.exprs[v.seg] != nil {
			value = p.exprs[v.seg].value(value, v.group)
		}
		dst[n] = Capture{v.name, value}
	}
	return len(p.vars)
}
