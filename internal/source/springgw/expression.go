package springgw

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/model"
)

// Of the expression language of Spring (SpEL) this is read: comparisons of serviceId and metadata with texts by ==, != and
// matches, joined by and, or, not (&&, ||, !) and parentheses; and texts that are put together of literals, serviceId and metadata['…'].
// Anything else is refused.

// readInclude reads a condition on services.
func readInclude(text string) (model.Term, error) {
	p := &expressionReader{text: text}
	t, err := p.or()
	if err == nil && p.word() != "" {
		err = fmt.Errorf("%q is more than a condition", p.text[p.at:])
	}
	if err != nil {
		return model.Term{}, fmt.Errorf("expression %q: %w: want serviceId or metadata['…'] compared by ==, != or matches with a text", text, err)
	}
	return t, nil
}

// readText reads a text of literals, serviceId, for which it has model.LocatorService, and metadata['…'], for which it has the
// model.LocatorTag of its name in tags. Names that are not there are added. Where tags is nil there may be none.
func readText(text string, tags *[]string) (string, error) {
	p := &expressionReader{text: text}
	want := "texts in single quotes and serviceId"
	if tags != nil {
		want = "texts in single quotes, serviceId and metadata['…']"
	}
	var b strings.Builder
	for {
		switch w := p.word(); {
		case isQuote(w):
			s, err := p.literal()
			if err != nil {
				return "", fmt.Errorf("expression %q: %w", text, err)
			}
			b.WriteString(s)
		case w == "serviceId":
			p.take(w)
			b.WriteString(model.LocatorService)
		case w == "metadata" && tags != nil:
			p.take(w)
			name, err := p.key()
			if err != nil {
				return "", fmt.Errorf("expression %q: %w", text, err)
			}
			i := slices.Index(*tags, name)
			if i < 0 {
				i, *tags = len(*tags), append(*tags, name)
			}
			b.WriteString(model.LocatorTag(i))
		case w == "true" || w == "false" || w != "" && strings.Trim(w, "0123456789") == "":
			p.take(w)
			b.WriteString(w)
		default:
			return "", fmt.Errorf("expression %q is not supported: want %s, joined by +", text, want)
		}
		switch p.word() {
		case "":
			return b.String(), nil
		case "+":
			p.take("+")
		default:
			return "", fmt.Errorf("expression %q is not supported: want %s, joined by +", text, want)
		}
	}
}

type expressionReader struct {
	text  string
	at    int
	depth int
}

// word returns what comes next and does not take it: a name, an operator, or the quote that begins a text. "" is the end.
func (p *expressionReader) word() string {
	for p.at < len(p.text) && strings.IndexByte(" \t\n", p.text[p.at]) >= 0 {
		p.at++
	}
	rest := p.text[p.at:]
	if rest == "" {
		return ""
	}
	for _, two := range [...]string{"==", "!=", "&&", "||"} {
		if strings.HasPrefix(rest, two) {
			return two
		}
	}
	n := 0
	for n < len(rest) && isWordByte(rest[n]) {
		n++
	}
	return rest[:max(n, 1)]
}

func (p *expressionReader) take(w string) { p.at += len(w) }

// is takes the next word if it is one of these, in any case.
func (p *expressionReader) is(words ...string) bool {
	next := p.word()
	for _, w := range words {
		if strings.EqualFold(next, w) {
			p.take(next)
			return true
		}
	}
	return false
}

func (p *expressionReader) or() (model.Term, error) { return p.join(model.TermOr, p.and, "or", "||") }
func (p *expressionReader) and() (model.Term, error) {
	return p.join(model.TermAnd, p.one, "and", "&&")
}

func (p *expressionReader) join(op model.TermOp, part func() (model.Term, error), words ...string) (model.Term, error) {
	t, err := part()
	for err == nil && p.is(words...) {
		var next model.Term
		next, err = part()
		if t.Op == op && len(t.Of) < 64 {
			t.Of = append(t.Of, next)
		} else {
			t = model.Term{Op: op, Of: []model.Term{t, next}}
		}
	}
	return t, err
}

func (p *expressionReader) one() (model.Term, error) {
	if p.depth++; p.depth > 40 {
		return model.Term{}, errors.New("it is nested too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.is("!", "not"):
		t, err := p.one()
		return model.Term{Op: model.TermNot, Of: []model.Term{t}}, err
	case p.is("("):
		t, err := p.or()
		if err == nil && !p.is(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return model.Term{Op: model.TermAnd, Of: []model.Term{t}}, err
	case p.is("true"):
		return model.Term{}, nil
	case p.is("false"):
		return model.Term{Op: model.TermNone}, nil
	}
	return p.comparison()
}

func (p *expressionReader) comparison() (model.Term, error) {
	var t model.Term
	switch w := p.word(); w {
	case "serviceId":
		p.take(w)
	case "metadata":
		p.take(w)
		var err error
		if t.Name, err = p.key(); err != nil {
			return t, err
		}
	default:
		return t, fmt.Errorf("%q is not supported", p.text[p.at:])
	}
	not := false
	switch {
	case p.is("==", "eq"):
		t.Op = model.TermIs
	case p.is("!=", "ne"):
		t.Op, not = model.TermIs, true
	case p.is("matches"):
		t.Op = model.TermMatches
	default:
		return t, fmt.Errorf("%q is not supported", p.text[p.at:])
	}
	var err error
	if !isQuote(p.word()) {
		return t, fmt.Errorf("%q is no text in single quotes", p.text[p.at:])
	}
	if t.Value, err = p.literal(); err == nil && t.Op == model.TermMatches {
		re, bad := compileJava(t.Value)
		if bad != nil {
			return t, bad
		}
		t.Value = re.String()
	}
	if not {
		t = model.Term{Op: model.TermNot, Of: []model.Term{t}}
	}
	return t, err
}

// key reads ['name'] or .name.
func (p *expressionReader) key() (name string, err error) {
	switch {
	case p.is("["):
		if isQuote(p.word()) {
			name, err = p.literal()
		}
		if err == nil && !p.is("]") {
			err = errors.New("a bracket is not closed")
		}
	case p.is("."):
		if w := p.word(); isWord(w) {
			p.take(w)
			name = w
		}
	}
	if err == nil && name == "" {
		err = errors.New("metadata without a name")
	}
	return name, err
}

func isQuote(w string) bool { return w == "'" || w == `"` }

// literal reads a text in quotes, single ones or double ones, in which two of them are one.
func (p *expressionReader) literal() (string, error) {
	var b strings.Builder
	quote := p.text[p.at]
	for i := p.at + 1; i < len(p.text); i++ {
		if p.text[i] != quote {
			b.WriteByte(p.text[i])
			continue
		}
		if i+1 == len(p.text) || p.text[i+1] != quote {
			p.at = i + 1
			return b.String(), nil
		}
		b.WriteByte(quote)
		i++
	}
	return "", errors.New("a quote is not closed")
}
