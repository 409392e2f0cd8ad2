package document

import "encoding/binary"

// Lines finds the lines of a document's fields, as Document.Line does, in a small part of the memory: for those who keep
// a document for nothing else. It is comparable: documents with equal lines have equal Lines.
//
// It is the tree of nodes in one text of numbers and keys. A node is how far its line is from that of what it stands in,
// together with whether it is a mapping, a list or neither; where it is one, how long what is in it is, so that it can be
// passed over; then its keys, each with its line and its value, or its items.
type Lines string

// What a node is, in the two lowest bits of its first number.
const (
	linesOther = iota
	linesMap
	linesList
)

// words are keys of which there are many. Each is one byte in place of its text.
var words = [...]string{
	"apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "spec", "type", "data", "host", "http",
	"rules", "paths", "path", "pathType", "backend", "service", "port", "number", "ingressClassName", "tls", "hosts", "secretName",
	"ports", "protocol", "targetPort", "selector", "app", "app.kubernetes.io/name", "kubernetes.io/service-name", "addressType",
	"endpoints", "addresses", "conditions", "ready", "template", "containers", "image", "replicas", "matchLabels", "containerPort",
}

// Lines returns the lines of the document's fields.
func (d Document) Lines() Lines {
	if d.Root == nil {
		return ""
	}
	return Lines(appendLines(nil, d.Root, 0))
}

func appendLines(b []byte, n *Node, at int) []byte {
	shape, in := linesOther, []byte(nil)
	switch n.Kind {
	case Map:
		shape = linesMap
		for _, e := range n.Keys {
			in = appendKey(in, e.Key)
			in = binary.AppendVarint(in, int64(e.Line-n.Line))
			in = appendLines(in, e.Value, e.Line)
		}
	case List:
		shape = linesList
		for _, it := range n.Items {
			in = appendLines(in, it, n.Line)
		}
	}
	b = binary.AppendVarint(b, int64(n.Line-at)<<2|int64(shape))
	if shape == linesOther {
		return b
	}
	b = binary.AppendVarint(b, int64(len(in)))
	return append(b, in...)
}

func appendKey(b []byte, key string) []byte {
	for i, w := range words {
		if w == key {
			return binary.AppendVarint(b, -1-int64(i))
		}
	}
	return append(binary.AppendVarint(b, int64(len(key))), key...)
}

// Line is the line of a field, with the rules of Document.Line.
func (l Lines) Line(path string) int {
	if l == "" {
		return 0
	}
	base, shape, in, _ := l.node(0) // base is where the node stands, which a mapping does below its key
	line := base
	for _, s := range steps(path) {
		switch {
		case shape == linesMap:
			at, value, ok := in.find(s.key)
			if !ok {
				return line
			}
			line = base + at
			base, shape, in, _ = value.node(line)
		case shape == linesList && s.index >= 0:
			rest := in
			for i := 0; i < s.index && rest != ""; i++ {
				_, _, _, rest = rest.node(0)
			}
			if rest == "" {
				return line
			}
			base, shape, in, _ = rest.node(base)
			line = base
		default:
			return line
		}
	}
	return line
}

// node takes the first node off, which stands in something at a line.
func (l Lines) node(at int) (line, shape int, in, rest Lines) {
	n, l := l.number()
	line, shape = at+n>>2, n&3
	if shape == linesOther {
		return line, shape, "", l
	}
	size, l := l.number()
	return line, shape, l[:size], l[size:]
}

// find finds a key in what is in a mapping, and returns how far its line is from that of the mapping, and its value.
func (l Lines) find(key string) (at int, value Lines, ok bool) {
	for l != "" {
		var n int
		var name string
		if n, l = l.number(); n < 0 {
			name = words[-1-n]
		} else {
			name, l = string(l[:n]), l[n:]
		}
		at, l = l.number()
		if name == key {
			return at, l, true
		}
		_, _, _, l = l.node(0)
	}
	return 0, "", false
}

// number takes a number off, as binary.AppendVarint writes it.
func (l Lines) number() (int, Lines) {
	u, shift := uint64(0), 0
	for i := range len(l) {
		u |= uint64(l[i]&0x7f) << shift
		if l[i] < 0x80 {
			return int(int64(u>>1) ^ -int64(u&1)), l[i+1:]
		}
		shift += 7
	}
	return 0, ""
}
