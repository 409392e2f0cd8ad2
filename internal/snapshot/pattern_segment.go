package snapshot

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// segment is a segment of a pattern that says more of its variables than their names, or has text beside them. It is compared by an
// expression, whose groups are the variables in their order.
type segment struct {
	re    *regexp.Regexp
	whole bool // it is one variable, which takes no empty segment
}

// anyText is what a variable beside text takes, as in Spring: as much as it can.
const anyText = "(?s:.*)"

// errBraces is what is wrong with braces that name no variable.
var errBraces = errors.New("want {name} or {name:regex} for a segment or a part of one, or {*name} at the end")

// parseSegment reads a segment with braces in it, and returns its variables. The segment is nil where it is one variable of any text.
func parseSegment(text string) (out *segment, names []string, err error) {
	var re strings.Builder
	constrained, parts, adjacent := false, 0, false
	err = eachPart(text, func(name, constraint, literal string) error {
		parts++
		was := adjacent
		adjacent = name != ""
		switch {
		case was && adjacent: // what would the first one end with?
			return errors.New("two variables need text between them")
		case name == "" && literal == "?":
			re.WriteString("(?s:.)")
		case name == "" && literal == "*":
			re.WriteString(anyText)
		case name == "":
			re.WriteString(regexp.QuoteMeta(literal))
		case constraint == "":
			names = append(names, name)
			re.WriteString("(" + anyText + ")")
		default:
			one, err := regexp.Compile(constraint)
			switch {
			case err != nil:
				return fmt.Errorf("variable %s: %w", name, err)
			case one.NumSubexp() > 0:
				return fmt.Errorf("variable %s: %q has a group that captures: want (?:…)", name, constraint)
			}
			constrained = true
			names = append(names, name)
			re.WriteString("(" + constraint + ")")
		}
		return nil
	})
	if err != nil || parts == 1 && !constrained {
		return nil, names, err
	}
	whole, err := regexp.Compile("^" + re.String() + "$")
	return &segment{whole, parts == 1}, names, err
}

// eachPart divides a segment into variables, and what is beside them: ?, *, or text.
func eachPart(text string, do func(name, constraint, literal string) error) error {
	for text != "" {
		n := 1
		switch text[0] {
		case '{':
			if n = Braced(text); n == 0 {
				return errBraces
			}
			name, constraint, given := strings.Cut(text[1:n-1], ":")
			if name == "" || given && constraint == "" || strings.ContainsAny(name, "{}*?") {
				return errBraces
			}
			if err := do(name, constraint, ""); err != nil {
				return err
			}
			text = text[n:]
			continue
		case '?', '*':
		case '}':
			return errBraces
		default:
			if n = strings.IndexAny(text, "{}?*"); n < 0 {
				n = len(text)
			}
		}
		if err := do("", "", text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// Braced is the length of what is in the braces that a text begins with, which may hold further ones; 0 where they are not closed.
func Braced(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// MapConstraints returns a path pattern whose expressions of variables are what change makes of them. Braces that name no variable stay
// as they are: NewRoute tells of them.
func MapConstraints(pattern string, change func(string) (string, error)) (string, error) {
	var out strings.Builder
	segs := strings.Split(pattern, "/")
	for i, seg := range segs {
		if i > 0 {
			out.WriteByte('/')
		}
		var b strings.Builder
		var failed error
		err := eachPart(seg, func(name, constraint, literal string) error {
			switch {
			case name == "":
				b.WriteString(literal)
			case constraint == "":
				b.WriteString("{" + name + "}")
			default:
				now, err := change(constraint)
				if err != nil {
					failed = fmt.Errorf("variable %s: %w", name, err)
				}
				b.WriteString("{" + name + ":" + now + "}")
			}
			return failed
		})
		switch {
		case failed != nil:
			return "", failed
		case err != nil:
			out.WriteString(seg)
		default:
			out.WriteString(b.String())
		}
	}
	return out.String(), nil
}

// decoded is a segment as expressions see it: without percent-encoding, as in Spring.
func decoded(seg string) string {
	if strings.IndexByte(seg, '%') >= 0 {
		if text, err := url.PathUnescape(seg); err == nil {
			return text
		}
	}
	return seg
}

func (s *segment) matches(seg string) bool {
	return (seg != "" || !s.whole) && s.re.MatchString(decoded(seg))
}

// value is that of a variable, percent-encoded again where it was.
func (s *segment) value(seg string, group int) string {
	if s.whole {
		return seg
	}
	text := decoded(seg)
	m := s.re.FindStringSubmatchIndex(text)
	if m == nil {
		return ""
	}
	out := text[m[2*group]:m[2*group+1]]
	if text != seg {
		return url.PathEscape(out)
	}
	return out
}
