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

// translateRegexp turns a Java expression into one of RE2 that means the same, or refuses it by the name of the construct that
// RE2 does not have.
func translateRegexp(java string) (*expression, error) {
	re, err := compileJava(java)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return nil, err
	}
	if shortest(parsed) == 0 && !anchored(parsed) {
		return nil, errors.New("can match nothing at all: Java would then replace once more at the end of each path; begin it with ^")
	}
	return &expression{re.String(), re.SubexpNames()}, nil
}

// compileJava reads an expression of Java. What it returns means the same in RE2, and so does its text.
func compileJava(java string) (*regexp.Regexp, error) {
	text, err := translateJava(java)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(text)
	if err != nil {
		var bad *syntax.Error
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("%s: %q", bad.Code, bad.Expr)
		}
		return nil, err
	}
	return re, nil
}

// translateJava goes through an expression, writes what RE2 spells differently and refuses what it has not.
func translateJava(s string) (string, error) {
	var b strings.Builder
	inClass, classStart, counted := false, 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		after := counted // what stands in front is a quantifier
		counted = false
		switch {
		case c == '\\':
			text, n, err := translateEscape(s[i:], inClass)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			i += n - 1
			continue
		case inClass && c == '[':
			return "", errors.New("a character class inside another is not supported")
		case inClass && c == '&' && strings.HasPrefix(s[i:], "&&"):
			return "", errors.New("the intersection && of character classes is not supported")
		case inClass && c == ']' && i > classStart:
			inClass = false
		case inClass:
		case c == '[':
			inClass, classStart = true, i+1
			if strings.HasPrefix(s[classStart:], "^") {
				classStart++
			}
			if strings.HasPrefix(s[classStart:], "]") {
				return "", errors.New("a character class that begins with ] is not supported: write \\]")
			}
		case c == '(' && strings.HasPrefix(s[i:], "(?"):
			if err := scanGroup(s[i+2:]); err != nil {
				return "", err
			}
			b.WriteString("(?") // the ? is no quantifier
			i++
			continue
		case c == '{' && !isCount(s[i:]):
			return "", errors.New("a { that begins no count must be written \\{")
		case c == '+' && after:
			return "", errors.New("a possessive quantifier is not supported: leave out its last +, unless what follows relies on it")
		case c >= 0x80:
			return "", errors.New("letters outside ASCII are not supported: a path has them as %XX")
		}
		counted = !inClass && !after && (c == '*' || c == '+' || c == '?' || c == '}')
		b.WriteByte(c)
	}
	return b.String(), nil
}

// translateEscape returns what an escape is in RE2, and its length in Java.
func translateEscape(s string, inClass bool) (text string, n int, err error) {
	if len(s) < 2 {
		return "", 0, errors.New("ends in a backslash")
	}
	c := s[1]
	switch {
	case !isWordByte(c), strings.IndexByte("dDwWSnrtf", c) >= 0: // the character itself, or the same in both
		return s[:2], 2, nil
	case c == 's' || c == 'h' || c == 'v':
		ranges := map[byte]string{'s': ` \t\n\x0b\f\r`, 'h': ` \t\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}`, 'v': `\n\x0b\f\r\x{85}\x{2028}\x{2029}`}[c]
		return classText(ranges, false, inClass), 2, nil
	case c == 'e':
		return `\x1b`, 2, nil
	case c == 'a':
		return `\x07`, 2, nil
	case c == 'x':
		if end := strings.IndexByte(s, '}'); strings.HasPrefix(s, `\x{`) && end > 0 {
			return s[:end+1], end + 1, nil
		}
		return s[:min(4, len(s))], min(4, len(s)), nil
	case c == 'u' && len(s) >= 6 && isHex(s[2:6]):
		return `\x{` + s[2:6] + `}`, 6, nil
	case c == 'p' || c == 'P':
		return translateProperty(s, inClass)
	case inClass:
	case strings.IndexByte("bBAz", c) >= 0:
		return s[:2], 2, nil
	case c == 'Q':
		if end := strings.Index(s, `\E`); end >= 0 {
			return s[:end+2], end + 2, nil
		}
		return s, len(s), nil
	}
	return "", 0, fmt.Errorf("\\%c is not supported", c)
}

func isHex(s string) bool {
	_, err := strconv.ParseUint(s, 16, 64)
	return err == nil
}

// classText is a class of characters by its ranges.
func classText(ranges string, not, inClass bool) string {
	switch {
	case inClass:
		return ranges
	case not:
		return "[^" + ranges + "]"
	}
	return "[" + ranges + "]"
}

// translateProperty reads \p{…}: the classes of POSIX, which are ASCII in Java, general categories, and scripts.
func translateProperty(s string, inClass bool) (text string, n int, err error) {
	name := ""
	if inner, ok := strings.CutPrefix(s[2:], "{"); ok {
		name, _, _ = strings.Cut(inner, "}")
		n = len(name) + 4
	} else if len(s) > 2 {
		name, n = s[2:3], 3
	}
	if n > len(s) || name == "" {
		return "", 0, fmt.Errorf("%s names no class of characters", s[:2])
	}
	not := s[1] == 'P'
	ranges, ok := map[string]string{
		"Lower": "a-z", "Upper": "A-Z", "ASCII": `\x00-\x7f`, "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9", "Punct": "!-/:-@\\[-`{-~",
		"Graph": "!-~", "Print": " -~", "Blank": ` \t`, "Cntrl": `\x00-\x1f\x7f`, "XDigit": "0-9a-fA-F", "Space": ` \t\n\x0b\f\r`,
	}[name]
	switch {
	case ok && not && inClass:
		return "", 0, fmt.Errorf("%s inside a character class is not supported", s[:n])
	case ok:
		return classText(ranges, not, inClass), n, nil
	case len(name) <= 2:
		return s[:2] + "{" + name + "}", n, nil
	case strings.HasPrefix(name, "Is") && len(name) > 4 && !strings.Contains(" IsAlphabetic IsIdeographic IsLetter IsLowercase IsUppercase IsTitlecase IsPunctuation IsControl IsWhite_Space IsDigit IsHex_Digit IsEmoji ", " "+name+" "):
		return s[:2] + "{" + name[2:] + "}", n, nil
	}
	return "", 0, fmt.Errorf("\\%c{%s} is not supported", s[1], name)
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
