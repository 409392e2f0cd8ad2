package explain

import (
	"testing"

	"paifang/internal/model"
)

func TestWhyAPathIsLater(t *testing.T) {
	prefix := func(v string) model.PathMatch { return model.PathMatch{Kind: model.PathPrefix, Value: v} }
	regex := func(v string) model.PathMatch { return model.PathMatch{Kind: model.PathRegex, Value: v} }
	for _, c := range []struct {
		win, p model.PathMatch
		want   string
	}{
		{prefix("/order"), prefix("/o"), "shorter"},
		{prefix("/o"), model.PathMatch{}, "shorter"},
		{prefix("/b"), regex("/a"), "as long, an expression"},
		{regex("/b"), regex("/a"), "as long, later by its text"},
		{prefix("/b"), prefix("/b/"), "as long, later by its text"},
		{prefix("/b"), model.PathMatch{Kind: model.PathStart, Value: "/b"}, "as long"},
	} {
		if got := laterPath(c.win, c.p); got != c.want {
			t.Errorf("%s after %s is %q, want %q", c.p, c.win, got, c.want)
		}
	}
}
