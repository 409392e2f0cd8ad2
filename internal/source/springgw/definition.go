package springgw

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
	"paifang/internal/model"
)

// definition is one route definition as it is written.
type definition struct {
	id         string
	file       string
	line       int
	uri        *bootconfig.Property
	predicates []part
	filters    []part
	order      int
	metadata   *bootconfig.Property
	index      int // among the definitions of the application
	around     *setting
	faults     []fault
}

// part is a predicate or filter: a name with arguments.
type part struct {
	name  string
	file  string
	line  int
	field string               // "filters[1]"
	words []string             // of the short form
	args  *bootconfig.Property // of the long form
	fault string               // why it is none
	// shared tells of a default filter: what is wrong with it is reported once, not for each route.
	shared bool
	around *setting
}

// fault becomes a diagnostic once its route is known.
type fault struct {
	file     string // "" = that of the route
	line     int
	field    string
	code     model.Code
	severity model.Severity
	message  string
}

var definitionFields = []string{"id", "uri", "predicates", "filters", "order", "metadata", "enabled"}

// readDefinition returns nil for a definition that is switched off. What it returns never changes.
func readDefinition(p *bootconfig.Property, index int, around *setting) *definition {
	d := &definition{file: p.File, line: p.Line, index: index, around: around}
	for _, k := range p.Kids {
		switch bootconfig.Relaxed(k.Name) {
		case "id":
			d.id = k.Text()
		case "uri":
			d.uri = k
		case "predicates":
			for i, item := range k.List() {
				x := readPart(item, fmt.Sprintf("predicates[%d]", i), true)
				x.around = around
				d.faults = append(d.faults, strangers(item, x.field)...)
				d.predicates = append(d.predicates, x)
			}
		case "filters":
			for i, item := range k.List() {
				f := readPart(item, fmt.Sprintf("filters[%d]", i), false)
				f.around = around
				d.faults = append(d.faults, strangers(item, f.field)...)
				d.filters = append(d.filters, f)
			}
		case "order":
			n, err := strconv.ParseInt(strings.ReplaceAll(k.Text(), "_", ""), 0, 32)
			if err != nil {
				d.faults = append(d.faults, fault{"", k.Line, "order", model.CodeInvalid, model.Error, fmt.Sprintf("order %q is not a whole number of 32 bits", k.Text())})
			}
			d.order = int(n)
		case "metadata":
			d.metadata = k
		case "enabled":
			switch {
			case k.IsTrue() || k.Text() == "" && k.IsFlag(): // nothing is the default
			case k.IsFlag():
				return nil
			default:
				d.faults = append(d.faults, fault{"", k.Line, k.Name, model.CodeInvalid, model.Error, fmt.Sprintf("%q is neither true nor false", k.Text())})
			}
		default:
			d.faults = append(d.faults, stranger(k, k.Name, "a route definition", definitionFields))
		}
	}
	return d
}

// strangers warns of fields that the long form of a predicate or filter does not have. What has no name is refused as a whole.
func strangers(p *bootconfig.Property, at string) []fault {
	known := []string{"name", "args"}
	var out []fault
	for _, k := range p.Kids {
		if p.Get("name") != nil && !slices.Contains(known, bootconfig.Relaxed(k.Name)) {
			out = append(out, stranger(k, at+"."+k.Name, at, known))
		}
	}
	return out
}

func stranger(k *bootconfig.Property, field, of string, known []string) fault {
	message := fmt.Sprintf("%s is no field of %s and has no effect", k.Name, of)
	if near := document.Nearest(k.Name, known); near != "" {
		message += fmt.Sprintf(": did you mean %s?", near)
	}
	return fault{"", k.Line, field, model.CodeUnsupported, model.Warning, message}
}

// conditions is a text that definitions have in common which the same requests meet.
func (d *definition) conditions() string {
	var b strings.Builder
	fmt.Fprint(&b, d.order)
	for _, p := range d.predicates {
		fmt.Fprintf(&b, " %s %q", p.name, p.words)
		if p.args != nil {
			b.Write(p.args.Node().JSON())
		}
	}
	return b.String()
}

// name returns the id, or where there is none one that stays as long as the definition keeps its place.
func (d *definition) name() string {
	if d.id != "" {
		return d.id
	}
	return fmt.Sprintf("%s-%d", filepath.Base(d.file), d.index+1)
}

// readPart reads "Name=a,b" or {name: Name, args: {…}}. A predicate needs arguments, a filter does not.
func readPart(p *bootconfig.Property, field string, predicate bool) part {
	out := part{file: p.File, line: p.Line, field: field}
	if !p.IsText() {
		out.name, out.args = p.Get("name").Text(), p.Get("args")
		if out.name == "" {
			out.fault = "want Name=arguments, or name and args"
		}
		return out
	}
	name, words, short := strings.Cut(p.Text(), "=")
	out.name = strings.TrimSpace(name)
	for w := range strings.SplitSeq(words, ",") { // empty ones do not count, as in Spring's tokenizer
		if w = strings.TrimSpace(w); w != "" {
			out.words = append(out.words, w)
		}
	}
	if out.name == "" || predicate && !short {
		out.fault = fmt.Sprintf("%q is not of the form Name=arguments", p.Text())
	}
	return out
}
