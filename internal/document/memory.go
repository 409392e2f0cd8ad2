package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
)

// Memory makes reading a file again cost what has changed in it: in the longest list of a document, an item with the text that it had
// before is not parsed again. One that stands where it stood is the same Node as before. The zero Memory has nothing.
type Memory struct {
	items  map[sum]remembered
	parsed int // items so far
}

// remembered is an item with the line that its text began on.
type remembered struct {
	node *Node
	line int
}

// sum tells texts of items apart: half of a SHA-256 is as much as nobody can make two texts for.
type sum [sha256.Size / 2]byte

// longList is the number of items from which on a list is read one by one.
const longList = 16

// marker stands in a document for the items of its list while the rest is parsed.
const marker = "the items of a list"

// Split is the function Split, from what is remembered. What was not in the file any more is forgotten, unless a part of it
// cannot be read, which is mended more often than not.
func (m *Memory) Split(file string, data []byte) ([]Document, []Problem) {
	var docs []Document
	var problems []Problem
	now := make(map[sum]remembered, len(m.items))
	for _, p := range Parts(data) {
		d, problem := m.read(file, p, now)
		switch {
		case problem != nil:
			problems = append(problems, *problem)
		case d.Root != nil:
			docs = append(docs, d)
		}
	}
	if problems == nil {
		m.items = now
	}
	return docs, problems
}

// read reads a part. Whatever is unusual about it has it read as a whole, which says what is wrong with it, if anything is.
func (m *Memory) read(file string, p Part, now map[sum]remembered) (Document, *Problem) {
	whole := func() (Document, *Problem) { return p.Read(file) }
	c, ok := cutList(p.Text)
	if !ok {
		return whole()
	}
	root, err := read(c.rest, p.Line-1)
	if err != nil || root == nil {
		return whole()
	}
	list := root.marked(p.Line + c.line)
	if list == nil {
		return whole()
	}
	list.Items = make([]*Node, 0, len(c.items))
	for _, it := range c.items {
		n := m.item(it, p.Line+it.line, now)
		if n == nil {
			return whole()
		}
		list.Items = append(list.Items, n)
	}
	return Document{File: file, Root: root}, nil
}

// item returns an item whose text begins on a line, or nil where it cannot be read alone.
func (m *Memory) item(it listItem, line int, now map[sum]remembered) *Node {
	text := sha256.Sum256(it.text)
	key := sum(text[:len(sum{})])
	r, ok := now[key] // of an item with the same text
	if !ok {
		r, ok = m.items[key]
	}
	switch {
	case !ok:
		root, err := read(it.text, line-1)
		m.parsed++
		if err != nil || root == nil {
			return nil
		}
		if it.dashed {
			if root.Kind != List || len(root.Items) != 1 {
				return nil
			}
			root = root.Items[0]
		}
		r = remembered{root, line}
	case r.line != line:
		r = remembered{r.node.moved(line - r.line), line}
	}
	now[key] = r
	return r.node
}

// moved returns a copy of a node that stands some lines further down. The node has no aliases.
func (n *Node) moved(by int) *Node {
	out := *n
	out.Line += by
	out.Items, out.Keys, out.repeat = nil, movedEntries(n.Keys, by), movedEntries(n.repeat, by)
	for _, item := range n.Items {
		out.Items = append(out.Items, item.moved(by))
	}
	return &out
}

func movedEntries(all []Entry, by int) []Entry {
	var out []Entry
	for _, e := range all {
		out = append(out, Entry{e.Key, e.Line + by, e.Value.moved(by)})
	}
	return out
}

// marked finds the list whose only item is the marker, on a line.
func (n *Node) marked(line int) *Node {
	if n.Kind == List && len(n.Items) == 1 {
		if m := n.Items[0]; m.Kind == Text && m.Text == marker && m.Line == line {
			return n
		}
	}
	for _, item := range n.Items {
		if found := item.marked(line); found != nil {
			return found
		}
	}
	for _, e := range n.Keys {
		if found := e.Value.marked(line); found != nil {
			return found
		}
	}
	return nil
}

// cut is a document whose longest list was taken out of it.
type cut struct {
	rest  []byte // the document with the marker for all items, and its lines where they were
	line  int    // of the marker, from 0
	items []listItem
}

// listItem is the text of one item. It is parsed by itself.
type listItem struct {
	text   []byte
	line   int  // its first, from 0 at the document's
	dashed bool // it is a list of one item, as in YAML's block style
}

// cutList takes the longest list out of a document: of block style, or of JSON. It guesses by lines, and is no reader of YAML:
// whether the list was one is seen when the rest is parsed and has the marker where a list can be. ok is false where there is none, and where an
// item could mean something else by itself: anchors reach from one item to another.
func cutList(text []byte) (cut, bool) {
	if oddBreaks(text) {
		return cut{}, false
	}
	if t := bytes.TrimSpace(text); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		if !json.Valid(t) {
			return cut{}, false
		}
		return cutJSON(text)
	}
	if anchors(text) {
		return cut{}, false
	}
	return cutBlock(text)
}

// oddBreaks tells whether a text has line breaks that YAML counts and others do not.
func oddBreaks(text []byte) bool {
	for rest := text; ; {
		i := bytes.IndexByte(rest, '\r')
		if i < 0 {
			break
		}
		if i+1 == len(rest) || rest[i+1] != '\n' {
			return true
		}
		rest = rest[i+1:]
	}
	return bytes.Contains(text, []byte("\u0085")) || bytes.Contains(text, []byte("\u2028")) || bytes.Contains(text, []byte("\u2029"))
}

// anchors tells whether a text may have an anchor: an ampersand where a value can begin.
func anchors(text []byte) bool {
	for rest := text; ; {
		i := bytes.IndexByte(rest, '&')
		if i < 0 {
			return false
		}
		if i == 0 || bytes.IndexByte([]byte(" \t\r\n[{,:"), rest[i-1]) >= 0 {
			return true
		}
		rest = rest[i+1:]
	}
}

// without is the document with the marker in place of what is between two places, and as many line breaks as were there.
func without(text []byte, from, to int, mark string) []byte {
	breaks := bytes.Count(text[from:to], []byte("\n"))
	out := make([]byte, 0, len(text)-(to-from)+len(mark)+breaks)
	out = append(append(out, text[:from]...), mark...)
	out = append(out, bytes.Repeat([]byte("\n"), breaks)...)
	return append(out, text[to:]...)
}
