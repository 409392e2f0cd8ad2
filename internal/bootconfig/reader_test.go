package bootconfig

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func listOf(n, odd int, text string) string {
	var b strings.Builder
	b.WriteString("a:\n  list:\n")
	for i := range n {
		if i == odd {
			b.WriteString(text)
			continue
		}
		fmt.Fprintf(&b, "  - name: n%d\n    of: '${of.%d:none}'\n    plain: [x, {y: z}]\n", i, i%2)
	}
	return b.String()
}

// TestReaderKeepsItems: an item that says what it said where it said it is the same Property, filled in too, and no other.
func TestReaderKeepsItems(t *testing.T) {
	var r Reader
	var m Merged
	read := func(text string) []*Property {
		t.Helper()
		docs, problems := r.Read("a.yml", []byte(text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		m = m.Again([]File{{"a.yml", docs}}, Settings{})
		fresh, _ := Read("a.yml", []byte(text))
		if want := Merge([]File{{"a.yml", fresh}}, Settings{}); !reflect.DeepEqual(m.Root, want.Root) {
			t.Errorf("something else is read than at first, of\n%s", text)
		}
		return m.Root.Get("a", "list").List()
	}
	was := read(listOf(20, -1, ""))
	for _, c := range []struct {
		what, text string
		others     string // indices of items that are others
	}{
		{"the same", listOf(20, -1, ""), ""},
		{"one of it", listOf(20, 7, "  - name: x\n    of: 1\n    z: 2\n"), "7"},
		{"back", listOf(20, -1, ""), "7"},
		{"a placeholder's value", listOf(20, -1, "") + "of: {1: one}\n", "1 3 5 7 9 11 13 15 17 19"},
		{"a part of one", listOf(20, -1, "") + "of: {1: one}\na.list[4].plain: 5\n", "4"},
		{"a part of the same one", listOf(20, -1, "") + "of: {1: one}\na.list[4].plain: 6\n", "4"},
		{"not any more", listOf(20, -1, "") + "of: {1: one}\n", "4"},
		{"a line less behind", listOf(20, 18, "  - {name: a, of: b}\n") + "of: {1: one}\n", "18 19"},
	} {
		now := read(c.text)
		var others []string
		for i := range now {
			if now[i] != was[i] {
				others = append(others, fmt.Sprint(i))
			}
		}
		if got := strings.Join(others, " "); got != c.others {
			t.Errorf("%s: others are %q, want %q", c.what, got, c.others)
		}
		was = now
	}
}

func TestWithout(t *testing.T) {
	docs, _ := Read("a.yml", []byte("a: {b: {c: 1, d: 2}, e: 3}\nf: 4\n"))
	root := docs[0].Root
	got := root.Without("A", "b", "c")
	if got.Find("a.b.c") != nil || got.Find("a.b.d").Text() != "2" || got.Find("a.e").Text() != "3" || got.Find("f").Text() != "4" || root.Find("a.b.c").Text() != "1" {
		t.Errorf("%v", got.Flat())
	}
	if root.Without("a", "x") != root || got.Equal(root) || !got.Equal(root.Without("a", "b", "c")) {
		t.Error("properties are not told apart by what they say")
	}
}

// TestHoles: a list that begins in its middle is none, and takes nobody else's place.
func TestHoles(t *testing.T) {
	for _, text := range []string{"spring.list[1].x = 1\nspring.list[1].y = 2\nspring.other = 3\n", "spring.list[0] = 1\nspring.list[2] = 2\nspring.other = 3\n"} {
		docs, problems := Read("application.properties", []byte(text))
		if len(problems) != 1 || problems[0].Field != "spring.list" || !strings.Contains(problems[0].Message, "with which Spring does not start") || problems[0].Line < 1 {
			t.Errorf("%q: %v", text, problems)
		}
		yml, _ := Read("application.yml", []byte("spring.list: [7, 8]\n"))
		m := Merge([]File{{"application.yml", yml}, {"application.properties", docs}}, Settings{})
		if list := m.Root.Get("spring", "list").List(); len(list) != 2 || m.Root.Get("spring", "other").Text() != "3" {
			t.Errorf("%q: %d items", text, len(list))
		}
	}
	if _, problems := Read("a.yml", []byte("spring: {'list[0]': 1, 'list[1]': {'of[1]': 2}}\n")); len(problems) != 1 || problems[0].Field != "spring.list[1].of" {
		t.Error(problems)
	}
	if _, problems := Read("a.properties", []byte("app.names[1] = x\n")); len(problems) > 0 { // it may be filled in code
		t.Error(problems)
	}
	if _, problems := Read("a.properties", []byte("spring[1].b = 1\nspring[0].b = 2\n")); len(problems) > 0 {
		t.Error(problems)
	}
}
