package document

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// same compares what is remembered with what is read from nothing.
func same(t *testing.T, m *Memory, text string) ([]Document, int) {
	t.Helper()
	before := m.parsed
	got, problems := m.Split("f.yaml", []byte(text))
	want, wantProblems := Split("f.yaml", []byte(text))
	if !reflect.DeepEqual(problems, wantProblems) {
		t.Errorf("problems %v, want %v, of\n%s", problems, wantProblems, text)
	}
	if len(got) != len(want) {
		t.Fatalf("%d documents, want %d, of\n%s", len(got), len(want), text)
	}
	for i := range got {
		weightless(got[i].Root)
		weightless(want[i].Root)
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("document %d differs, of\n%s\n got %s\nwant %s", i, text, got[i].Root.JSON(), want[i].Root.JSON())
		}
	}
	return got, m.parsed - before
}

// weightless takes away what counts only while a document is read.
func weightless(n *Node) {
	n.weight = 0
	for _, item := range n.Items {
		weightless(item)
	}
	for _, e := range n.Keys {
		weightless(e.Value)
	}
	for _, e := range n.repeat {
		weightless(e.Value)
	}
}

func blockItems(n int, change func(i int) string) string {
	var b strings.Builder
	for i := range n {
		if c := change(i); c != "" {
			b.WriteString(c)
			continue
		}
		fmt.Fprintf(&b, "    - id: r%d\n      predicates:\n      - Path=/%d/**\n      # why\n\n      uri: lb://s # there\n", i, i)
	}
	return b.String()
}

func asBefore(int) string { return "" }

func at(i int, text string) func(int) string {
	return func(n int) string {
		if n == i {
			return text
		}
		return ""
	}
}

// TestMemory: the same comes out of it as of reading everything again, and what did not change is not parsed.
func TestMemory(t *testing.T) {
	m := &Memory{}
	const head, tail = "a:\n  b: 1\n  routes:\n", "  c: [x, y]\nd:\n  e: 'f'\n"
	for _, c := range []struct {
		name, text string
		parsed     int
	}{
		{"first", head + blockItems(50, asBefore) + tail, 50},
		{"again", head + blockItems(50, asBefore) + tail, 0},
		{"one changed", head + blockItems(50, at(20, "    - id: other\n      uri: lb://t\n      x: 1\n      y: 2\n      z: 3\n      q: |\n        - no\n        - item\n")) + tail, 1},
		{"and back", head + blockItems(50, asBefore) + tail, 1},
		{"one more at the end", head + blockItems(51, asBefore) + tail, 1},
		{"one in front", head + "    - {id: first, uri: 'lb://s'}\n" + blockItems(51, asBefore) + tail, 1},
		{"all moved", "# a comment\n" + head + blockItems(51, asBefore) + tail, 0},
		{"a document before it", "x: 1\n---\n" + head + blockItems(51, asBefore) + tail + "---\ny: 2\n", 0},
		{"the head changed", "b: 3\n" + head + blockItems(51, asBefore) + tail, 0},
		{"lines that end in CR LF", strings.ReplaceAll(head+blockItems(20, asBefore)+tail, "\n", "\r\n"), 20},
		{"no end of line", strings.TrimSuffix(head+blockItems(20, asBefore), "\n"), 20},
		{"a dash alone", head + blockItems(20, at(3, "    -\n      # what\n      id: x\n")) + tail, 2},
		{"nothing in an item", head + blockItems(20, at(3, "    -\n    - null\n    - - a\n      - b\n    - 'text'\n")) + tail, 4},
		{"no depth", "routes:\n" + strings.ReplaceAll(blockItems(20, asBefore), "\n    ", "\n")[4:] + "d: 1\n", 20},
	} {
		if _, parsed := same(t, m, c.text); parsed != c.parsed {
			t.Errorf("%s: %d items parsed, want %d", c.name, parsed, c.parsed)
		}
	}
}

// TestMemoryOfJSON: a list of JSON, by itself or as a member, over lines or on one.
func TestMemoryOfJSON(t *testing.T) {
	items := func(n int, changed int) string {
		var all []string
		for i := range n {
			text := fmt.Sprintf(`{"id": "r%d", "predicates": ["Path=/%d/[a,b]\\\"]", "x"], "uri": "lb://s"}`, i, i)
			if i == changed {
				text = "{\n  \"id\": \"o\"\n}"
			}
			all = append(all, text)
		}
		return strings.Join(all, ",\n")
	}
	m := &Memory{}
	for i, c := range []struct {
		text   string
		parsed int
	}{
		{"[" + items(40, -1) + "]", 40},
		{"[" + items(40, -1) + "]", 0},
		{"[" + items(40, 7) + "]", 1},
		{"{\"a.b.routes\": [\n" + items(40, 7) + "\n], \"c\": {\"d\": [1, 2]}}\n", 0},
		{"{\"a\": [" + strings.ReplaceAll(items(40, 7), "\n", " ") + "]}", 1},
		{"[" + items(40, -1) + ",]", 0}, // no JSON
		{"[" + items(15, -1) + "]", 0},  // too short
		{"[" + items(16, -1) + `, null, [], {}, 1, true, "a", "&b"]`, 0},
	} {
		if _, parsed := same(t, m, c.text); parsed < c.parsed || c.parsed > 0 && parsed != c.parsed {
			t.Errorf("%d: %d items parsed, want %d", i, parsed, c.parsed)
		}
	}
}

// TestMemoryOfOddLists: what could mean something else in parts is read as a whole, and means what it meant.
func TestMemoryOfOddLists(t *testing.T) {
	many := strings.Repeat("    - x\n", 30)
	for _, text := range []string{
		"a: |\n" + many + "b: 1\n",
		"a: >\n  text\n" + many + "b: 1\n",
		"a: \"\n" + many + "\"\nb: 1\n",
		"a: 'x\n" + many + "'\n",
		"a: [\n" + many + "]\n",
		"a: text\n" + many,
		"a: &x\n" + many + "b: *x\n",
		"a:\n" + many + "    - &x {a: 1}\n    - *x\n",
		"a:\n" + many + "    - *x\n",
		"a:\n" + many + "    - b: 'open\n    - still'\n    - c\n",
		"a:\n" + many + "    - {b: 1,\n    c: 2}\n    - c\n",
		"a:\n" + many + "    - {b: 1\n    - c\n",
		"a:\n" + many + "    - b: 1\n      b: 2\n",
		"a:\n" + many + "    - b: 1\n     c: 2\n",
		"a:\n" + many + "   - b\n",
		"a:\n" + many + "\t- b\n",
		"a:\n" + many + "    -b\n",
		"a:\n" + many + "    b: 1\n",
		"a:\n" + many + "    - !odd b\n",
		"a:\n" + many + "    - \"\\q\"\n",
		"a:\n" + many + "    - b\rc\n    - d\n",
		"a:\n" + many + "    - b\u2028c\n    - d\n",
		"a:\n" + many + "    - b\u0085c\n    - d\n",
		"a:\n" + many + "    - |2\n      b\n    # c\n    - |-\n      d\n\n\n    - >+\n      e\n\n",
		"a:\n" + many + "...\nb: 1\n",
		"a:\n" + many + "a:\n" + many,
		"%YAML 1.1\n---\na:\n" + many,
		"- a:\n" + many + "- b:\n" + many,
		"a:\n" + many + "    - \xff\n",
		"'the items of a list':\n- 'the items of a list'\n" + many,
		strings.Repeat("- ", 30) + "\n" + many,
		strings.Repeat("[", 30) + strings.Repeat("]", 30),
		"[" + strings.Repeat("[],", 30) + "[" + strings.Repeat("{},", 30) + "1]]",
	} {
		m := &Memory{}
		same(t, m, text)
		same(t, m, text+"# more\n")
		same(t, m, "# more\n"+text)
	}
}

// FuzzMemory: whatever a file says, remembering changes nothing.
func FuzzMemory(f *testing.F) {
	f.Add("a:\n"+blockItems(17, asBefore), uint16(40), "x")
	f.Add("["+strings.Repeat("{\"a\": [1]},", 20)+"1]", uint16(9), "\n")
	f.Add("a:\n  - b: \"c\n  d\"\n"+strings.Repeat("  - {a: 'b', c: &d e}\n", 18), uint16(60), "'")
	f.Fuzz(func(t *testing.T, text string, place uint16, insert string) {
		if len(text) > 4<<10 {
			return
		}
		m := &Memory{}
		same(t, m, text)
		p := int(place) % (len(text) + 1)
		same(t, m, text[:p]+insert+text[p:])
		same(t, m, text)
	})
}
