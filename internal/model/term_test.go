package model

import "testing"

func TestTerms(t *testing.T) {
	is := func(name, value string) Term { return Term{Op: TermIs, Name: name, Value: value} }
	matches := func(name, value string) Term { return Term{Op: TermMatches, Name: name, Value: value} }
	join := func(op TermOp, of ...Term) Term { return Term{Op: op, Of: of} }
	tags := NewTags(map[string]string{"v": "2", "zone": "ab"})
	for _, c := range []struct {
		term  Term
		text  string
		rest  string // of service "a"
		holds bool   // for the tags
	}{
		{Term{}, "everything", "everything", true},
		{Term{Op: TermNone}, "nothing", "nothing", false},
		{is("", "a"), "service = a", "everything", true},
		{is("", "b"), "service = b", "nothing", false},
		{matches("", "[a-c]"), "service ~ [a-c]", "everything", true},
		{matches("zone", "a"), "zone ~ a", "zone ~ a", false},
		{matches("zone", "a.|x"), "zone ~ a.|x", "zone ~ a.|x", true},
		{is("none", ""), "none = ", "none = ", false},
		{join(TermNot, is("none", "x")), "not none = x", "not none = x", true},
		{join(TermAnd, is("", "a"), is("v", "2")), "service = a and v = 2", "v = 2", true},
		{join(TermAnd, is("", "b"), is("v", "2")), "service = b and v = 2", "nothing", false},
		{join(TermOr, is("", "a"), is("v", "1")), "service = a or v = 1", "everything", true},
		{join(TermOr, is("", "b"), is("v", "1")), "service = b or v = 1", "v = 1", false},
		{join(TermOr, join(TermAnd, is("v", "1"), is("v", "2")), join(TermNot, join(TermOr, is("", "b"), is("zone", "x")))),
			"(v = 1 and v = 2) or not (service = b or zone = x)", "(v = 1 and v = 2) or not zone = x", true},
	} {
		if err := c.term.validate("x", 0); err != nil {
			t.Error(err)
		}
		rest := c.term.For("a")
		if c.term.String() != c.text || rest.String() != c.rest || rest.Holds(tags) != c.holds {
			t.Errorf("%s (want %s), rest %s (want %s), holds %v", c.term.String(), c.text, rest.String(), c.rest, rest.Holds(tags))
		}
		if err := rest.validate("x", 0); err != nil {
			t.Error(err)
		}
	}
	deep := is("v", "1")
	for range 60 {
		deep = join(TermNot, deep)
	}
	for _, bad := range []Term{deep, {Op: "like"}, matches("v", "("), join(TermAnd), join(TermNot, Term{}, Term{})} {
		if bad.validate("x", 0) == nil {
			t.Errorf("%s is let through", bad.String())
		}
	}
}

func TestNamed(t *testing.T) {
	for service, want := range map[string]string{"order": "/order/**", `a"b\c`: `/a"b\c/**`, "{x}": "/{x}/**"} {
		got, err := Named(PathMatch{Kind: PathPattern, Value: "/" + LocatorService + "/**"}, service)
		if err != nil || got.Value != want {
			t.Errorf("%s: %v, %v", service, got, err)
		}
	}
}
