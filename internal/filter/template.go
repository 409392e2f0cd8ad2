package filter

import (
	"fmt"
	"strings"

	"paifang/internal/http1"
	"paifang/internal/snapshot"
)

// maxParts bounds a template: a text before, between and after as many variables as a pattern can capture, twice.
const maxParts = 4*snapshot.MaxCaptures + 1

// Template is a text with variables of the route's path pattern: "/users/{id}". A brace that begins no {name} is text,
// and so is a variable that the pattern does not have.
type Template struct{ parts []part }

type part struct{ text, name string } // name is empty for plain text

// ParseTemplate reads a template. It fails only for one with too many variables.
func ParseTemplate(s string) (Template, error) {
	var t Template
	rest := s
	for rest != "" {
		open, name := variable(rest)
		if name == "" {
			t.parts = append(t.parts, part{text: rest})
			break
		}
		if open > 0 {
			t.parts = append(t.parts, part{text: rest[:open]})
		}
		end := open + len(name) + len("{}")
		t.parts = append(t.parts, part{text: rest[open:end], name: name})
		rest = rest[end:]
	}
	if len(t.parts) > maxParts {
		return t, fmt.Errorf("%q has more than %d variables", s, maxParts/2)
	}
	return t, nil
}

// variable finds the first {name} and returns where it begins.
func variable(s string) (at int, name string) {
	for at < len(s) {
		i := strings.IndexByte(s[at:], '{')
		if i < 0 {
			break
		}
		at += i
		end := at + 1
		for end < len(s) && isNameByte(s[end]) {
			end++
		}
		if end > at+1 && end < len(s) && s[end] == '}' {
			return at, s[at+1 : end]
		}
		at++
	}
	return 0, ""
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// Expand returns the text for an exchange. It is valid as long as the arena's strings are: filters give that of the
// message they write to.
func (t *Template) Expand(x *Exchange, mem *http1.Arena) string {
	switch len(t.parts) {
	case 0:
		return ""
	case 1:
		return t.parts[0].expand(x)
	}
	var texts [maxParts]string
	for i := range t.parts {
		texts[i] = t.parts[i].expand(x)
	}
	return mem.Join(texts[:len(t.parts)]...)
}

func (p *part) expand(x *Exchange) string {
	if p.name != "" {
		if v, ok := x.Capture(p.name); ok {
			return v
		}
	}
	return p.text
}
