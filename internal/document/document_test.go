package document

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string // "line json"
		problems []string
	}{
		{"empty", "", nil, nil},
		{"comments only", "# a\n---\n# b\n---\n", nil, nil},
		{"one", "a: 1\n", []string{`1 {"a":1}`}, nil},
		{"two and a byte order mark", "\xef\xbb\xbfa: 1\n---\n\n# x\nb: [y, 'y', 2]\n", []string{`1 {"a":1}`, `5 {"b":[true,"y",2]}`}, nil},
		{"divider with content", "--- {a: 1}\n--- # c\nb: 2", []string{`1 {"a":1}`, `3 {"b":2}`}, nil},
		{"no divider inside a line", "a: |\n  ---\n  x\nb: ---\n", []string{`1 {"a":"---\nx\n","b":"---"}`}, nil},
		{"the broken one does not stop the others", "a: 1\n---\na: b: c\n---\nc: 3\n", []string{`1 {"a":1}`, `5 {"c":3}`},
			[]string{"f.yaml:3: is not YAML: mapping values are not allowed in this context"}},
		{"broken list", "a: 1\n---\nx:\n  - [1,\ny: 2\n", []string{`1 {"a":1}`}, []string{"f.yaml:4: is not YAML: did not find expected ',' or ']'"}},
		{"tab", "a:\n\tb: 1\n", nil, []string{"f.yaml:2: is not YAML: found character that cannot start any token"}},
		{"anchors and merge", "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", []string{`1 {"a":{"x":1,"y":2},"b":{"y":3,"x":1}}`}, nil},
		{"an anchor in itself", "a: &a [*a]\n", nil, []string{`f.yaml:1: anchor "a" contains itself`}},
		{"a tag", "a: !!foo 1\n", nil, []string{"f.yaml:1: tag !!foo is not supported"}},
		{"a list as key", "? [a]\n: 1\n", nil, []string{"f.yaml:1: a key must be text"}},
		{"no numbers in JSON", "[.inf, .nan, 1e400, 0x10, 1_000, ~, 2001-01-01]", []string{`1 [".inf",".nan","1e400",16,1000,null,"2001-01-01"]`}, nil},
		{"not UTF-8", "a: 1\n---\nb: \xff\n---\nc: 3", []string{`1 {"a":1}`, `5 {"c":3}`}, []string{"f.yaml:3: is not YAML: a byte is not UTF-8"}},
		{"ended and more", "a: 1\n...\nb: 2\n", nil, []string{"f.yaml:3: is not YAML: more follows the end of the document; divide documents with ---"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs, problems := Split("f.yaml", []byte(tt.in))
			var got, gotProblems []string
			for _, d := range docs {
				if !json.Valid(d.Root.JSON()) {
					t.Errorf("not JSON: %s", d.Root.JSON())
				}
				got = append(got, fmt.Sprintf("%d %s", d.Root.Line, d.Root.JSON()))
			}
			for _, p := range problems {
				gotProblems = append(gotProblems, p.Error())
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("documents\n got %q\nwant %q", got, tt.want)
			}
			if fmt.Sprint(gotProblems) != fmt.Sprint(tt.problems) {
				t.Errorf("problems\n got %q\nwant %q", gotProblems, tt.problems)
			}
		})
	}
}

func TestSplitRefusesABillionLaughs(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	docs, problems := Split("f", []byte(b.String()))
	if len(docs) != 0 || len(problems) != 1 {
		t.Fatalf("%d documents, problems %v", len(docs), problems)
	}
	_, problems = Split("f", []byte(strings.Repeat("[", 5000)+strings.Repeat("]", 5000)))
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "nested deeper") {
		t.Fatalf("problems %v", problems)
	}
}

const ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    paifang.dev/filters: "[]"
spec:
  rules:
    - host: shop.test
      http:
        paths:
          - path: /
            pathType: Prefix
          - pathType: Exact
            path: /order
`

// TestLinesAreThoseOfTheDocument asks a document and what is kept of its lines for paths of which some are there.
func TestLinesAreThoseOfTheDocument(t *testing.T) {
	keys := rapid.SampledFrom([]string{"a", "b", "long-key", "x.y/z", "0"})
	var draw func(t *rapid.T, depth int, line *int) *Node
	draw = func(t *rapid.T, depth int, line *int) *Node {
		*line += rapid.IntRange(0, 200).Draw(t, "lines")
		n := &Node{Line: *line, Kind: Text}
		if depth == 0 {
			return n
		}
		n.Kind = rapid.SampledFrom([]Kind{Null, Text, Map, Map, List, List}).Draw(t, "kind")
		for range rapid.IntRange(0, 4).Draw(t, "size") {
			switch n.Kind {
			case Map:
				e := Entry{Key: keys.Draw(t, "key"), Line: *line}
				e.Value = draw(t, depth-1, line)
				n.Keys = append(n.Keys, e)
			case List:
				n.Items = append(n.Items, draw(t, depth-1, line))
			}
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		line := 1
		d := Document{Root: draw(t, 4, &line)}
		lines := d.Lines()
		for range 20 {
			path := ""
			for range rapid.IntRange(0, 5).Draw(t, "steps") {
				if rapid.Bool().Draw(t, "key") {
					path = below(path, keys.Draw(t, "of"))
				} else {
					path = item(path, rapid.IntRange(-1, 4).Draw(t, "item"))
				}
			}
			if got, want := lines.Line(path), d.Line(path); got != want {
				t.Fatalf("%q is at line %d, want %d", path, got, want)
			}
		}
	})
}

func TestLine(t *testing.T) {
	docs, _ := Split("f", []byte("# first\n---\n"+ingress))
	d := docs[0]
	for path, want := range map[string]int{
		"":              3,
		"kind":          4,
		"metadata.name": 6,
		"metadata.annotations[paifang.dev/filters]":   8,
		`metadata.annotations["paifang.dev/filters"]`: 8,
		"spec.rules[0]":                               11,
		"spec.rules[0].host":                          11,
		"spec.rules[0].http.paths[1].path":            17,
		"spec.rules[0].http.paths[1]":                 16,
		"spec.rules[0].http.paths[1].backend.service": 16, // what is missing is reported where it should stand
		"spec.rules[7]":                               10,
		"spec.rules[-1]":                              10,
		"nothing.at.all":                              3,
		"spec.rules[":                                 10,
	} {
		if got := d.Line(path); got != want {
			t.Errorf("Line(%q) = %d, want %d", path, got, want)
		}
		if got := d.Lines().Line(path); got != want {
			t.Errorf("Lines().Line(%q) = %d, want %d", path, got, want)
		}
	}
	if got := d.Text("spec.rules[0].http.paths[1].path"); got != "/order" {
		t.Errorf("Text = %q", got)
	}
	part, ok := d.At("spec.rules[0]")
	if p := part.Problem("http.paths[1].path", "is %s", "bad"); !ok || p.Error() != "f:17: spec.rules[0].http.paths[1].path: is bad" {
		t.Errorf("problem of a part: %v", p)
	}
	if (Document{}).Line("a.b") != 0 || (Document{}).Lines().Line("a.b") != 0 {
		t.Error("an empty document has lines")
	}
}

func TestHasProperty(t *testing.T) {
	for in, want := range map[string]bool{
		"spring: {cloud: {gateway: {routes: []}}}": true,
		"spring.cloud.gateway.routes[0].id: x":     true,
		"spring.cloud: {gateway: }":                true,
		"spring: {'cloud.gateway[0]': }":           true,
		"spring: {cloud: {gatewayx: 1}}":           false,
		"spring: {cloud: {nacos: 1}}":              false,
		"[spring, cloud]":                          false,
	} {
		docs, _ := Split("f", []byte(in))
		if got := docs[0].HasProperty("spring.cloud.gateway"); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

type sample struct {
	Name   string            `json:"name"`
	Count  *int32            `json:"count,omitempty"`
	Small  uint8             `json:"small"`
	Wait   time.Duration     `json:"wait"`
	On     bool              `json:"on"`
	Share  float64           `json:"share"`
	Bytes  []byte            `json:"bytes"`
	Map    map[string]string `json:"map"`
	List   []inner           `json:"list"`
	Any    any               `json:"any"`
	Raw    json.RawMessage   `json:"raw"`
	Time   time.Time         `json:"time"`
	inner  `json:",inline"`
	hidden string
}

type inner struct {
	PathType string `json:"pathType"`
}

func TestDecode(t *testing.T) {
	docs, _ := Split("f.yaml", []byte(`
name: x
count: 3
small: 255
wait: 1m30s
on: yes
share: 2
bytes: aGk=
map: {a: b}
list: [{pathType: Exact}, ]
any: {k: [1, x]}
raw: {z: 1, a: 2}
time: 2026-01-02T03:04:05Z
pathType: Prefix
`))
	s := sample{hidden: "kept"}
	if p := Decode(docs[0], &s); len(p) > 0 {
		t.Fatal(p)
	}
	if s.Name != "x" || *s.Count != 3 || s.Small != 255 || s.Wait != 90*time.Second || !s.On || s.Share != 2 ||
		string(s.Bytes) != "hi" || s.Map["a"] != "b" || s.List[0].PathType != "Exact" || s.PathType != "Prefix" ||
		string(s.Raw) != `{"z":1,"a":2}` || s.Time.Year() != 2026 || s.hidden != "kept" {
		t.Errorf("%+v", s)
	}
}

func TestDecodeReportsEverything(t *testing.T) {
	docs, _ := Split("f.yaml", []byte(`name: 80
count: many
small: 256
wait: 5
on: "true"
share: x
bytes: "***"
map: {a: 1}
list:
  - pathtype: Exact
  - x
time: monday
name: again
hidden: 1
zzzzzz: 1
map.x/y: 1
`))
	var s sample
	want := []string{
		`f.yaml:13: name: is given twice`,
		`f.yaml:1: name: want text, got a whole number; put it in quotes`,
		`f.yaml:2: count: want a whole number, got text`,
		`f.yaml:3: small: is out of range`,
		`f.yaml:4: wait: want a duration such as "5s" or "100ms"`,
		`f.yaml:5: on: want true or false, got text`,
		`f.yaml:6: share: want a number, got text`,
		`f.yaml:7: bytes: is not base64`,
		`f.yaml:8: map.a: want text, got a whole number; put it in quotes`,
		`f.yaml:10: list[0].pathtype: unknown field: did you mean "pathType"?`,
		`f.yaml:11: list[1]: want a mapping, got text`,
		`f.yaml:12: time: parsing time "monday" as "2006-01-02T15:04:05Z07:00": cannot parse "monday" as "2006"`,
		`f.yaml:14: hidden: unknown field`,
		`f.yaml:15: zzzzzz: unknown field`,
		`f.yaml:16: [map.x/y]: unknown field`,
	}
	var got []string
	for _, p := range Decode(docs[0], &s) {
		got = append(got, p.Error())
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if p := Decode(Document{File: "f"}, &s); len(p) != 1 {
		t.Errorf("a document without content: %v", p)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"pathType", "path", "backend", "service"}
	for word, want := range map[string]string{
		"pathtype": "pathType", "pth": "path", "bakcend": "backend", "serivce": "service", "x": "", "": "",
		"completelyDifferent": "", strings.Repeat("a", 10_000): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}
