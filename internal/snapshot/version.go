package snapshot

import (
	"strings"

	"paifang/internal/http1"
	"paifang/internal/model"
)

// VersionRequest is what is read of a request to find the version that it asks for.
type VersionRequest interface {
	LookupPath() string
	LookupValue(in Place, name string, i int) (string, bool)
}

// VersionText is what a request says at the first of some places that has anything; false where none has. It is the first value of a
// name. A segment that a path does not have is an empty text, which no version is.
func VersionText(q VersionRequest, in []model.VersionPlace) (string, bool) {
	for i := range in {
		text, said := "", false
		switch p := &in[i]; {
		case p.Header != "":
			text, said = q.LookupValue(InHeaders, p.Header, 0)
		case p.Query != "":
			text, said = q.LookupValue(InQuery, p.Query, 0)
		case p.Segment > 0:
			return pathSegment(q.LookupPath(), p.Segment), true
		default:
			text, said = mediaParameter(q, p.MediaType, p.Parameter)
		}
		if said {
			return text, true
		}
	}
	return "", false
}

// pathSegment is segment n of a path, from 1; "" where it has fewer.
func pathSegment(path string, n int) string {
	for range n {
		_, rest, ok := strings.Cut(path, "/")
		if !ok {
			return ""
		}
		path = rest
	}
	segment, _, _ := strings.Cut(path, "/")
	return segment
}

// mediaParameter is a parameter of the first compatible media type in Accept, or else of Content-Type.
func mediaParameter(q VersionRequest, want, name string) (string, bool) {
	for _, header := range [...]string{"Accept", "Content-Type"} {
		for i := 0; ; i++ {
			list, ok := q.LookupValue(InHeaders, header, i)
			if !ok {
				break
			}
			for list != "" {
				var item string
				item, list = cutUnquoted(list, ',')
				kind, parameters := cutUnquoted(item, ';')
				if compatible(strings.Trim(kind, " \t"), want) {
					return parameterOf(parameters, name)
				}
			}
		}
	}
	return "", false
}

// cutUnquoted divides a text at the first byte of a kind that is not within quotes (RFC 9110 section 5.6.4).
func cutUnquoted(text string, at byte) (before, after string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == at && !quoted:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// compatible tells whether one media type may be the other: "*" is any type or subtype, and "*+json" any subtype with that suffix, and json.
func compatible(a, b string) bool {
	aKind, aSub, ok := strings.Cut(a, "/")
	bKind, bSub, _ := strings.Cut(b, "/")
	switch {
	case !ok:
		return a == "*" // an old way to write */*
	case aKind == "*" || bKind == "*":
		return true
	case !http1.EqualFold(aKind, bKind):
		return false
	}
	return http1.EqualFold(aSub, bSub) || takesSubtype(aSub, bSub) || takesSubtype(bSub, aSub)
}

func takesSubtype(pattern, subtype string) bool {
	if pattern == "*" {
		return true
	}
	suffix, ok := strings.CutPrefix(pattern, "*+")
	return ok && (http1.EqualFold(subtype, suffix) || len(subtype) > len(suffix) && subtype[len(subtype)-len(suffix)-1] == '+' &&
		http1.EqualFold(subtype[len(subtype)-len(suffix):], suffix))
}

// parameterOf is a parameter of a media type, without the quotes around it.
func parameterOf(parameters, name string) (string, bool) {
	for parameters != "" {
		var one string
		one, parameters = cutUnquoted(parameters, ';')
		key, value, ok := strings.Cut(one, "=")
		if ok && http1.EqualFold(strings.Trim(key, " \t"), name) {
			return strings.Trim(value, " \t\""), true
		}
	}
	return "", false
}

// versionTest is a condition on a version, read.
type versionTest struct {
	in         []model.VersionPlace
	want       model.Version
	otherwise  model.Version // the default
	orLater    bool
	hasDefault bool
}

// newVersionTest reads a condition that was validated.
func newVersionTest(m *model.VersionMatch) versionTest {
	t := versionTest{in: m.In}
	t.want, t.orLater, _ = m.Wanted()
	t.otherwise, t.hasDefault = model.ParseVersion(m.Default)
	return t
}

func (t *versionTest) holds(q VersionRequest) bool {
	v := t.otherwise
	if text, said := VersionText(q, t.in); said {
		var ok bool
		if v, ok = model.ParseVersion(text); !ok {
			return true
		}
	} else if !t.hasDefault {
		return true
	}
	order := v.Compare(t.want)
	return order == 0 || t.orLater && order > 0
}
