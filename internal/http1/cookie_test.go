package http1

import (
	"strings"
	"testing"
)

func TestDelCookies(t *testing.T) {
	for _, c := range []struct {
		n    int
		sent []string
		want []string
	}{
		{0, []string{"a=1; tok=GOOD; b=2"}, []string{"a=1; b=2"}},
		{0, []string{"tok=GOOD; b=2; tok=evil"}, []string{"b=2"}},
		{0, []string{"tok=GOOD"}, nil},
		{0, []string{"a=1;tok=x;tok =y ;\ttok=z;b"}, []string{"a=1;b"}},
		{0, []string{"tok=x", "a=1", "b=2; tok=y"}, []string{"a=1", "b=2"}},
		{0, []string{"a=1; Tok=x; xtok=y; tok"}, []string{"a=1; Tok=x; xtok=y; tok"}},
		{1, []string{"tok =evil; tok=GOOD; a=1", "tok=evil"}, []string{"tok=GOOD; a=1"}},
		{2, []string{"tok=1; tok=2; tok=3"}, []string{"tok=1; tok=2"}},
	} {
		var f Fields
		var mem Arena
		f.Add("X", "tok=other")
		for _, v := range c.sent {
			f.Add("cookie", v)
		}
		f.DelCookies("tok", c.n, &mem)
		var got []string
		for v := range f.Values("Cookie") {
			got = append(got, v)
		}
		if strings.Join(got, "|") != strings.Join(c.want, "|") || f.Get("X") != "tok=other" {
			t.Errorf("%d of %q: %q, want %q", c.n, c.sent, got, c.want)
		}
	}
}
