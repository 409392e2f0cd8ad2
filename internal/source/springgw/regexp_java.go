package springgw

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// subject is what an expression is compared with.
type subject int

const (
	ofText subject = iota // decoded: of any characters, and compared as a whole
	ofPart                // likewise, but looked for in a text
	ofPath                // as it is sent: of ASCII, without controls
	ofHost                // likewise
)

// translateJava goes through an expression, writes what RE2 spells differently and refuses what it has not. What it writes has no flags:
// without the flag u, Java's i is about ASCII alone, where RE2 has k be the sign of Kelvin too.
func translateJava(of subject, java string) (string, error) {
	r := javaReader{s: java, of: of}
	err := r.read()
	return r.out.String(), err
}

type javaReader struct {
	s     string
	at    int
	of    subject
	out   strings.Builder
	now   javaFlags
	outer []javaFlags // of the groups that are open
}

type javaFlags struct {
	fold   bool // i: letters of ASCII in either case
	dotAll bool // s: a dot is a line break too
	lines  bool // m: ^ and $ are about lines
}

func (r *javaReader) read() error {
	counted := false // what stands in front is a quantifier
	for r.at < len(r.s) {
		after := counted
		counted = false
		var err error
		switch c := r.s[r.at]; {
		case c == '\\':
			err = r.escape()
		case c == '[':
			err = r.class()
		case c == '(':
			err = r.group()
		case c == ')':
			if n := len(r.outer); n > 0 {
				r.now, r.outer = r.outer[n-1], r.outer[:n-1]
			}
			r.take(1)
		case c == '.':
			r.at++
			r.dot()
		case c == '{' && !isCount(r.s[r.at:]):
			err = errors.New("a { that begins no count must be written \\{")
		case c == '+' && after:
			err = errors.New("a possessive quantifier is not supported: leave out its last +, unless what follows relies on it")
		case c == '*' || c == '+' || c == '?' || c == '}':
			counted = !after
			r.take(1)
		case c == '^' || c == '$':
			err = r.anchor(c)
		case c == '|' || c == '{':
			r.take(1)
		default:
			char, n := utf8.DecodeRuneInString(r.s[r.at:])
			r.at += n
			err = r.literal(char)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take writes what comes next as it is.
func (r *javaReader) take(n int) {
	r.out.WriteString(r.s[r.at : r.at+n])
	r.at += n
}

// anchor is the beginning or the end: of the text, or with the flag m of a line. Paths and hosts have one line and are never empty, so that both
// are the same. Where a line ends in a text, RE2 does not know as Java does: see checkLines.
func (r *javaReader) anchor(c byte) error {
	r.at++
	switch {
	case !r.now.lines || r.of == ofPath || r.of == ofHost:
		r.out.WriteByte(c)
		return nil
	case r.of == ofPart:
		return errors.New("^ and $ with the flag m are not supported here: leave the flag m out, since a header has one line")
	}
	r.out.WriteString("(?m:" + string(c) + ")")
	return nil
}

// dot is any character but those that end lines, of which RE2 knows one. Paths and hosts have none.
func (r *javaReader) dot() {
	switch {
	case r.now.dotAll:
		r.out.WriteString(`(?s:.)`)
	case r.of == ofPath || r.of == ofHost:
		r.out.WriteByte('.')
	default:
		r.out.WriteString(`[^\n\r\x{85}\x{2028}\x{2029}]`)
	}
}

// literal writes a character that stands for itself.
func (r *javaReader) literal(c rune) error {
	if c >= 0x80 {
		switch r.of {
		case ofPath:
			return errors.New("letters outside ASCII are not supported: a path has them as %XX")
		case ofHost:
			return errors.New("letters outside ASCII are not supported: a host has them as xn--")
		}
	}
	if other, is := otherCase(c); is && r.now.fold {
		r.out.WriteString("[" + string(c) + string(other) + "]")
		return nil
	}
	r.out.WriteString(quoted(c))
	return nil
}

// otherCase is a letter of ASCII in the other case.
func otherCase(c rune) (rune, bool) {
	other := c ^ 0x20
	return other, c < 0x80 && (c|0x20) >= 'a' && (c|0x20) <= 'z'
}

// quoted is a character as RE2 reads it outside of classes, and inside where it is no mark of these.
func quoted(c rune) string {
	if c < ' ' || c == 0x7f || c >= 0x80 && !strconv.IsPrint(c) {
		return fmt.Sprintf(`\x{%x}`, c)
	}
	return regexp.QuoteMeta(string(c))
}

// group reads what opens a group, or sets flags.
func (r *javaReader) group() error {
	if !strings.HasPrefix(r.s[r.at:], "(?") {
		r.outer = append(r.outer, r.now)
		r.take(1)
		return nil
	}
	rest := r.s[r.at+2:]
	if err := scanGroup(rest); err != nil {
		return err
	}
	if strings.HasPrefix(rest, "<") {
		r.outer = append(r.outer, r.now)
		r.take(len("(?") + strings.IndexByte(rest, '>') + 1)
		return nil
	}
	end := strings.IndexAny(rest, ":)")
	before, on := r.now, true
	for _, flag := range rest[:end] {
		switch flag {
		case '-':
			on = false
		case 'i':
			r.now.fold = on
		case 's':
			r.now.dotAll = on
		case 'm':
			r.now.lines = on
		}
	}
	r.at += len("(?") + end + 1
	switch {
	case rest[end] == ':':
		r.outer = append(r.outer, before)
		r.out.WriteString("(?:")
	case r.at < len(r.s) && strings.IndexByte("*+?{", r.s[r.at]) >= 0:
		return fmt.Errorf("nothing stands in front of %q", r.s[r.at:])
	}
	return nil
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

// escape reads what begins with a backslash, outside of a class.
func (r *javaReader) escape() error {
	rest := r.s[r.at:]
	if set, n, err := r.set(false); n > 0 || err != nil {
		r.at += n
		r.out.WriteString(set)
		return err
	}
	switch {
	case len(rest) > 1 && strings.IndexByte("bBAz", rest[1]) >= 0:
		r.take(2)
		return nil
	case strings.HasPrefix(rest, `\Q`):
		text, _, closed := strings.Cut(rest[2:], `\E`)
		if r.at += 2 + len(text); closed {
			r.at += 2
		}
		for _, c := range text {
			if err := r.literal(c); err != nil {
				return err
			}
		}
		return nil
	}
	c, err := r.char()
	if err != nil {
		return err
	}
	return r.literal(c)
}

// char reads an escape that is one character.
func (r *javaReader) char() (rune, error) {
	rest := r.s[r.at:]
	if len(rest) < 2 {
		return 0, errors.New("ends in a backslash")
	}
	if c, ok := map[byte]rune{'t': '\t', 'n': '\n', 'r': '\r', 'f': '\f', 'a': 7, 'e': 0x1b}[rest[1]]; ok {
		r.at += 2
		return c, nil
	}
	digits, n := "", 0
	switch {
	case strings.HasPrefix(rest, `\x{`):
		digits, _, _ = strings.Cut(rest[3:], "}")
		n = len(digits) + 4
	case rest[1] == 'x' && len(rest) >= 4:
		digits, n = rest[2:4], 4
	case rest[1] == 'u' && len(rest) >= 6:
		digits, n = rest[2:6], 6
	case !isWordByte(rest[1]) || rest[1] >= 0x80: // it stands for itself
		c, n := utf8.DecodeRuneInString(rest[1:])
		r.at += 1 + n
		return c, nil
	}
	code, err := strconv.ParseUint(digits, 16, 32)
	switch {
	case err != nil || code > utf8.MaxRune || n > len(rest):
		return 0, fmt.Errorf("\\%c is not supported", rest[1])
	case utf16.IsSurrogate(rune(code)):
		return 0, fmt.Errorf("%s is half of a character: write that itself", rest[:n])
	}
	r.at += n
	return rune(code), nil
}
