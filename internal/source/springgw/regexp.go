package springgw

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// expression is a regular expression of Java (java.util.regex.Pattern) that means the same in RE2.
type expression struct {
	text   string
	groups []string // names by number; [0] is the whole match
}

// translateRegexp checks that every construct of a Java expression means the same in RE2, and refuses the others by
// name. The two languages are close: what is let through needs no change of text.
func translateRegexp(java string) (*expression, error) {
	re, err := compileJava(java)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(java, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if shortest(parsed) == 0 && !anchored(parsed) {
		return nil, errors.New("can match nothing at all: Java would then replace once more at the end of each path; begin it with ^")
	}
	return &expression{java, re.SubexpNames()}, nil
}

// compileJava reads an expression of which both languages mean the same.
func compileJava(java string) (*regexp.Regexp, error) {
	if err := scanJava(java); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(java)
	if err != nil {
		var bad *syntax.Error
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("%s: %q", bad.Code, bad.Expr)
		}
		return nil, err
	}
	return re, nil
}

// scanJava goes through an expression and refuses what RE2 reads differently. What RE2 does not read at all, it refuses
// itself: look-around, possessive quantifiers, atomic groups, back references.
func scanJava(s string) error {
	inClass, classStart := false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			n, err := scanEscape(s[i:], inClass)
			if err != nil {
				return err
			}
			i += n - 1
		case inClass && c == '[':
			return errors.New("a character class inside another is not supported")
		case inClass && c == '&' && strings.HasPrefix(s[i:], "&&"):
			return errors.New("the intersection && of character classes is not supported")
		case inClass && c == ']' && i > classStart:
			inClass = false
		case inClass:
		case c == '[':
			inClass, classStart = true, i+1
			if strings.HasPrefix(s[classStart:], "^") {
				classStart++
			}
			if strings.HasPrefix(s[classStart:], "]") {
				return errors.New("a character class that begins with ] is not supported: write \\]")
			}
		case c == '(' && strings.HasPrefix(s[i:], "(?"):
			if err := scanGroup(s[i+2:]); err != nil {
				return err
			}
		case c == '{' && !isCount(s[i:]):
			return errors.New("a { that begins no count must be written \\{")
		case c >= 0x80:
			return errors.New("letters outside ASCII are not supported: a path has them as %XX")
		}
	}
	return nil
}

// scanEscape returns the length of an escape that means the same in both languages.
func scanEscape(s string, inClass bool) (int, error) {
	if len(s) < 2 {
		return 0, errors.New("ends in a backslash")
	}
	c := s[1]
	switch {
	case !isWordByte(c):
		return 2, nil // the character itself
	case strings.IndexByte("dDwWsStnrf", c) >= 0:
		return 2, nil
	case inClass:
	case strings.IndexByte("bBAz", c) >= 0:
		return 2, nil
	case c == 'Q':
		if end := strings.Index(s, `\E`); end >= 0 {
			return end + 2, nil
		}
		return len(s), nil
	}
	return 0, fmt.Errorf("\\%c is not supported", c)
}

// scanGroup looks at what follows "(?".
func scanGroup(s string) error {
	switch {
	case strings.HasPrefix(s, "<=") || strings.HasPrefix(s, "<!") || strings.HasPrefix(s, "=") || strings.HasPrefix(s, "!"):
		return errors.New("look-ahead and look-behind are not supported")
	case strings.HasPrefix(s, ">"):
		return errors.New("an atomic group is not supported")
	case strings.HasPrefix(s, "<"):
		name, _, ok := strings.Cut(s[1:], ">")
		if !ok || !isGroupName(name) {
			return fmt.Errorf("%q is no name of a group: want letters and digits", name)
		}
		return nil
	}
	end := strings.IndexAny(s, ":)")
	if end < 0 || strings.Trim(s[:end], "ims-") != "" {
		return errors.New("a group that begins with (? is supported only as (?:, (?<name> and with the flags i, m and s")
	}
	return nil
}

func isGroupName(s string) bool {
	for i := range len(s) {
		if !isWordByte(s[i]) || s[i] >= 0x80 || i == 0 && s[i] <= '9' {
			return false
		}
	}
	return s != ""
}

// isCount tells whether a text begins with {n}, {n,} or {n,m}.
func isCount(s string) bool {
	inner, _, ok := strings.Cut(s[1:], "}")
	low, high, two := strings.Cut(inner, ",")
	if _, err := strconv.ParseUint(low, 10, 16); err != nil || !ok {
		return false
	}
	if !two || high == "" {
		return true
	}
	_, err := strconv.ParseUint(high, 10, 16)
	return err == nil
}

// shortest is a lower bound of the length of what an expression matches.
func shortest(re *syntax.Regexp) int {
	sum := func() int {
		n := 0
		for _, sub := range re.Sub {
			n += shortest(sub)
		}
		return n
	}
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1
	case syntax.OpCapture, syntax.OpPlus, syntax.OpConcat:
		return sum()
	case syntax.OpRepeat:
		if re.Min == 0 {
			return 0
		}
		return sum()
	case syntax.OpAlternate:
		least := shortest(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			least = min(least, shortest(sub))
		}
		return least
	default:
		return 0
	}
}

// anchored tells whether an expression can match only at the beginning.
func anchored(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText:
		return true
	case syntax.OpCapture, syntax.OpConcat:
		return len(re.Sub) > 0 && anchored(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !anchored(sub) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// replacement turns Java's replacement (Matcher.appendReplacement: $1, ${name}, \ before a literal character) into Go's
// (Regexp.Expand), every group in braces.
func (x *expression) replacement(java string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(java); i++ {
		switch c := java[i]; c {
		case '\\':
			if i++; i == len(java) {
				return "", errors.New("ends in a backslash")
			}
			literal(&b, java[i])
		case '$':
			group, n, err := x.reference(java[i+1:])
			if err != nil {
				return "", err
			}
			b.WriteString("${" + group + "}")
			i += n
		default:
			literal(&b, c)
		}
	}
	return b.String(), nil
}

func literal(b *strings.Builder, c byte) {
	if c == '$' {
		b.WriteByte('$')
	}
	b.WriteByte(c)
}

// reference reads what follows a $ and returns the group and how many bytes name it. As in Java, digits are read as long
// as there is such a group.
func (x *expression) reference(s string) (group string, n int, err error) {
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		name, _, closed := strings.Cut(inner, "}")
		for _, g := range x.groups[1:] {
			if closed && name != "" && g == name {
				return name, len(name) + 2, nil
			}
		}
		return "", 0, fmt.Errorf("the expression has no group %q", name)
	}
	number := -1
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		next := max(number, 0)*10 + int(s[n]-'0')
		if next >= len(x.groups) {
			break
		}
		number = next
		n++
	}
	if number < 0 {
		return "", 0, errors.New("a $ that names no group of the expression must be written \\$")
	}
	return strconv.Itoa(number), n, nil
}
