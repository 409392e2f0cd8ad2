package bootconfig

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/document"
)

// Reader reads one file again and again, at the cost of what has changed in it: an item of a long list with the text and the line that
// it had is the same Property as before. The zero Reader has read nothing.
type Reader struct {
	documents  document.Memory
	properties properties
}

// Read reads the documents of a file: properties where its name ends so, YAML otherwise. Documents that are no mapping, and
// Kubernetes objects, are passed over.
func (r *Reader) Read(path string, data []byte) ([]Document, []document.Problem) {
	out, problems := r.documentsOf(path, data)
	for _, d := range out {
		for _, k := range d.Root.Kids {
			if Same(k.Name, "spring") { // other lists are the application's own, which may fill them in code
				problems = append(problems, k.leaveHoles(k.Name)...)
			}
		}
	}
	return out, problems
}

func (r *Reader) documentsOf(path string, data []byte) ([]Document, []document.Problem) {
	if filepath.Ext(path) == ".properties" {
		return readProperties(path, data)
	}
	docs, problems := r.documents.Split(path, data)
	r.properties.begin()
	var out []Document
	for _, d := range docs {
		if d.Root.Kind == document.Map && (d.Root.Get("apiVersion") == nil || d.Root.Get("kind") == nil) {
			d.Root.Repeats(func(e document.Entry) {
				problems = append(problems, document.Problem{File: path, Line: e.Line, Field: e.Key, Message: "is given twice: this one has no effect"})
			})
			out = append(out, newDocument(newProperty(path, d.Root, &r.properties)))
		}
	}
	return out, problems
}

// leaveHoles takes lists out that have an item and not the one before it, with which Spring does not start: what such a list says is not taken
// for all of it, nor put in the place of another file's.
func (p *Property) leaveHoles(path string) []document.Problem {
	var out []document.Problem
	for want, i := range slices.Sorted(maps.Keys(p.items)) {
		item := p.items[i]
		if i == want {
			if !item.kept { // lists of YAML have no holes
				out = append(out, item.leaveHoles(fmt.Sprintf("%s[%d]", path, i))...)
			}
			continue
		}
		out = append(out, document.Problem{File: p.File, Line: item.Line, Field: path,
			Message: fmt.Sprintf("has an item [%d] and no [%d], with which Spring does not start: number them from 0 on; the list is left out", i, want)})
		p.items = nil
		break
	}
	for _, k := range p.Kids {
		out = append(out, k.leaveHoles(strings.TrimPrefix(path+"."+k.Name, "."))...)
	}
	return out
}

// properties are those that items of lists came to, in the reading that goes on and the one before it.
type properties struct {
	now, before map[place]*Property
}

// place is an item of a list: the same node is the same property where it has the same index, which is its name.
type place struct {
	node  *document.Node
	index int
}

func (k *properties) begin() {
	k.before, k.now = k.now, make(map[place]*Property, len(k.now))
}

// of returns the property of an item. Only mappings are remembered, which are what is long in a long list, and not what is within them. Nil
// remembers nothing.
func (k *properties) of(index int, file string, n *document.Node) *Property {
	at := place{n, index}
	if k != nil && n.Kind == document.Map {
		p := k.before[at]
		if p == nil {
			p = newItem(index, file, n)
			p.kept, p.plain = true, !p.holds("${")
		}
		k.now[at] = p
		return p
	}
	return newItem(index, file, n)
}

func newItem(index int, file string, n *document.Node) *Property {
	p := &Property{Name: strconv.Itoa(index), File: file, Line: n.Line}
	p.merge(n, nil)
	return p
}

// holds tells whether a text is in or below p.
func (p *Property) holds(what string) bool {
	if p.leaf && strings.Contains(p.text, what) {
		return true
	}
	for _, k := range p.Kids {
		if k.holds(what) {
			return true
		}
	}
	for _, k := range p.items {
		if k.holds(what) {
			return true
		}
	}
	return false
}
