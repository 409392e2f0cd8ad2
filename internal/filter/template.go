package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"paifang/internal/http1"
	"paifang/internal/snapshot"
)

// maxParts bounds a template: a text before, between and after as many variables as a pattern can capture, twice.
const maxParts = 4*snapshot.MaxCaptures + 1

// Template is a text with variables of the route's path pattern: "/users/{id}". A brace that begins no {name} is text, and so is {name}
// behind a backslash, which is left out.
type Template struct{ parts []part }

type part struct{ text, name string } // name is empty for plain text

// ParseTemplate reads a template. It fails only for one with too many variables.
func ParseTemplate(s string) (Template, error) {
	var t Template
	var text strings.Builder
	plain := func() {
		if text.Len() > 0 {
			t.parts = append(t.parts, part{text: text.String()})
			text.Reset()
		}
	}
	for rest := s; ; {
		open, name := variable(rest)
		if name == "" {
			text.WriteString(rest)
			break
		}
		before, braced := rest[:open], rest[open:open+len(name)+len("{}")]
		rest = rest[open+len(braced):]
		if quoted, ok := strings.CutSuffix(before, `\`); ok {
			text.WriteString(quoted + braced)
			continue
		}
		text.WriteString(before)
		plain()
		t.parts = append(t.parts, part{text: braced, name: name})
	}
	plain()
	if len(t.parts) > maxParts {
		return t, fmt.Errorf("%q has more than %d variables", s, maxParts/2)
	}
	return t, nil
}

// unknown returns the first variable of a template that is none of these; "" where there is none.
func unknown(text string, variables []string) string {
	t, err := ParseTemplate(text)
	if err != nil {
		return ""
	}
	for i := range t.parts {
		if name := t.parts[i].name; name != "" && !slices.Contains(variables, name) {
			return name
		}
	}
	return ""
}

// nameless says of a variable which ones there are.
func nameless(name, text string, variables []string) string {
	has := "which has none"
	if names := slices.DeleteFunc(slices.Clone(variables), func(v string) bool { return v == "" }); len(names) > 0 {
		has = "which has " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("{%s} in %q is no variable of the route, %s", name, text, has)
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

// Expand returns a path or an address for an exchange: variables are percent-encoded as in the path. It is valid as long as the arena's
// strings are: filters give that of the message they write to.
func (t *Template) Expand(x *Exchange, mem *http1.Arena) string { return t.expand(x, mem, asPath) }

// ExpandText returns a text that is encoded by whoever writes it: variables are what they stand for, whatever bytes these have.
func (t *Template) ExpandText(x *Exchange, mem *http1.Arena) string {
	return t.expand(x, mem, http1.DecodeSegment)
}

// ExpandField returns the value of a header field: variables are what they stand for. One whose text is not UTF-8, or has a control
// character, stays percent-encoded: a client must not write lines of a head.
func (t *Template) ExpandField(x *Exchange, mem *http1.Arena) string {
	return t.expand(x, mem, asField)
}

func (t *Template) expand(x *Exchange, mem *http1.Arena, as func(string, *http1.Arena) string) string {
	switch len(t.parts) {
	case 0:
		return ""
	case 1:
		return t.parts[0].expand(x, mem, as)
	}
	var texts [maxParts]string
	for i := range t.parts {
		texts[i] = t.parts[i].expand(x, mem, as)
	}
	return mem.Join(texts[:len(t.parts)]...)
}

func (p *part) expand(x *Exchange, mem *http1.Arena, as func(string, *http1.Arena) string) string {
	if p.name != "" {
		if v, ok := x.Capture(p.name); ok {
			return as(v, mem)
		}
	}
	return p.text
}

func asPath(v string, _ *http1.Arena) string { return v }

func asField(v string, mem *http1.Arena) string {
	text := http1.DecodeSegment(v, mem)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return v
	}
	return text
}
