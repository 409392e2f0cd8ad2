package bootconfig

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"paifang/internal/document"
)

// readProperties reads a properties file of Java (java.util.Properties.load), which a line "#---" or "!---" divides into
// documents. It is UTF-8, or, where it is not, ISO 8859-1.
func readProperties(path string, data []byte) ([]Document, []document.Problem) {
	text := string(data)
	if !utf8.ValidString(text) {
		runes := make([]rune, len(data))
		for i, b := range data {
			runes[i] = rune(b)
		}
		text = string(runes)
	}
	var docs []Document
	var problems []document.Problem
	root := &Property{File: path, Line: 1}
	next := func(line int) {
		if len(root.Kids) > 0 {
			docs = append(docs, newDocument(root))
		}
		root = &Property{File: path, Line: line}
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t\f")
		switch {
		case strings.TrimRight(line, " \t") == "#---" || strings.TrimRight(line, " \t") == "!---":
			next(i + 2)
			continue
		case line == "" || line[0] == '#' || line[0] == '!':
			continue
		}
		at := i + 1
		for continues(line) {
			line = line[:len(line)-1]
			if i++; i == len(lines) {
				break
			}
			line += strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := divide(line)
		k, err := unescape(key)
		if err == nil {
			value, err = unescape(value)
		}
		switch {
		case err != nil:
			problems = append(problems, document.Problem{File: path, Line: at, Message: err.Error()})
		case k != "":
			p := root.at(k, at)
			p.leaf, p.text, p.bound, p.Line = true, value, true, at
		}
	}
	next(0)
	return docs, problems
}

// continues tells whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// divide returns key and value, which "=", ":" or blanks divide.
func divide(line string) (key, value string) {
	end := 0
	for end < len(line) && strings.IndexByte("=: \t\f", line[end]) < 0 {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	value = strings.TrimLeft(line[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return line[:end], value
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, n, err := unicodeEscape(s[i-1:])
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			i += n - 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// unicodeEscape reads \uXXXX, or two of them that are one character.
func unicodeEscape(s string) (r rune, n int, err error) {
	one := func(s string) (rune, bool) {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(s[2:6], 16, 16)
		return rune(n), err == nil
	}
	r, ok := one(s)
	if !ok {
		return 0, 0, fmt.Errorf("\\u wants four hexadecimal digits")
	}
	if utf16.IsSurrogate(r) {
		if low, ok := one(s[6:]); ok {
			return utf16.DecodeRune(r, low), 12, nil
		}
	}
	return r, 6, nil
}
