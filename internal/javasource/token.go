package javasource

import "strings"

type tokenKind uint8

const (
	sign tokenKind = iota
	word
	literal // a text
)

// token is what Java source consists of (JLS chapter 3), as far as it matters here.
type token struct {
	kind tokenKind
	text string
	line int
}

func (t token) is(text string) bool { return t.kind != literal && t.text == text }

// tokens divides source. Comments are left out; a literal that is not closed ends with its line, a comment or a text block with the
// source.
func tokens(s string) []token {
	var out []token
	line := 1
	for i := 0; i < len(s); {
		rest := s[i:]
		n := 1
		switch c := s[i]; {
		case strings.HasPrefix(rest, "//"):
			n = until(rest, 2, "\n")
			n -= min(1, strings.Count(rest[:n], "\n")) // the end of the line is no part of it
		case strings.HasPrefix(rest, "/*"):
			n = until(rest, 2, "*/")
		case strings.HasPrefix(rest, `"""`):
			n = block(rest)
			out = append(out, token{literal, strings.Trim(rest[:n], `"`), line})
		case c == '"' || c == '\'':
			n = quoted(rest)
			if c == '"' {
				out = append(out, token{literal, strings.Trim(rest[:n], `"`), line})
			}
		case isWord(c):
			for n = 1; n < len(rest) && isWord(rest[n]); n++ {
			}
			out = append(out, token{word, rest[:n], line})
		case c > ' ':
			out = append(out, token{sign, rest[:1], line})
		}
		line += strings.Count(rest[:n], "\n")
		i += n
	}
	return out
}

// until is the length up to the end of what closes.
func until(s string, from int, end string) int {
	if i := strings.Index(s[from:], end); i >= 0 {
		return from + i + len(end)
	}
	return len(s)
}

// block is the length of a text block.
func block(s string) int {
	for i := 3; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], `"""`):
			return i + 3
		}
	}
	return len(s)
}

// quoted is the length of a literal in quotes.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(s)
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
