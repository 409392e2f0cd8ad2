package springgw

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
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
	re, err := compileFor(ofPath, java)
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

// compileJava reads an expression of Java for whole texts. What it returns means the same in RE2, and so does its text.
func compileJava(java string) (*regexp.Regexp, error) { return compileFor(ofText, java) }

func compileFor(of subject, java string) (*regexp.Regexp, error) {
	text, err := translateJava(of, java)
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
	if err := checkLines(text); err != nil {
		return nil, err
	}
	return re, nil
}

// checkLines refuses anchors of lines, which RE2 writes (?m:^) and (?m:$), but for those that can stand nowhere but where a whole text begins
// and ends. There both mean the same, whatever ends a line, with one difference: in Java ^ is never at the end, of an empty text either.
func checkLines(text string) error {
	if !strings.Contains(text, "(?m:") {
		return nil
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return err
	}
	begins := false
	switch {
	case !linesAtEnds(re, true, true, &begins):
		return errors.New("^ and $ with the flag m are about lines, which end otherwise in Java than here, and are supported only where the whole begins and ends: " +
			`leave the flag m out, and write the ends of lines as characters, as in (?s:.*\n)?a(?s:\n.*)?`)
	case begins && shortest(re) == 0:
		return errors.New("^ with the flag m matches no empty text in Java, and would here: leave the flag m out, or have the expression match one character at least, as in ^.+$")
	}
	return nil
}

// linesAtEnds tells whether every anchor of lines stands at the beginning or at the end, of an expression which itself does as it is told. begins
// is set where there is one of the beginning.
func linesAtEnds(re *syntax.Regexp, first, last bool, begins *bool) bool {
	switch re.Op {
	case syntax.OpBeginLine:
		*begins = true
		return first
	case syntax.OpEndLine:
		return last
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat: // what is repeated stands behind itself
		return linesAtEnds(re.Sub[0], false, false, begins)
	case syntax.OpConcat:
		for i, sub := range re.Sub {
			before, behind := re.Sub[:i], re.Sub[i+1:]
			if !linesAtEnds(sub, first && !slices.ContainsFunc(before, takes), last && !slices.ContainsFunc(behind, takes), begins) {
				return false
			}
		}
		return true
	}
	for _, sub := range re.Sub {
		if !linesAtEnds(sub, first, last, begins) {
			return false
		}
	}
	return true
}

// takes tells whether an expression may match a character.
func takes(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return false
	case syntax.OpConcat, syntax.OpCapture, syntax.OpAlternate, syntax.OpQuest, syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return slices.ContainsFunc(re.Sub, takes)
	}
	return true
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
