package model

import (
	"regexp"
	"slices"
	"testing"
)

func TestLookAheads(t *testing.T) {
	for text, want := range map[string]Expression{
		`/a`:                       {Text: `/a`},
		`/(?!api)(.*)`:             {`/(.*)`, []Ahead{{`/(?:api)`, true}}},
		`/v1\.0/(?=a|b)(?!c).*`:    {`/v1\.0/.*`, []Ahead{{`/v1\.0/(?:a|b)`, false}, {`/v1\.0/(?:c)`, true}}},
		`/(?![)]|\)).*`:            {`/.*`, []Ahead{{`/(?:[)]|\))`, true}}},
		`/(?!a)x|/b`:               {Text: `/(?!a)x|/b`}, // it is asked of the first alternative only
		`/(?!(a))b`:                {Text: `/(?!(a))b`},  // its group would be missed
		`/(?!a)*b`:                 {Text: `/(?!a)*b`},
		`/a*(?!b)`:                 {Text: `/a*(?!b)`},
		`/(?!a(?!b))c`:             {Text: `/(?!a(?!b))c`},
		`/(?!a`:                    {Text: `/(?!a`},
		`/(a)(?!b)`:                {Text: `/(a)(?!b)`},
		`/ab?(?!c)`:                {Text: `/ab?(?!c)`},
		`/(?!api)(?:x|y)[|](a\|b)`: {`/(?:x|y)[|](a\|b)`, []Ahead{{`/(?:api)`, true}}},
	} {
		if got := ParseExpression(text); got.Text != want.Text || !slices.Equal(got.Ahead, want.Ahead) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// FuzzCoverExpression: whatever an expression matches that RE2 has, its cover matches, although it is made without looking whether RE2
// has it.
func FuzzCoverExpression(f *testing.F) {
	for _, s := range [][2]string{{`/a}+b`, `/a}}b`}, {`/a{2}?b`, `/aab`}, {`/[]+]+x`, `/]+x`}, {`/\Q*+a\E`, `/*+a`}, {`/a{b}+c`, `/a{b}}c`}, {`/(?i:A)\pL`, `/aé`}, {`/a|b`, `xb`}, {`/a??b`, `/b`}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		re, err := regexp.Compile("^" + text)
		if err != nil || len(text) > 200 {
			_ = CoverExpression(text)
			return
		}
		cover, err := regexp.Compile("^" + CoverExpression(text))
		if err != nil {
			t.Fatalf("%q: its cover %q: %v", text, CoverExpression(text), err)
		}
		if re.MatchString(path) && !cover.MatchString(path) {
			t.Errorf("%q matches %q, and its cover %q does not", text, path, CoverExpression(text))
		}
	})
}
