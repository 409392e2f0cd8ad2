package bootconfig

import (
	"fmt"
	"slices"
	"strings"
)

// profiles are those that are active: the settings' own, or what spring.profiles.active says in properties, environment or the
// documents that hold always; with their groups and what spring.profiles.include adds. None at all is the profile "default".
func (s Settings) profiles(files []File, x *expansion) []string {
	var always *Property
	for _, f := range files {
		for _, d := range f.Documents {
			if d.when == nil && d.odd == "" && profileOf(f.Path) == "" {
				always = overlay(always, d.Root)
			}
		}
	}
	x.root = always
	active := slices.Clone(s.Profiles)
	value := func(key string) []string {
		if text, ok := x.outside(key); ok {
			return strings.FieldsFunc(x.text(text), func(r rune) bool { return r == ',' || r == ' ' })
		}
		return x.fill(always.Find(key)).Words()
	}
	if len(active) == 0 {
		active = value("spring.profiles.active")
	}
	active = append(value("spring.profiles.include"), active...)
	if len(active) == 0 {
		active = value("spring.profiles.default")
	}
	if len(active) == 0 {
		active = []string{"default"}
	}
	var out []string
	var add func(name string)
	add = func(name string) {
		if slices.Contains(out, name) {
			return
		}
		out = append(out, name)
		for _, k := range x.fill(always.Get("spring", "profiles", "group")).kids() {
			if k.Name == name {
				for _, member := range k.Words() {
					add(member)
				}
			}
		}
	}
	for _, name := range active {
		add(name)
	}
	return out
}

func (p *Property) kids() []*Property {
	if p == nil {
		return nil
	}
	return p.Kids
}

// holds tells whether one of several expressions over profiles holds: names with !, & and |, and parentheses (Spring
// Framework, Profiles.of). Nil holds always.
func holds(when, active []string) (bool, error) {
	if when == nil {
		return true, nil
	}
	for _, text := range when {
		p := &profiles{text: text, active: active}
		ok, err := p.any()
		if err == nil && p.peek() != 0 {
			err = fmt.Errorf("more than an expression")
		}
		if err != nil {
			return false, fmt.Errorf("profile expression %q: %w", text, err)
		}
		if ok {
			return true, nil
		}
	}
	return false, nil
}

// profiles reads one expression. As in Spring, & and | are not mixed without parentheses.
type profiles struct {
	text   string
	at     int
	depth  int
	active []string
}

// peek returns the next byte that is no blank; 0 at the end.
func (p *profiles) peek() byte {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *profiles) any() (bool, error) {
	out, err := p.one()
	var operator byte
	for err == nil {
		c := p.peek()
		if c != '&' && c != '|' {
			return out, nil
		}
		if operator != 0 && c != operator {
			return false, fmt.Errorf("& and | are mixed without parentheses")
		}
		operator = c
		p.at++
		var next bool
		if next, err = p.one(); c == '&' {
			out = out && next
		} else {
			out = out || next
		}
	}
	return false, err
}

func (p *profiles) one() (bool, error) {
	switch c := p.peek(); c {
	case '!':
		p.at++
		ok, err := p.one()
		return !ok, err
	case '(':
		if p.depth++; p.depth > 50 {
			return false, fmt.Errorf("parentheses are nested too deep")
		}
		p.at++
		ok, err := p.any()
		if err == nil && p.peek() != ')' {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		p.at++
		p.depth--
		return ok, err
	}
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("!&|() ", p.text[p.at]) < 0 {
		p.at++
	}
	if p.at == start {
		return false, fmt.Errorf("a name is missing")
	}
	return slices.Contains(p.active, p.text[start:p.at]), nil
}
