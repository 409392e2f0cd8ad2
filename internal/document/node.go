package document

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kind says what a node is.
type Kind uint8

// The kinds of node.
const (
	Null Kind = iota
	Bool
	Int
	Float
	Text
	List
	Map
)

// String names a kind as messages do: "text", "a whole number", "a list".
func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a whole number", "a number", "text", "a list", "a mapping"}[k]
}

// Node is one value of a document with its line. Anchors, aliases and merge keys are resolved, so one Node may stand
// in several places.
type Node struct {
	Line  int // 1-based, in the file
	Kind  Kind
	Text  string  // of a scalar: as it is written, without quotes
	Keys  []Entry // of a Map, in the order of the file
	Items []*Node // of a List

	json   string // of a Bool, Int or Float: as JSON has it
	repeat []Entry
	weight int // size when every alias is written out, in bytes and nodes
}

// Entry is a key of a mapping with its value.
type Entry struct {
	Key   string
	Line  int // of the key
	Value *Node
}

// Get returns the value of a key of a mapping, or nil.
func (n *Node) Get(key string) *Node {
	if e := n.entry(key); e != nil {
		return e.Value
	}
	return nil
}

func (n *Node) entry(key string) *Entry {
	if n == nil {
		return nil
	}
	for i := range n.Keys {
		if n.Keys[i].Key == key {
			return &n.Keys[i]
		}
	}
	return nil
}

// maxExpansion bounds what aliases add to a document: "a billion laughs" is refused before it is written out.
const maxExpansion = 4 << 20

// maxDepth bounds nesting, so that no document exhausts the stack.
const maxDepth = 1000

// builder turns the nodes of the YAML library into ours.
type builder struct {
	offset int // added to lines: the lines of the file before the document
	open   map[*yaml.Node]bool
	done   map[*yaml.Node]*Node
}

func (b *builder) build(y *yaml.Node, depth int) (*Node, error) {
	line := y.Line + b.offset
	if depth > maxDepth {
		return nil, Problem{Line: line, Message: fmt.Sprintf("is nested deeper than %d levels", maxDepth)}
	}
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if b.open[y] {
		return nil, Problem{Line: line, Message: fmt.Sprintf("anchor %q contains itself", y.Anchor)}
	}
	if n := b.done[y]; n != nil {
		return n, nil
	}
	b.open[y] = true
	defer delete(b.open, y)
	n, err := b.fill(y, depth)
	if err != nil {
		return nil, err
	}
	if y.Anchor != "" {
		b.done[y] = n
	}
	return n, nil
}

func (b *builder) fill(y *yaml.Node, depth int) (*Node, error) {
	n := &Node{Line: y.Line + b.offset, weight: 1}
	switch y.Kind {
	case yaml.ScalarNode:
		n.weight += len(y.Value)
		return n, n.scalar(y)
	case yaml.SequenceNode:
		n.Kind = List
		for _, item := range y.Content {
			v, err := b.build(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.Items = append(n.Items, v)
			n.grow(v.weight)
		}
	case yaml.MappingNode:
		n.Kind = Map
		return n, b.mapping(n, y, depth)
	default:
		return nil, Problem{Line: n.Line, Message: "is not a YAML value"}
	}
	return n, nil
}

// Word returns the scalar that a text is when it stands without quotes: a number, true or false, or else text.
func Word(line int, text string) *Node {
	n := &Node{weight: 1 + len(text)}
	if err := n.scalar(&yaml.Node{Kind: yaml.ScalarNode, Value: text}); err != nil || n.Kind == Null {
		n.Kind, n.Text = Text, text
	}
	n.Line = line
	return n
}

// grow adds a weight without overflow.
func (n *Node) grow(w int) { n.weight = min(n.weight+w, math.MaxInt32) }

func (b *builder) mapping(n *Node, y *yaml.Node, depth int) error {
	seen := make(map[string]bool, len(y.Content)/2)
	var merged []*Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		line := key.Line + b.offset
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return Problem{Line: line, Message: "a key must be text"}
		}
		v, err := b.build(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		n.grow(v.weight + len(key.Value))
		if key.ShortTag() == "!!merge" {
			switch v.Kind {
			case Map:
				merged = append(merged, v)
			case List:
				merged = append(merged, v.Items...)
			default:
				return Problem{Line: line, Message: "<< wants a mapping or a list of mappings"}
			}
			continue
		}
		e := Entry{Key: key.Value, Line: line, Value: v}
		if seen[e.Key] {
			n.repeat = append(n.repeat, e)
			continue
		}
		seen[e.Key] = true
		n.Keys = append(n.Keys, e)
	}
	for _, m := range merged {
		if m.Kind != Map {
			return Problem{Line: m.Line, Message: "<< wants a mapping or a list of mappings"}
		}
		for _, e := range m.Keys {
			if !seen[e.Key] {
				seen[e.Key] = true
				n.Keys = append(n.Keys, e)
			}
		}
	}
	return nil
}

// yaml11 is what kubectl's YAML 1.1 takes a plain word for: "true", "false" or, for most words, "". The words must mean the
// same here, or a file would work here and be refused there.
func yaml11(word string) string {
	switch word {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return "true"
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return "false"
	default:
		return ""
	}
}

func (n *Node) scalar(y *yaml.Node) error {
	n.Text = y.Value
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	switch tag := y.ShortTag(); tag {
	case "!!null":
		n.Kind = Null
	case "!!bool":
		n.Kind, n.json = Bool, strings.ToLower(y.Value)
	case "!!int":
		n.integer(y)
	case "!!float":
		n.float(y)
	case "!!str", "!!timestamp", "!!merge":
		n.Kind = Text
		if word := yaml11(y.Value); word != "" && y.Style&(quoted|yaml.TaggedStyle) == 0 {
			n.Kind, n.json = Bool, word
		}
	case "!!binary":
		n.Kind = Text // base64, which is what a []byte is decoded from
	default:
		return Problem{Line: n.Line, Message: fmt.Sprintf("tag %s is not supported", y.Tag)}
	}
	return nil
}

func (n *Node) integer(y *yaml.Node) {
	var i int64
	var u uint64
	n.Kind = Int
	if y.Decode(&i) == nil {
		n.json = strconv.FormatInt(i, 10)
	} else if y.Decode(&u) == nil {
		n.json = strconv.FormatUint(u, 10)
	} else {
		n.Kind = Text
	}
}

func (n *Node) float(y *yaml.Node) {
	var f float64
	n.Kind = Text // .inf and .nan are no numbers in JSON
	if y.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		n.Kind, n.json = Float, strconv.FormatFloat(f, 'g', -1, 64)
	}
}

// JSON writes the value as JSON, keys in the order of the file. Its size is bounded by what Split let pass.
func (n *Node) JSON() json.RawMessage { return n.appendJSON(nil) }

func (n *Node) appendJSON(b []byte) []byte {
	switch n.Kind {
	case Null:
		return append(b, "null"...)
	case Bool, Int, Float:
		return append(b, n.json...)
	case Text:
		return appendText(b, n.Text)
	case List:
		b = append(b, '[')
		for i, v := range n.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = v.appendJSON(b)
		}
		return append(b, ']')
	default:
		b = append(b, '{')
		for i, e := range n.Keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, e.Key), ':')
			b = e.Value.appendJSON(b)
		}
		return append(b, '}')
	}
}

func appendText(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // json.Marshal of a string cannot fail: bad UTF-8 becomes U+FFFD
		q = []byte(`""`)
	}
	return append(b, q...)
}

// Repeats yields the keys that stand a second time in a mapping, here or below. What they hold is not in Keys.
func (n *Node) Repeats(yield func(Entry)) {
	for i := range n.repeat {
		yield(n.repeat[i])
	}
	for i := range n.Keys {
		n.Keys[i].Value.Repeats(yield)
	}
	for _, item := range n.Items {
		item.Repeats(yield)
	}
}
