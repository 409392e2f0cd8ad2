package springgw

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// set reads an escape that is a set of characters; n is 0 where none is there.
func (r *javaReader) set(inClass bool) (text string, n int, err error) {
	rest := r.s[r.at:]
	if len(rest) < 2 {
		return "", 0, nil
	}
	switch c := rest[1]; c {
	case 'd', 'D', 'w', 'W': // the same in both
		return rest[:2], 2, nil
	case 's', 'S', 'h', 'v':
		ranges := map[byte]string{'s': ` \t\n\x0b\f\r`, 'S': `\x00-\x08\x0e-\x1f!-\x{10ffff}`, 'h': ` \t\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}`, 'v': `\n\x0b\f\r\x{85}\x{2028}\x{2029}`}[c]
		return classText(ranges, false, inClass), 2, nil
	case 'p', 'P':
		return r.property(rest, inClass)
	}
	return "", 0, nil
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

// property reads \p{…}: the classes of POSIX, which are ASCII in Java, general categories, and scripts.
func (r *javaReader) property(s string, inClass bool) (text string, n int, err error) {
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
	if r.now.fold && (name == "Lower" || name == "Upper") {
		ranges = "a-zA-Z"
	}
	switch {
	case r.now.fold && (name == "Lu" || name == "Ll" || name == "Lt"):
		return "", 0, fmt.Errorf("%s with the flag i is not supported", s[:n])
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

// class reads a class of characters.
func (r *javaReader) class() error {
	r.take(1)
	if strings.HasPrefix(r.s[r.at:], "^") {
		r.take(1)
	}
	if strings.HasPrefix(r.s[r.at:], "]") {
		return errors.New("a character class that begins with ] is not supported: write \\]")
	}
	for {
		rest := r.s[r.at:]
		switch {
		case rest == "":
			return errors.New("a character class is not closed: missing ]")
		case rest[0] == ']':
			r.take(1)
			return nil
		case rest[0] == '[':
			return errors.New("a character class inside another is not supported")
		case strings.HasPrefix(rest, "&&"):
			return errors.New("the intersection && of character classes is not supported")
		case rest[0] == '\\':
			set, n, err := r.set(true)
			if err != nil {
				return err
			}
			if n > 0 {
				r.at += n
				r.out.WriteString(set)
				continue
			}
		}
		if err := r.span(); err != nil {
			return err
		}
	}
}

// span reads a character of a class, or two of them with those between.
func (r *javaReader) span() error {
	from, err := r.classChar()
	if err != nil {
		return err
	}
	to := from
	if rest := r.s[r.at:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' && rest[1] != '[' {
		r.at++
		if to, err = r.classChar(); err != nil {
			return err
		}
		if to < from {
			return fmt.Errorf("%c-%c is no range of characters", from, to)
		}
	}
	r.between(from, to)
	if r.now.fold { // so much of it as letters of ASCII are, in the other case
		for _, letters := range [...][2]rune{{'a', 'z'}, {'A', 'Z'}} {
			if low, high := max(from, letters[0]), min(to, letters[1]); low <= high {
				r.between(low^0x20, high^0x20)
			}
		}
	}
	return nil
}

// between writes the characters from one to another.
func (r *javaReader) between(from, to rune) {
	one := func(c rune) {
		if c == '-' || c == '&' {
			r.out.WriteByte('\\')
		}
		r.out.WriteString(quoted(c))
	}
	if one(from); to > from {
		r.out.WriteByte('-')
		one(to)
	}
}

func (r *javaReader) classChar() (rune, error) {
	if r.s[r.at] == '\\' {
		return r.char()
	}
	c, n := utf8.DecodeRuneInString(r.s[r.at:])
	r.at += n
	if c >= 0x80 && (r.of == ofPath || r.of == ofHost) {
		return 0, r.literal(c)
	}
	return c, nil
}
