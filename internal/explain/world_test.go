package explain

import (
	"path/filepath"
	"testing"
)

func TestShown(t *testing.T) {
	slash := filepath.FromSlash
	for _, c := range []struct{ dir, file, want string }{
		{"/rules", "/rules/3-ingress.yaml", "3-ingress.yaml"},
		{"/rules", "/rules/more/a.yaml", "more/a.yaml"},
		{"/rules/a.yaml", "/rules/a.yaml", "a.yaml"},
		{"/rules", "/elsewhere/a.yaml", slash("/elsewhere/a.yaml")},
		{"/rules", "/rules..more/a.yaml", slash("/rules..more/a.yaml")},
		{"", "/rules/a.yaml", slash("/rules/a.yaml")},
		{"/rules", "", ""},
	} {
		if got := Shown(slash(c.dir), slash(c.file)); got != c.want {
			t.Errorf("%s for who watches %s: %s, want %s", c.file, c.dir, got, c.want)
		}
	}
}
