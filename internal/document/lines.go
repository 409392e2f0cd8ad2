package document

import "encoding/binary"

// Lines finds the lines of a document's fields, as Document.Line does, in a small part of the memory: for those who keep
// a document for nothing else. It is comparable: two documents with equal lines have equal Lines.
//
// It is the tree of nodes in one text. A node is its line, what it is and, so that it can be passed over, how long what
// is in it is; then its keys, each with its length and line and followed by its value, or its items.
type Lines string

// Lines returns the lines of the document's fields.
func (d Document) Lines() Lines {
	if d.Root == nil {
		return ""
	}
	return Lines(appendLines(nil, d.Root))
}

func appendLines(b []byte, n *Node) []byte {
	var in []byte
	for _, e := range n.Keys {
		in = binary.AppendUvarint(in, uint64(len(e.Key)))
		in = append(in, e.Key...)
		in = binary.AppendUvarint(in, uint64(e.Line))
		in = appendLines(in, e.Value)
	}
	for _, it := range n.Items {
		in = appendLines(in, it)
	}
	b = binary.AppendUvarint(b, uint64(n.Line))
	b = append(b, byte(n.Kind))
	b = binary.AppendUvarint(b, uint64(len(in)))
	return append(b, in...)
}

// Line is the line of a field, with the rules of Document.Line.
func (l Lines) Line(path string) int {
	if l == "" {
		return 0
	}
	line, kind, in, _ := l.node()
	for _, s := range steps(path) {
		switch {
		case kind == Map:
			var ok bool
			if line, kind, in, ok = in.value(s.key, line); !ok {
				return line
			}
		case kind == List && s.index >= 0:
			rest := in
			for range s.index {
				if rest == "" {
					break
				}
				_, _, _, rest = rest.node()
			}
			if rest == "" {
				return line
			}
			line, kind, in, _ = rest.node()
		default:
			return line
		}
	}
	return line
}

// node takes the first node off.
func (l Lines) node() (line int, kind Kind, in, rest Lines) {
	line, l = l.number()
	kind, l = Kind(l[0]), l[1:]
	n, l := l.number()
	return line, kind, l[:n], l[n:]
}

// value finds a key among those of a mapping and returns its line and its value. It is not ok, and the line that of the
// mapping, where the key is not there.
func (l Lines) value(key string, at int) (line int, kind Kind, in Lines, ok bool) {
	for l != "" {
		var n int
		n, l = l.number()
		name := l[:n]
		line, l = l[n:].number()
		_, kind, in, l = l.node()
		if string(name) == key {
			return line, kind, in, true
		}
	}
	return at, Null, "", false
}

func (l Lines) number() (int, Lines) {
	n, shift := 0, 0
	for i := range len(l) {
		n |= int(l[i]&0x7f) << shift
		if l[i] < 0x80 {
			return n, l[i+1:]
		}
		shift += 7
	}
	return 0, ""
}
