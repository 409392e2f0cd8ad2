package builtin

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// checkReplacement refuses a replacement that names a group which its expression does not have: it would stand for nothing, and what is
// meant is mostly another name, or "${1}x" for "$1x". It reads names as regexp.Expand does.
func checkReplacement(re *regexp.Regexp, replacement string) error {
	for {
		_, rest, found := strings.Cut(replacement, "$")
		if !found {
			return nil
		}
		replacement = rest
		if rest, escaped := strings.CutPrefix(rest, "$"); escaped {
			replacement = rest
			continue
		}
		name := groupName(rest)
		if name == "" {
			continue // the sign stands for itself
		}
		n, err := strconv.Atoi(name)
		if err == nil && n <= re.NumSubexp() && (name[0] != '0' || name == "0") || re.SubexpIndex(name) >= 0 {
			continue
		}
		return fmt.Errorf("replacement: the expression has no group %q: name one that it has, with braces where more follows (${1}), or write $$ for a dollar sign", name)
	}
}

// groupName is the name that begins a text, with or without braces; "" = none does.
func groupName(s string) string {
	inner, braced := strings.CutPrefix(s, "{")
	end := strings.IndexFunc(inner, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	switch {
	case !braced && end < 0:
		return inner
	case end < 0 || braced && inner[end] != '}':
		return ""
	}
	return inner[:end]
}
