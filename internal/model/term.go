package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Term is a condition on a service and its endpoints. The zero one holds for all.
type Term struct {
	Op    TermOp `json:"op,omitempty"`
	Name  string `json:"name,omitempty"`  // of the tag that is compared; "" = the name of the service
	Value string `json:"value,omitempty"` // that it is compared with
	Of    []Term `json:"of,omitempty"`    // of not, and, or
}

// TermOp says what a Term asks.
type TermOp string

// The terms. A tag that is not there is no value, and matches nothing.
const (
	TermAny     TermOp = ""        // holds for all
	TermNone    TermOp = "none"    // holds for none
	TermIs      TermOp = "is"      // the value itself
	TermMatches TermOp = "matches" // the whole matches Value, an RE2 expression
	TermNot     TermOp = "not"     // Of[0] does not hold
	TermAnd     TermOp = "and"     // all of Of hold
	TermOr      TermOp = "or"      // one of Of holds
)

// For returns what a term asks of the endpoints of one service: TermAny and TermNone where it asks nothing more.
func (t Term) For(service string) Term {
	constant := func(holds bool) Term {
		if holds {
			return Term{}
		}
		return Term{Op: TermNone}
	}
	switch t.Op {
	case TermIs, TermMatches:
		if t.Name != "" {
			return t
		}
		return constant(t.compare(service))
	case TermNot:
		inner := t.Of[0].For(service)
		if inner.Op == TermAny || inner.Op == TermNone {
			return constant(inner.Op == TermNone)
		}
		return Term{Op: TermNot, Of: []Term{inner}}
	case TermAnd, TermOr:
		decides := TermNone // a part that is this decides
		if t.Op == TermOr {
			decides = TermAny
		}
		out := Term{Op: t.Op}
		for _, part := range t.Of {
			switch inner := part.For(service); inner.Op {
			case decides:
				return inner
			case TermAny, TermNone:
			default:
				out.Of = append(out.Of, inner)
			}
		}
		switch len(out.Of) {
		case 0:
			return constant(t.Op == TermAnd)
		case 1:
			return out.Of[0]
		}
		return out
	}
	return t
}

// AsksTags tells whether a term asks anything of endpoints.
func (t *Term) AsksTags() bool {
	return (t.Op == TermIs || t.Op == TermMatches) && t.Name != "" || slices.ContainsFunc(t.Of, func(part Term) bool { return part.AsksTags() })
}

// Holds tells whether a term, which For has returned, holds for an endpoint with these tags.
func (t *Term) Holds(tags Tags) bool {
	switch t.Op {
	case TermAny:
		return true
	case TermIs, TermMatches:
		v, ok := tags.Get(t.Name)
		return ok && t.compare(v)
	case TermNot:
		return !t.Of[0].Holds(tags)
	case TermAnd, TermOr:
		for i := range t.Of {
			if t.Of[i].Holds(tags) != (t.Op == TermAnd) {
				return t.Op == TermOr
			}
		}
		return t.Op == TermAnd
	}
	return false
}

func (t *Term) compare(text string) bool {
	if t.Op == TermIs {
		return text == t.Value
	}
	re, err := regexp.Compile("^(?:" + t.Value + ")$")
	return err == nil && re.MatchString(text)
}

// String returns the term as people write it: "version = v2 and not zone ~ a|b".
func (t *Term) String() string {
	name := t.Name
	if name == "" {
		name = "service"
	}
	switch t.Op {
	case TermIs:
		return name + " = " + t.Value
	case TermMatches:
		return name + " ~ " + t.Value
	case TermNot:
		return "not " + t.Of[0].inner()
	case TermAnd, TermOr:
		parts := make([]string, len(t.Of))
		for i := range t.Of {
			parts[i] = t.Of[i].inner()
		}
		return strings.Join(parts, " "+string(t.Op)+" ")
	case TermNone:
		return "nothing"
	}
	return "everything"
}

func (t *Term) inner() string {
	if t.Op == TermAnd || t.Op == TermOr {
		return "(" + t.String() + ")"
	}
	return t.String()
}

// maxTerm bounds the depth of a term.
const maxTerm = 50

// validate refuses a term that cannot be asked.
func (t *Term) validate(field string, depth int) error {
	switch t.Op {
	case TermAny, TermNone:
	case TermIs, TermMatches:
		if _, err := regexp.Compile(t.Value); t.Op == TermMatches && err != nil {
			return fieldError(field+".value", err.Error())
		}
	case TermNot, TermAnd, TermOr:
		if n := len(t.Of); n == 0 || t.Op == TermNot && n > 1 || depth == maxTerm {
			return fieldError(field+".of", "is empty, has more than a not can have, or is nested too deep")
		}
	default:
		return fieldError(field+".op", fmt.Sprintf("%q is none of is, matches, not, and, or, none", t.Op))
	}
	for i := range t.Of {
		if err := t.Of[i].validate(fmt.Sprintf("%s.of[%d]", field, i), depth+1); err != nil {
			return err
		}
	}
	return nil
}
