package springgw

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/document"
)

// property is a node of a document as Spring Boot sees it: keys with dots taken apart, list items by index, and
// names compared without case, dashes and underscores (Spring Boot reference, "Relaxed Binding").
type property struct {
	name  string // as written
	line  int
	leaf  *document.Node // of a scalar
	kids  []*property    // in the order of the file
	items map[int]*property
}

func newProperty(root *document.Node) *property {
	p := &property{line: root.Line}
	p.merge(root)
	return p
}

// merge adds what a YAML node says. Aliases were resolved by the document package, which bounds depth and size.
func (p *property) merge(n *document.Node) {
	switch n.Kind {
	case document.Map:
		for _, e := range n.Keys {
			p.at(e.Key, e.Line).merge(e.Value)
		}
	case document.List:
		for i, item := range n.Items {
			p.item(i, item.Line).merge(item)
		}
	case document.Null:
	default:
		p.leaf = n
	}
}

// at returns the property below p that a key names: "a.b[0].c" is three steps and an index.
func (p *property) at(key string, line int) *property {
	for key != "" {
		if inner, ok := strings.CutPrefix(key, "["); ok {
			text, rest, _ := strings.Cut(inner, "]")
			key = strings.TrimPrefix(rest, ".")
			if i, err := strconv.Atoi(text); err == nil && i >= 0 && i < 1<<20 {
				p = p.item(i, line)
			} else {
				p = p.child(text, line)
			}
			continue
		}
		end := strings.IndexAny(key, ".[")
		if end < 0 {
			end = len(key)
		}
		p = p.child(key[:end], line)
		key = strings.TrimPrefix(key[end:], ".")
	}
	return p
}

func (p *property) child(name string, line int) *property {
	if k := p.get(name); k != nil {
		return k
	}
	k := &property{name: name, line: line}
	p.kids = append(p.kids, k)
	return k
}

func (p *property) item(i, line int) *property {
	if p.items == nil {
		p.items = map[int]*property{}
	}
	if p.items[i] == nil {
		p.items[i] = &property{name: strconv.Itoa(i), line: line}
	}
	return p.items[i]
}

// get returns the property below p at a path of relaxed names, or nil. It may be called on nil.
func (p *property) get(path ...string) *property {
	for _, name := range path {
		if p == nil {
			return nil
		}
		var next *property
		for _, k := range p.kids {
			if relaxed(k.name) == relaxed(name) {
				next = k
				break
			}
		}
		p = next
	}
	return p
}

// list returns the items in their order. Where a list holds one scalar in place of a list, as in "predicates: Path=/a", it
// is that one.
func (p *property) list() []*property {
	if p == nil {
		return nil
	}
	var out []*property
	for _, i := range slices.Sorted(maps.Keys(p.items)) {
		out = append(out, p.items[i])
	}
	if len(out) == 0 && p.leaf != nil {
		out = append(out, &property{line: p.line, leaf: p.leaf})
	}
	return out
}

// text returns the scalar as it is written. It may be called on nil.
func (p *property) text() string {
	if p == nil || p.leaf == nil {
		return ""
	}
	return strings.TrimSpace(p.leaf.Text)
}

// values returns all scalars in and below p, in the order of the file.
func (p *property) values() []string {
	if p == nil {
		return nil
	}
	if p.leaf != nil {
		return []string{p.text()}
	}
	var out []string
	for _, item := range p.list() {
		out = append(out, item.values()...)
	}
	for _, k := range p.kids {
		out = append(out, k.values()...)
	}
	return out
}

// isTrue tells whether the scalar is a true of Spring's conversion.
func (p *property) isTrue() bool {
	switch strings.ToLower(p.text()) {
	case "true", "on", "yes", "1":
		return true
	}
	return false
}

func relaxed(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(name, "-", ""), "_", ""))
}
