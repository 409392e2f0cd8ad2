package snapshot

import (
	"testing"

	"paifang/internal/model"
)

func TestVersionText(t *testing.T) {
	json := []model.VersionPlace{{MediaType: "application/json", Parameter: "v"}}
	anyJSON := []model.VersionPlace{{MediaType: "application/*+json", Parameter: "v"}}
	for _, c := range []struct {
		in                        []model.VersionPlace
		path, accept, contentType string
		want                      string
		said                      bool
	}{
		{[]model.VersionPlace{{Segment: 1}}, "/v1/a", "", "", "v1", true},
		{[]model.VersionPlace{{Segment: 2}}, "/v1/a", "", "", "a", true},
		{[]model.VersionPlace{{Segment: 3}}, "/v1/a", "", "", "", true},
		{json, "/", "application/json;v=1", "", "1", true},
		{json, "/", `text/x;a="q\",application/json;v=9", application/JSON ; V="2"`, "", "2", true},
		{json, "/", "*/*, application/json;v=1", "", "", false},
		{json, "/", "application/*;v=3", "", "3", true},
		{json, "/", "application/*+json;v=4", "", "4", true},
		{json, "/", "application/vnd.a+json;v=4", "", "", false},
		{json, "/", "text/*;v=4", "application/json; v=5", "5", true},
		{anyJSON, "/", "application/vnd.a+json;v=4", "", "4", true},
		{anyJSON, "/", "application/json;v=4", "", "4", true},
		{anyJSON, "/", "application/xjson;v=4", "", "", false},
	} {
		q := asked{path: c.path}
		q.values[InHeaders] = map[string][]string{"Accept": {c.accept}, "Content-Type": {c.contentType}}
		if text, said := VersionText(q, c.in); text != c.want || said != c.said {
			t.Errorf("%v: %q, %v", c, text, said)
		}
	}
}

func TestVersions(t *testing.T) {
	in := []model.VersionPlace{{Header: "X-V"}, {Query: "v"}}
	for _, c := range []struct {
		is, otherwise, header, query string
		want                         bool
	}{
		{"1.2", "", "1.2.0", "", true},
		{"1.2", "", "1.10", "", false},
		{"1.2+", "", "1.10", "", true},
		{"1.2+", "", "1.1", "2", false}, // the first place that has one counts
		{"1.2+", "", "", "2", true},
		{"1.2", "", "", "", true},
		{"1.2", "1", "", "", false},
		{"1.2", "v1.2", "", "", true},
		{"1.2", "", "latest", "", true},
	} {
		r, err := NewRoute(&model.Route{Match: model.Match{Versions: []model.VersionMatch{{In: in, Is: c.is, Default: c.otherwise}}}})
		if err != nil {
			t.Fatal(err)
		}
		q := asked{path: "/"}
		if c.header != "" {
			q.values[InHeaders] = map[string][]string{"X-V": {c.header}}
		}
		if c.query != "" {
			q.values[InQuery] = map[string][]string{"v": {c.query}}
		}
		if got := r.takes("/", q); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
