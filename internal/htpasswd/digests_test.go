package htpasswd

import (
	"slices"
	"testing"
)

// The first sum is that of "ann:the shop:secret".
const digestFile = `# users
ann:the shop:4eae299c18bfe2d51a80bd0a5c30eeed
ann:the depot:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
ann:the shop:00000000000000000000000000000000
bob:the shop:0123456789abcdef0123456789abcdef:a comment

eve:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
short:the shop:0123
line
:the shop:0123456789abcdef0123456789abcdef
`

func TestDigests(t *testing.T) {
	d, problems := ParseDigests(digestFile)
	for _, c := range []struct{ realm, name, sum string }{
		{"the shop", "ann", "4eae299c18bfe2d51a80bd0a5c30eeed"},
		{"the depot", "ann", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{"the shop", "bob", "0123456789abcdef0123456789abcdef"},
	} {
		if sum, known := d.Find(c.realm, c.name); !known || sum != c.sum {
			t.Errorf("%s of %s: %q", c.name, c.realm, sum)
		}
	}
	for _, c := range [][2]string{{"the depot", "bob"}, {"", "ann"}, {"the shop", "eve"}, {"the shop", "short"}, {"the shop", ""}} {
		if sum, known := d.Find(c[0], c[1]); known || len(sum) != 32 {
			t.Errorf("%s of %s is known: %q", c[1], c[0], sum)
		}
	}
	if d.Len("the shop") != 2 || d.Len("the depot") != 1 || d.Len("") != 0 {
		t.Errorf("%d, %d", d.Len("the shop"), d.Len("the depot"))
	}
	var at []int
	for _, p := range problems {
		at = append(at, p.Line)
	}
	if !slices.Equal(at, []int{7, 8, 9, 10}) {
		t.Errorf("%v", problems)
	}
}
