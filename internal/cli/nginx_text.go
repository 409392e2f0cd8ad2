package cli

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"paifang/internal/model"
)

// word is an argument of a directive. said is false where nginx has no way to write it so that it means the same.
type word struct {
	text string // as it is meant, not quoted
	said bool
}

// fixedText is an argument in which nginx replaces nothing, or in which $ is meant.
func fixedText(s string) word { return word{s, visible(s)} }

// valueText is an argument in which nginx would replace variables: it has no way to escape their sign.
func valueText(s string) word { return word{s, visible(s) && !strings.Contains(s, "$")} }

// pathText is what a path is rewritten to: to nginx, a ? begins its query there.
func pathText(s string) word {
	w := valueText(s)
	w.said = w.said && !strings.Contains(s, "?")
	return w
}

// template is a header value of ours, in which {name} is a variable of the path.
func template(s string) word {
	w := valueText(s)
	w.said = w.said && !strings.Contains(s, "{")
	return w
}

func number(n int) word { return word{fmt.Sprint(n), true} }

// then is the word with more behind it.
func (w word) then(s string) word { return word{w.text + s, w.said} }

// visible tells whether a text is what it looks like: nothing that ends a line, hides or turns the direction of writing.
func visible(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// directive writes one line. Where an argument cannot be said it is a comment, with the argument as near as it can be.
func directive(name string, args ...word) string {
	line, said := name, true
	for _, a := range args {
		line += " " + quoted(shown(a.text))
		said = said && a.said
	}
	if !said {
		return "# " + line + ";"
	}
	return line + ";"
}

// comment is a comment of one line, whatever is in it.
func comment(format string, args ...any) string {
	return strings.TrimRight("# "+shown(fmt.Sprintf(format, args...)), " ")
}

// shown replaces what cannot be seen, so that a text stays in its line and in its order.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// bare are the texts that nginx reads as one word without quotes and that no reader takes for something else.
func bare(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~/:@%+,=&*$^", r)
	})
}

// quoted writes a word as nginx's reader takes it: inside quotes it drops a backslash before a quote or another one, and
// makes control characters of \t, \r and \n (ngx_conf_file.c).
func quoted(s string) string {
	if bare(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			b.WriteString(`\"`)
		case '\\':
			if i+1 == len(s) || strings.IndexByte(`"'\trn`, s[i+1]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte('\\')
		default:
			b.WriteByte(s[i])
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoteMeta(s string) string { return regexp.QuoteMeta(s) }

// indent moves lines that are not empty to the right.
func indent(lines ...string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		if l != "" {
			out[i] = "    " + l
		}
	}
	return out
}

// locationOf says a path as nginx does, with a key under which equal ones meet. A path that cannot be said is a comment.
func locationOf(p model.PathMatch) (key, line string) {
	modifier, text, note := "", "/", ""
	switch p.Kind {
	case model.PathExact:
		modifier, text = "= ", p.Value
	case model.PathPrefix:
		if text = strings.TrimRight(p.Value, "/"); text == "" {
			text = "/"
		} else {
			note = "  # whole segments: not " + shown(text) + "x"
		}
	case model.PathStart:
		text = p.Value
	case model.PathRegex:
		modifier, text = "~ ", "^"+p.Value
		if p.IgnoreCase {
			modifier = "~* "
		}
	case model.PathPattern:
		modifier, text, note = "~ ", patternRegexp(p), "  # "+shown(p.Value)
	}
	line = "location " + modifier + quoted(shown(text)) + " {" + note
	if !visible(text) {
		line = "# " + line
	}
	return modifier + text, line
}

// patternRegexp says a path pattern as a regular expression: {name} and * are one segment, ? and * inside a segment stand
// for one character and any, ** and {*name} for any number of segments. A * at the end may be an empty segment.
func patternRegexp(p model.PathMatch) string {
	segs := strings.Split(strings.TrimPrefix(p.Value, "/"), "/")
	out, end := "^", "/?$"
	if p.Strict {
		end = "$"
	}
	for i, seg := range segs {
		last := i == len(segs)-1
		switch {
		case last && (seg == "**" || strings.HasPrefix(seg, "{*")):
			if end = "(?:/|$)"; i == 0 {
				end = "/"
			}
		case seg == "**":
			out += "(?:/[^/]*)*"
		case last && seg == "*": // it takes an empty segment too
			if out, end = out+"/", "(?:[^/]+/?)?$"; p.Strict {
				end = "[^/]*$"
			}
		case seg == "*" || strings.HasPrefix(seg, "{"):
			out += "/[^/]+"
		default:
			if last && seg == "" { // it ends in a slash, which is meant
				end = "$"
			}
			out += "/" + strings.NewReplacer(`\*`, "[^/]*", `\?`, "[^/]").Replace(quoteMeta(seg))
		}
	}
	return out + end
}
