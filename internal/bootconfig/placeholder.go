package bootconfig

import (
	"fmt"
	"strings"

	"paifang/internal/document"
)

// The bounds of one value with placeholders: they may name each other, and a few bytes could stand for very many.
const (
	maxText    = 64 << 10
	maxNesting = 20
	maxLookups = 1000
)

// expansion fills placeholders: ${key}, ${key:default}, one within another. One without a value stays as it is written,
// as in Spring: filters have texts that only look like one.
type expansion struct {
	settings Settings
	root     *Property
	given    map[string]string // Settings.Properties by relaxed key
	problems []document.Problem
	lookups  int
	failed   string

	before, filled map[*Property]filling // as in Merged
	within         bool                  // an item
	texts          [][2]string           // of it
}

// fill returns p with every placeholder in and below it filled in. What has none stays the same.
func (x *expansion) fill(p *Property) *Property {
	if p == nil || p.plain {
		return p
	}
	out := p
	change := func() *Property {
		if out == p {
			c := *p
			c.Kids = append([]*Property(nil), p.Kids...)
			if p.items != nil {
				c.items = make(map[int]*Property, len(p.items))
				for i, k := range p.items {
					c.items[i] = k
				}
			}
			out = &c
		}
		return out
	}
	if p.leaf && strings.Contains(p.text, "${") {
		x.lookups, x.failed = 0, ""
		if text := x.text(p.text); x.failed != "" {
			x.problems = append(x.problems, document.Problem{File: p.File, Line: p.Line, Field: p.Name, Message: x.failed})
		} else {
			now := change()
			now.text, now.exact, now.bound = text, now.exact && text == p.text, true
			if x.within {
				x.texts = append(x.texts, [2]string{p.text, text})
			}
		}
	}
	for i, k := range p.Kids {
		if now := x.fill(k); now != k {
			change().Kids[i] = now
		}
	}
	for i, k := range p.items {
		if now := x.item(k); now != k {
			change().items[i] = now
		}
	}
	return out
}

// filling is an item of a list with its placeholders filled in, and the texts that had some, as they are written and as they came out.
type filling struct {
	item  *Property
	texts [][2]string
}

// item is fill for an item of a list: where all texts in it come to what they came to before, it is what it was.
func (x *expansion) item(p *Property) *Property {
	if x.within || p.plain {
		return x.fill(p)
	}
	if old, ok := x.before[p]; ok && x.same(old.texts) {
		x.filled[p] = old
		return old.item
	}
	problems := len(x.problems)
	x.within, x.texts = true, nil
	now := x.fill(p)
	x.within = false
	if len(x.problems) == problems { // which are told every time
		x.filled[p] = filling{now, x.texts}
	}
	return now
}

func (x *expansion) same(texts [][2]string) bool {
	for _, t := range texts {
		x.lookups, x.failed = 0, ""
		if x.text(t[0]) != t[1] || x.failed != "" {
			return false
		}
	}
	return true
}

// text fills the placeholders of one value.
func (x *expansion) text(s string) string { return x.expand(s, nil) }

func (x *expansion) expand(s string, within []string) string {
	var b strings.Builder
	for s != "" && x.failed == "" {
		start := strings.Index(s, "${")
		end := -1
		if start >= 0 {
			end = Closing(s[start+1:])
		}
		if end < 0 {
			break
		}
		end += start + 1
		b.WriteString(s[:start])
		if value, ok := x.value(s[start+2:end], within); ok {
			b.WriteString(value)
		} else {
			b.WriteString(s[start : end+1])
		}
		s = s[end+1:]
		if b.Len() > maxText {
			x.fail("placeholders come to more than %d bytes", maxText)
		}
	}
	b.WriteString(s)
	return b.String()
}

// Closing returns the index of the brace that closes the one which s begins with, or -1.
func Closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// value is what stands for the inside of a placeholder. The whole is a key first: keys may have colons.
func (x *expansion) value(inside string, within []string) (string, bool) {
	for _, outer := range within {
		if outer == inside {
			x.fail("the placeholder ${%s} leads back to itself", inside)
			return "", false
		}
	}
	if x.lookups++; x.lookups > maxLookups || len(within) > maxNesting {
		x.fail("placeholders lead to more than %d others", maxLookups)
		return "", false
	}
	within = append(within, inside)
	inside = x.expand(inside, within)
	if text, ok := x.find(inside); ok {
		return x.expand(text, within), x.failed == ""
	}
	key, otherwise, ok := strings.Cut(inside, ":")
	if !ok {
		return "", false
	}
	if text, found := x.find(key); found {
		return x.expand(text, within), x.failed == ""
	}
	return otherwise, true
}

func (x *expansion) fail(format string, args ...any) {
	if x.failed == "" {
		x.failed = fmt.Sprintf(format, args...)
	}
}

func (x *expansion) find(key string) (string, bool) {
	key = strings.TrimSpace(key)
	if text, ok := x.outside(key); ok {
		return text, true
	}
	p := x.root.Find(key)
	return p.Text(), p.IsText()
}

// outside looks a key up in properties and environment. The environment has "my.host-name" as MY_HOSTNAME or
// MY_HOST_NAME.
func (x *expansion) outside(key string) (string, bool) {
	if x.given == nil {
		x.given = make(map[string]string, len(x.settings.Properties))
		for k, v := range x.settings.Properties {
			x.given[Relaxed(k)] = v
		}
	}
	if text, ok := x.given[Relaxed(key)]; ok {
		return text, true
	}
	if x.settings.Environ == nil || key == "" {
		return "", false
	}
	for _, name := range []string{key, envName(key, '_'), envName(key, -1)} {
		if text, ok := x.settings.Environ(name); ok {
			return text, true
		}
	}
	return "", false
}

// envName is a key as a variable of the environment is called, with a dash as another rune or, where that is negative, as nothing.
func envName(key string, dash rune) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		switch r {
		case '.', '[':
			return '_'
		case ']':
			return -1
		case '-':
			return dash
		}
		return r
	}, key))
}
