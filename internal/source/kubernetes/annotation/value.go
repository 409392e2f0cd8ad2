package annotation

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is the text of one annotation while it is read. Its methods parse the text; where that fails they note why and
// return false, and the setting stays as it was.
type value struct {
	text   string
	s      *Settings
	found  *Finding
	forAll bool // the text is a default of the installation
}

// maxText bounds the text of any one value that is kept, in bytes.
const maxText = 4096

// invalid notes that the value is none that the annotation can have.
func (v *value) invalid(format string, args ...any) {
	v.found.Verdict, v.found.Message = Invalid, fmt.Sprintf(format, args...)
}

// differs notes that this value has an effect of another kind than under ingress-nginx.
func (v *value) differs(format string, args ...any) {
	v.found.Verdict, v.found.Message = Differs, fmt.Sprintf(format, args...)
}

// same notes that with this value nothing differs, whatever the row of its annotation says of others.
func (v *value) same() {
	v.found.Verdict, v.found.Message = Supported, ""
}

// ignored notes that this value has no effect.
func (v *value) ignored(format string, args ...any) {
	v.found.Verdict, v.found.Message = Ignored, fmt.Sprintf(format, args...)
}

// deny notes that the value is none, and that nothing is let past because of it.
func (v *value) deny(format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	v.invalid("%s: every path of this Ingress answers 503", why)
	v.s.Denied = v.found.Key[strings.LastIndexByte(v.found.Key, '/')+1:]
}

// boolean reads what ingress-nginx takes for true and false.
func (v *value) boolean(to *bool) bool {
	b, err := strconv.ParseBool(v.text)
	if err != nil {
		v.invalid("%q is neither true nor false: it has no effect", v.text)
		return false
	}
	*to = b
	return true
}

// onOff reads on and off.
func (v *value) onOff(to *bool) bool {
	switch v.text {
	case "on":
		*to = true
	case "off":
		*to = false
	default:
		v.invalid("%q is neither on nor off: it has no effect", v.text)
		return false
	}
	return true
}

// integer reads a whole number within bounds.
func (v *value) integer(to *int, least, most int) bool {
	n, err := strconv.Atoi(v.text)
	switch {
	case err != nil:
		v.invalid("%q is no whole number: it has no effect", v.text)
	case n < least || n > most:
		v.invalid("%d is not within %d to %d: it has no effect", n, least, most)
	default:
		*to = n
		return true
	}
	return false
}

// maxSeconds bounds times: a year.
const maxSeconds = 365 * 24 * 3600

// seconds reads a number of seconds, as ingress-nginx writes its times.
func (v *value) seconds(to *time.Duration, least int) bool {
	var n int
	if !v.integer(&n, least, maxSeconds) {
		return false
	}
	*to = time.Duration(n) * time.Second
	return true
}

// size reads a size as nginx has it: 512, 8k, 1m, 1g.
func (v *value) size(to *int64) bool {
	text, unit := v.text, int64(1)
	if n := len(text); n > 0 {
		switch text[n-1] {
		case 'k', 'K':
			unit = 1 << 10
		case 'm', 'M':
			unit = 1 << 20
		case 'g', 'G':
			unit = 1 << 30
		}
		if unit > 1 {
			text = text[:n-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<40/unit {
		v.invalid("%q is no size, such as 512, 8k or 1m: it has no effect", v.text)
		return false
	}
	*to = n * unit
	return true
}

// oneOf reads one of a few words.
func (v *value) oneOf(to *string, words ...string) bool {
	if !slices.Contains(words, v.text) {
		v.invalid("%q is none of %s: it has no effect", v.text, strings.Join(words, ", "))
		return false
	}
	*to = v.text
	return true
}

// list reads what commas separate, without what is empty.
func (v *value) list() []string {
	var out []string
	for part := range strings.SplitSeq(v.text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// tokens reads a list of names of headers, methods and the like.
func (v *value) tokens(to *[]string) {
	all := v.list()
	for _, s := range all {
		if !isToken(s) {
			v.invalid("%q is no name: it has no effect", s)
			return
		}
	}
	if len(all) == 0 {
		v.invalid("is empty: it has no effect")
		return
	}
	*to = all
}

// token reads a name of a header or cookie (RFC 9110, 5.6.2).
func (v *value) token(to *string) bool {
	if !isToken(v.text) {
		v.invalid("%q is no name of a header or cookie: it has no effect", v.text)
		return false
	}
	*to = v.text
	return true
}

func isToken(s string) bool {
	return s != "" && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// line reads text without control bytes.
func (v *value) line(to *string) bool {
	if v.text == "" || len(v.text) > maxText || strings.ContainsFunc(v.text, isControl) {
		v.invalid("is empty, longer than %d bytes or has control bytes: it has no effect", maxText)
		return false
	}
	*to = v.text
	return true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// location reads the absolute http or https URL of a redirect.
func (v *value) location(to *string) bool {
	if u, err := url.Parse(v.text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !visible(v.text) {
		v.invalid("%q is no URL that begins with http:// or https://: it has no effect", v.text)
		return false
	}
	*to = v.text
	return true
}

// path reads a path: it begins with one slash and has only bytes that a URI may have.
func (v *value) path(to *string) bool {
	if !strings.HasPrefix(v.text, "/") || strings.HasPrefix(v.text, "//") || strings.HasPrefix(v.text, `/\`) || !visible(v.text) {
		v.invalid("%q is no path that begins with one slash: it has no effect", v.text)
		return false
	}
	*to = v.text
	return true
}

// visible tells whether a text may be in a Location: visible ASCII, and nothing that quotes.
func visible(s string) bool {
	return s != "" && len(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r) })
}
