package bootconfig

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/document"
)

// Property is a node of a configuration as Spring Boot sees it: keys with dots taken apart, list items by index, and
// names compared without case, dashes and underscores (Spring Boot reference, "Relaxed Binding"). Its methods may be called on
// nil, which is a property that nobody has set.
type Property struct {
	Name string // the last part of its key, as it is written
	File string
	Line int         // 1-based; 0 = unknown
	Kids []*Property // in the order in which they were first named

	leaf  bool
	text  string
	exact bool // a text that stays one in a Node, whatever it looks like
	bound bool // a text that Spring has as one, whatever it looks like: of a property file, or filled in
	null  bool // it is there, and nothing
	items map[int]*Property
	kept  bool // a Reader keeps it, so it does not change
	plain bool // there is no placeholder in or below it; false = nobody has looked
}

func newProperty(file string, root *document.Node, known *properties) *Property {
	p := &Property{File: file, Line: root.Line}
	p.merge(root, known)
	return p
}

// merge adds what a YAML node says. Aliases were resolved by the document package, which bounds depth and size.
func (p *Property) merge(n *document.Node, known *properties) {
	switch n.Kind {
	case document.Map:
		counted := isCounted(n)
		for _, e := range n.Keys {
			key := e.Key
			if counted {
				key = "[" + key + "]"
			}
			p.at(key, e.Line).merge(e.Value, known)
		}
	case document.List:
		if p.items == nil {
			p.items = make(map[int]*Property, len(n.Items)) // an empty list is a list
		}
		for i, item := range n.Items {
			if p.items[i] == nil {
				p.items[i] = known.of(i, p.File, item)
			} else {
				p.item(i, item.Line).merge(item, known)
			}
		}
	case document.Null:
		p.null = true
	default:
		p.leaf, p.text, p.exact, p.bound = true, n.Text, n.Kind == document.Text, false
	}
}

// isCounted tells whether a mapping is a list: its keys are 0, 1, 2 and so on. Spring reads whole numbers as indices.
func isCounted(n *document.Node) bool {
	for i, e := range n.Keys {
		if e.Key != strconv.Itoa(i) {
			return false
		}
	}
	return len(n.Keys) > 0
}

// at returns the property below p that a key names, and makes it: "a.b[0].c" is three names and an index.
func (p *Property) at(key string, line int) *Property {
	for s := range steps(key) {
		if s.index >= 0 {
			p = p.item(s.index, line)
		} else {
			p = p.child(s.name, line)
		}
	}
	return p
}

// step is a part of a key: a name, or an index of a list where that is not negative.
type step struct {
	name  string
	index int
}

// maxIndex bounds the index of a list item.
const maxIndex = 1 << 20

// maxSteps bounds the parts of a key: what is behind them is one name.
const maxSteps = 100

// steps takes a key apart.
func steps(key string) func(yield func(step) bool) {
	return func(yield func(step) bool) {
		for n := 0; key != ""; n++ {
			s := step{index: -1}
			if n == maxSteps {
				yield(step{key, -1})
				return
			}
			if inner, ok := strings.CutPrefix(key, "["); ok {
				text, rest, _ := strings.Cut(inner, "]")
				key = strings.TrimPrefix(rest, ".")
				if i, err := strconv.Atoi(text); err == nil && i >= 0 && i < maxIndex {
					s.index = i
				} else {
					s.name = text
				}
			} else {
				end := strings.IndexAny(key, ".[")
				if end < 0 {
					end = len(key)
				}
				s.name = key[:end]
				key = strings.TrimPrefix(key[end:], ".")
			}
			if !yield(s) {
				return
			}
		}
	}
}

func (p *Property) child(name string, line int) *Property {
	if k := p.Get(name); k != nil {
		return k
	}
	k := &Property{Name: name, File: p.File, Line: line}
	p.Kids = append(p.Kids, k)
	return k
}

func (p *Property) item(i, line int) *Property {
	if p.items == nil {
		p.items = map[int]*Property{}
	}
	switch {
	case p.items[i] == nil:
		p.items[i] = &Property{Name: strconv.Itoa(i), File: p.File, Line: line}
	case p.items[i].kept: // more is about to be said of it
		p.items[i] = p.items[i].clone()
	}
	return p.items[i]
}

// Get returns the property below p at a path of names, or nil.
func (p *Property) Get(path ...string) *Property {
	for _, name := range path {
		if p == nil {
			return nil
		}
		var next *Property
		for _, k := range p.Kids {
			if Same(k.Name, name) {
				next = k
				break
			}
		}
		p = next
	}
	return p
}

// Find returns the property below p that a key names, as "spring.profiles.active" or "a.b[0]", or nil.
func (p *Property) Find(key string) *Property {
	for s := range steps(key) {
		switch {
		case p == nil:
			return nil
		case s.index >= 0:
			p = p.items[s.index]
		default:
			p = p.Get(s.name)
		}
	}
	return p
}

// List returns the items in their order. Where one scalar stands in place of a list, as in "predicates: Path=/a", it is that one.
func (p *Property) List() []*Property {
	if p == nil {
		return nil
	}
	var out []*Property
	for _, i := range slices.Sorted(maps.Keys(p.items)) {
		out = append(out, p.items[i])
	}
	if len(out) == 0 && p.leaf {
		out = append(out, &Property{File: p.File, Line: p.Line, leaf: true, text: p.text, exact: p.exact})
	}
	return out
}

// IsText tells whether the property is a scalar.
func (p *Property) IsText() bool { return p != nil && p.leaf }

// IsList tells whether the property has items.
func (p *Property) IsList() bool { return p != nil && len(p.items) > 0 }

// Text returns the scalar as it is written, or "".
func (p *Property) Text() string {
	if p == nil {
		return ""
	}
	return strings.TrimSpace(p.text)
}

// Values returns all scalars in and below p, in the order of the file.
func (p *Property) Values() []string {
	if p == nil {
		return nil
	}
	if p.leaf {
		return []string{p.Text()}
	}
	var out []string
	for _, item := range p.List() {
		out = append(out, item.Values()...)
	}
	for _, k := range p.Kids {
		out = append(out, k.Values()...)
	}
	return out
}

// Map returns a property like p in which every scalar has the text that f makes of its own.
func (p *Property) Map(f func(text string) string) *Property {
	if p == nil {
		return nil
	}
	out := *p
	if p.leaf {
		out.text = f(p.Text())
		out.exact = p.exact && out.text == p.Text()
	}
	out.Kids = make([]*Property, len(p.Kids))
	for i, k := range p.Kids {
		out.Kids[i] = k.Map(f)
	}
	if p.items != nil {
		out.items = make(map[int]*Property, len(p.items))
		for i, k := range p.items {
			out.items[i] = k.Map(f)
		}
	}
	return &out
}

// Node returns the property as a YAML file would say it: for what needs to know numbers from texts. Texts of property files, and those that
// placeholders have filled in, are what they would be without quotes.
func (p *Property) Node() *document.Node {
	return p.node(func(p *Property) *document.Node {
		if p.leaf && !p.exact {
			return document.Word(p.Line, p.text)
		}
		return nil
	})
}

// Bound returns the property as Spring binds it to an object that may be anything: texts of property files, and those that placeholders have
// filled in, are texts, whatever they look like. What is nothing (null) is that where null is set, as in JSON, and an empty text where it is not, as in
// Spring Boot's own files.
func (p *Property) Bound(null bool) *document.Node {
	return p.node(func(p *Property) *document.Node {
		switch {
		case p.leaf && !p.exact && !p.bound:
			return document.Word(p.Line, p.text)
		case p.leaf || !p.null || p.items != nil || len(p.Kids) > 0:
			return nil
		case null:
			return &document.Node{Line: p.Line, Kind: document.Null}
		}
		return &document.Node{Line: p.Line, Kind: document.Text}
	})
}

// node returns what special makes of a property, or else its text, list or mapping.
func (p *Property) node(special func(*Property) *document.Node) *document.Node {
	if n := special(p); n != nil {
		return n
	}
	n := &document.Node{Line: p.Line}
	switch {
	case p.leaf:
		n.Kind, n.Text = document.Text, p.text
	case p.items != nil:
		n.Kind = document.List
		for _, item := range p.List() {
			n.Items = append(n.Items, item.node(special))
		}
	default:
		n.Kind = document.Map
		for _, k := range p.Kids {
			n.Keys = append(n.Keys, document.Entry{Key: k.Name, Line: k.Line, Value: k.node(special)})
		}
	}
	return n
}

// Flat returns every scalar below p by its path with dots, as the keys of metadata are written that have dots themselves.
func (p *Property) Flat() map[string]string {
	out := map[string]string{}
	p.flatten("", out)
	return out
}

func (p *Property) flatten(prefix string, into map[string]string) {
	if p == nil {
		return
	}
	for _, k := range p.Kids {
		name := prefix + k.Name
		if k.leaf {
			into[name] = k.Text()
		}
		k.flatten(name+".", into)
	}
}

// Words returns the values of a list that may also be written as one text with commas.
func (p *Property) Words() []string {
	var out []string
	for _, v := range p.Values() {
		for w := range strings.SplitSeq(v, ",") {
			if w = strings.TrimSpace(w); w != "" {
				out = append(out, w)
			}
		}
	}
	return out
}

// IsFlag tells whether the scalar is a true or a false of Spring's conversion, or nothing at all.
func (p *Property) IsFlag() bool {
	switch strings.ToLower(p.Text()) {
	case "false", "off", "no", "0", "":
		return p == nil || len(p.Kids)+len(p.items) == 0
	}
	return p.IsTrue()
}

// IsTrue tells whether the scalar is a true of Spring's conversion.
func (p *Property) IsTrue() bool {
	switch strings.ToLower(p.Text()) {
	case "true", "on", "yes", "1":
		return true
	}
	return false
}

// Relaxed returns the form in which names are compared: lower case, without dashes and underscores.
func Relaxed(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(name, "-", ""), "_", ""))
}

// Same tells whether two names mean the same property.
func Same(a, b string) bool { return a == b || Relaxed(a) == Relaxed(b) }

// Replaces tells whether the property takes the place of what an earlier one says as a whole: it is a scalar or a list, an empty one too.
func (p *Property) Replaces() bool { return p != nil && (p.leaf || p.items != nil) }

// overlay returns base with what over says in its place: scalars and lists as a whole, and the names below one by one, as
// a property source that comes first has it. Neither is changed.
func overlay(base, over *Property) *Property {
	switch {
	case base == nil:
		return over
	case over == nil:
		return base
	}
	out := *base
	if over.Replaces() {
		out.leaf, out.text, out.exact, out.bound, out.items, out.File, out.Line = over.leaf, over.text, over.exact, over.bound, over.items, over.File, over.Line
	}
	out.Kids = slices.Clone(base.Kids)
	for _, k := range over.Kids {
		i := slices.IndexFunc(out.Kids, func(have *Property) bool { return Same(have.Name, k.Name) })
		if i < 0 {
			out.Kids = append(out.Kids, k)
		} else {
			out.Kids[i] = overlay(out.Kids[i], k)
		}
	}
	return &out
}

// clone returns a property like p that may be changed.
func (p *Property) clone() *Property {
	out := *p
	out.kept, out.plain = false, false
	out.Kids = make([]*Property, len(p.Kids))
	for i, k := range p.Kids {
		out.Kids[i] = k.clone()
	}
	if p.items != nil {
		out.items = make(map[int]*Property, len(p.items))
		for i, k := range p.items {
			out.items[i] = k.clone()
		}
	}
	return &out
}

// Equal tells whether two properties say the same, in whatever places. Nil equals nil.
func (p *Property) Equal(q *Property) bool {
	if p == q || p == nil || q == nil {
		return p == q
	}
	return p.Name == q.Name && p.leaf == q.leaf && p.text == q.text && p.exact == q.exact && p.bound == q.bound && p.null == q.null && (p.items == nil) == (q.items == nil) &&
		slices.EqualFunc(p.Kids, q.Kids, (*Property).Equal) && maps.EqualFunc(p.items, q.items, (*Property).Equal)
}

// Without returns p without the property at a path of names, of which there is at least one. p is not changed.
func (p *Property) Without(path ...string) *Property {
	if p.Get(path...) == nil {
		return p
	}
	out := *p
	out.Kids = nil
	for _, k := range p.Kids {
		switch {
		case !Same(k.Name, path[0]):
			out.Kids = append(out.Kids, k)
		case len(path) > 1:
			out.Kids = append(out.Kids, k.Without(path[1:]...))
		}
	}
	return &out
}
