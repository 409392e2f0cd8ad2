package model

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// Expression is a regular expression of a path in parts that RE2 has: the path begins with a match of Text, and of what every one of
// Ahead says. Each part begins where the path does.
type Expression struct {
	Text  string
	Ahead []Ahead
}

// Ahead is what a look-ahead behind fixed text asks.
type Ahead struct {
	Text string
	Not  bool // the path does not begin with a match of Text
}

// ParseExpression takes look-aheads, positive and negative, that stand behind fixed text out of an expression: what they ask can be
// asked from the beginning of the path, in linear time. Others stay where they are, and RE2 refuses the Text then.
func ParseExpression(text string) Expression {
	fixed := fixedText(text)
	rest := text[len(fixed):]
	out := Expression{Text: text}
	var ahead []Ahead
	for {
		not := strings.HasPrefix(rest, "(?!")
		if !not && !strings.HasPrefix(rest, "(?=") {
			break
		}
		end := groupEnd(rest)
		if end < 0 || strings.IndexAny(rest[end:], "*+?{") == 0 {
			return out
		}
		body := "(?:" + rest[len("(?!"):end-1] + ")"
		if re, err := regexp.Compile(body); err != nil || re.NumSubexp() > 0 { // groups have numbers
			return out
		}
		ahead = append(ahead, Ahead{fixed + body, not})
		rest = rest[end:]
	}
	if len(ahead) == 0 || alternates(rest) {
		return out
	}
	return Expression{fixed + rest, ahead}
}

// Groups are the names of the groups of the expression, that of the whole first; a group without a name has an empty one. nil where
// RE2 does not have the expression.
func (e Expression) Groups() []string {
	tree, err := syntax.Parse(e.Text, syntax.Perl)
	if err != nil {
		return nil
	}
	return tree.CapNames()
}

// CoverExpression is an expression that RE2 has, for every path at least that one means which RE2 does not have: without its
// assertions, and with anything in place of what refers to other parts. Where that is not known either, it is the fixed text that
// the expression begins with.
func CoverExpression(text string) string {
	if len(text) < maxCover && !strings.Contains(text, `\Q`) { // what is quoted means itself
		if cover := without(text); compiles(cover) {
			return cover
		}
	}
	if strings.Contains(text, "|") {
		return "" // another alternative may begin with anything
	}
	return fixedText(text)
}

// maxCover bounds the text that is looked through.
const maxCover = 1000

func compiles(text string) bool {
	_, err := regexp.Compile("^" + text)
	return err == nil
}

// fixedText is the text that an expression begins with and that means itself, as it is written.
func fixedText(text string) string {
	end := 0
	for i := 0; i < len(text); {
		size := 1
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`.-+*?()[]{}|^$/`, text[i+1]) >= 0:
			size = 2
		case strings.IndexByte(`\.+*?()[]{}|^$`, c) >= 0:
			return text[:end]
		}
		if i+size < len(text) && strings.IndexByte("*+?{", text[i+size]) >= 0 {
			return text[:end] // how often it is there is open
		}
		i += size
		end = i
	}
	return text[:end]
}

// groupEnd is where a group ends with which a text begins; negative where it does not.
func groupEnd(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '[':
			i += classEnd(text[i:]) - 1
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// classEnd is where a class of characters ends with which a text begins: a bracket that comes first is one of them.
func classEnd(text string) int {
	i := 1
	if strings.HasPrefix(text[i:], "^") {
		i++
	}
	if strings.HasPrefix(text[i:], "]") {
		i++
	}
	for ; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == ']':
			return i + 1
		case strings.HasPrefix(text[i:], "[:"):
			if n := strings.Index(text[i:], ":]"); n > 0 {
				i += n + 1
			}
		}
	}
	return len(text)
}

// alternates tells whether an expression has alternatives outside of groups.
func alternates(text string) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '[':
			i += classEnd(text[i:]) - 1
		case '(':
			end := groupEnd(text[i:])
			if end < 0 {
				return true
			}
			i += end - 1
		case '|':
			return true
		}
	}
	return false
}

// anything stands for what is not known.
const anything = "(?s:.*)"

// without takes out of an expression what RE2 does not have, so that what is left means more.
func without(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			if c := rest[1]; c >= '0' && c <= '9' || strings.IndexByte("gkhHRKGXZNVpP", c) >= 0 {
				out.WriteString(anything)
				i += reference(rest)
				i += quantifier(text[i:])
				continue
			}
			out.WriteString(rest[:2])
			i += 2
		case rest[0] == '[':
			n := classEnd(rest)
			out.WriteString(rest[:n])
			i += n
		case strings.HasPrefix(rest, "(?>"), strings.HasPrefix(rest, "(?|"):
			out.WriteString("(?:")
			i += len("(?>")
		case strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest, "(?<=") || strings.HasPrefix(rest, "(?<!") || strings.HasPrefix(rest, "(?#"):
			n := groupEnd(rest)
			if n < 0 {
				return "("
			}
			i += n
			i += quantifier(text[i:])
		case strings.HasPrefix(rest, "(?(") || strings.HasPrefix(rest, "(?R") || strings.HasPrefix(rest, "(?&") || strings.HasPrefix(rest, "(?P=") || strings.HasPrefix(rest, "(?P>") ||
			len(rest) > 2 && rest[:2] == "(?" && (rest[2] >= '0' && rest[2] <= '9'):
			n := groupEnd(rest)
			if n < 0 {
				return "("
			}
			out.WriteString(anything)
			i += n
			i += quantifier(text[i:])
		case quantifier(rest) > 1: // a plus behind it makes it possessive
			n := quantifier(rest)
			out.WriteString(strings.TrimSuffix(rest[:n], "+"))
			i += n
		default:
			out.WriteByte(rest[0])
			i++
		}
	}
	return out.String()
}

// reference is the length of an escape that RE2 may not have, with the name in braces or brackets behind it.
func reference(text string) int {
	n := 2
	for n < len(text) && text[n] >= '0' && text[n] <= '9' && text[1] >= '0' && text[1] <= '9' {
		n++
	}
	if n < len(text) && strings.IndexByte("gkpP", text[1]) >= 0 {
		for _, pair := range []string{"{}", "<>", "''"} {
			if text[n] == pair[0] {
				if end := strings.IndexByte(text[n+1:], pair[1]); end >= 0 {
					return n + end + 2
				}
			}
		}
		return n + 1
	}
	return n
}

// quantifier is the length of one with which a text begins, and of what makes it lazy or possessive.
func quantifier(text string) int {
	n := 0
	switch {
	case text == "":
		return 0
	case strings.IndexByte("*+?", text[0]) >= 0:
		n = 1
	case text[0] == '{': // one that has no numbers means itself
		if end := strings.IndexByte(text, '}'); end > 1 && strings.Trim(text[1:end], "0123456789,") == "" && text[1] != ',' {
			n = end + 1
		}
	}
	if n > 0 && n < len(text) && (text[n] == '?' || text[n] == '+') {
		n++
	}
	return n
}
