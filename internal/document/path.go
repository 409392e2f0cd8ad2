package document

import (
	"fmt"
	"strconv"
	"strings"
)

// Line is the line of a field: of its key, or of a list item's first word. Where the path goes on beyond what is
// written, it is the line of the last part that is there; 0 for a Document without content. A path is
// "spec.rules[0].host"; keys with dots stand in brackets, as Kubernetes writes them: "metadata.annotations[a.b/c]".
func (d Document) Line(path string) int {
	if d.Root == nil {
		return 0
	}
	line, n := d.Root.Line, d.Root
	for _, s := range steps(path) {
		switch {
		case n != nil && n.Kind == Map:
			e := n.entry(s.key)
			if e == nil {
				return line
			}
			line, n = e.Line, e.Value
		case n != nil && n.Kind == List && s.index >= 0 && s.index < len(n.Items):
			n = n.Items[s.index]
			line = n.Line
		default:
			return line
		}
	}
	return line
}

// Node returns the value at a path, or nil.
func (d Document) Node(path string) *Node {
	n := d.Root
	for _, s := range steps(path) {
		switch {
		case n == nil:
			return nil
		case n.Kind == Map:
			n = n.Get(s.key)
		case n.Kind == List && s.index >= 0 && s.index < len(n.Items):
			n = n.Items[s.index]
		default:
			return nil
		}
	}
	return n
}

// Text returns the scalar at a path as it is written, or "".
func (d Document) Text(path string) string {
	if n := d.Node(path); n != nil {
		return n.Text
	}
	return ""
}

// At is the part of the document at a path; its problems keep their whole path. It is false where nothing is.
func (d Document) At(path string) (Document, bool) {
	n := d.Node(path)
	if n == nil {
		return Document{}, false
	}
	return Document{File: d.File, Root: n, at: d.Field(path)}, true
}

// Field is a path below the document's own, as Problems have it: for the part at "spec", "rules[0]" is
// "spec.rules[0]".
func (d Document) Field(path string) string {
	switch {
	case d.at == "":
		return path
	case path == "" || path[0] == '[':
		return d.at + path
	default:
		return d.at + "." + path
	}
}

// Problem is a Problem of this document at a path, with its line filled in.
func (d Document) Problem(path, format string, args ...any) Problem {
	return Problem{File: d.File, Line: d.Line(path), Field: d.Field(path), Message: fmt.Sprintf(format, args...)}
}

// HasProperty tells whether a property is set, however its name is spread over nested and dotted keys, as Spring
// Boot reads it: "a.b" is found as {a: {b: …}}, {"a.b": …} and {"a.b.c": …}.
func (d Document) HasProperty(name string) bool { return hasProperty(d.Root, name, 0) }

func hasProperty(n *Node, name string, depth int) bool {
	if n == nil || depth > maxDepth {
		return false
	}
	for _, e := range n.Keys {
		if e.Key == name || strings.HasPrefix(e.Key, name+".") || strings.HasPrefix(e.Key, name+"[") {
			return true
		}
		if rest, ok := strings.CutPrefix(name, e.Key+"."); ok && hasProperty(e.Value, rest, depth+1) {
			return true
		}
	}
	return false
}

type step struct {
	key   string
	index int // -1 where the step is not a number
}

func steps(path string) []step {
	var out []step
	for path != "" {
		if path[0] == '[' {
			end := strings.IndexByte(path, ']')
			if end < 0 {
				end = len(path)
			}
			key := strings.Trim(path[1:end], `"`)
			out = append(out, step{key, index(key)})
			path = strings.TrimPrefix(path[min(end+1, len(path)):], ".")
			continue
		}
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		out = append(out, step{path[:end], -1})
		path = path[end:]
		path = strings.TrimPrefix(path, ".")
	}
	return out
}

func index(key string) int {
	if i, err := strconv.Atoi(key); err == nil && i >= 0 {
		return i
	}
	return -1
}

// below is the path of a key under a path.
func below(path, key string) string {
	switch {
	case strings.ContainsAny(key, ".[]/"):
		return path + "[" + key + "]"
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
