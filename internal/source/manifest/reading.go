package manifest

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/translate"
)

// identity names an object among all objects: a Kubernetes object by its key, one of ours by "Kind/name". The zero
// identity is unknown.
type identity struct {
	key translate.Key
	own string
}

// item is one object of a file. It never changes. There is one for each object in memory, so it holds nothing twice.
type item struct {
	object translate.Object // of Kubernetes
	own    *ownItem         // in its stead
}

// ownItem is one of our own documents.
type ownItem struct {
	name    string // "Kind/name"
	objects model.Objects
	origin  model.Origin
	// refusing marks what is left of a document that could not be read: it counts only where nothing better is known.
	refusing bool
}

func (it *item) refusing() bool { return it.own != nil && it.own.refusing }

func (it *item) id() identity {
	if it.own != nil {
		return identity{own: it.own.name}
	}
	key, _ := it.object.Key() // there are no items of other types
	return identity{key: key}
}

// origin is where an item stands, for diagnostics.
func (it *item) origin(source string) model.Origin {
	if it.own != nil {
		return it.own.origin
	}
	k := it.id().key
	return model.Origin{Source: source, Kind: string(k.Kind), Namespace: k.Namespace, Name: k.Name, File: it.object.File, Line: it.object.Lines.Line("")}
}

// fault is a document that could not be read.
type fault struct {
	id         identity // of the object it is about; zero where that cannot be told
	diagnostic model.Diagnostic
}

// reading is what a file says at one moment, or one document of it.
type reading struct {
	items  []*item
	faults []fault
	notes  []model.Diagnostic // documents that are not ours, unknown kinds
	parts  []part             // the documents that this was read from
}

// part is a document as it was read.
type part struct {
	sum                  sum
	line                 int32
	items, faults, notes int32 // how many of the reading's, behind those of the parts before
}

// sum tells texts apart: half of a SHA-256 is as much as nobody can make two texts for.
type sum [sha256.Size / 2]byte

func sumOf(text []byte) sum {
	whole := sha256.Sum256(text)
	return sum(whole[:len(sum{})])
}

// parse reads the documents of a file. It never fails: what cannot be read is a fault. A document that stood on the same
// line of the file before, with the same text, is not read again: its items are the same pointers.
func (f *parser) parse(path string, data []byte, before reading) reading {
	type place struct {
		sum  sum
		line int32
	}
	known := make(map[place]reading, len(before.parts))
	for _, p := range before.parts {
		known[place{p.sum, p.line}] = before.take(p)
	}
	parts := document.Parts(data)
	out := reading{parts: make([]part, 0, len(parts))}
	for _, p := range parts {
		at := place{sumOf(p.Text), int32(p.Line)}
		r, ok := known[at]
		if !ok {
			r = f.parsePart(path, p)
		}
		out.parts = append(out.parts, part{at.sum, at.line, int32(len(r.items)), int32(len(r.faults)), int32(len(r.notes))})
		out.items = append(out.items, r.items...)
		out.faults = append(out.faults, r.faults...)
		out.notes = append(out.notes, r.notes...)
	}
	out.items = slices.Clip(out.items)
	return out
}

// take takes off what was read from the part that is next.
func (r *reading) take(p part) reading {
	out := reading{items: r.items[:p.items], faults: r.faults[:p.faults], notes: r.notes[:p.notes]}
	r.items, r.faults, r.notes = r.items[p.items:], r.faults[p.faults:], r.notes[p.notes:]
	return out
}

func (f *parser) parsePart(path string, p document.Part) reading {
	r := reader{parser: f}
	d, problem := p.Read(path)
	switch {
	case problem != nil:
		r.fault(identity{}, model.Origin{}, *problem)
	case d.Root != nil:
		r.document(d)
	}
	return r.out
}

// parser reads files.
type parser struct {
	source string
	kinds  *translate.Reader
}

func newParser(source string) *parser { return &parser{source, translate.NewReader()} }

type reader struct {
	*parser
	out reading
}

func (r *reader) document(d document.Document) {
	version, kind := d.Text("apiVersion"), d.Text("kind")
	switch {
	case version == "" || kind == "":
		if !d.HasProperty("spring") {
			r.note(d, model.CodeIgnored, "is no manifest (apiVersion and kind) and has no routes (spring.cloud.gateway): ignored")
		}
	case version == "v1" && kind == "List":
		r.list(d)
	case document.IsOurs(d):
		r.ours(d)
	default:
		r.kubernetes(d)
	}
}

// list unwraps what "kubectl get -o yaml" prints.
func (r *reader) list(d document.Document) {
	items := d.Node("items")
	if items == nil {
		return
	}
	for i := range items.Items {
		if part, ok := d.At("items[" + strconv.Itoa(i) + "]"); ok && part.Text("kind") != "List" {
			r.document(part)
		}
	}
}

func (r *reader) ours(d document.Document) {
	var id identity
	if name := d.Text("metadata.name"); name != "" {
		id.own = d.Text("kind") + "/" + name
	}
	origin := r.origin(d)
	o, problems := document.Parse(d, r.source)
	if len(problems) > 0 {
		for _, p := range problems {
			r.fault(id, origin, p)
		}
		if !o.HasRules() {
			return
		}
		if id.own == "" {
			id.own = d.Text("kind") + "/" + origin.At()
		}
	}
	r.out.items = append(r.out.items, &item{own: &ownItem{id.own, o, origin, len(problems) > 0}})
}

func (r *reader) kubernetes(d document.Document) {
	o, problems, known := r.kinds.Read(d)
	if !known {
		r.note(d, model.CodeUnknownKind, "kind "+d.Text("kind")+" of "+d.Text("apiVersion")+" is not read: ignored")
		return
	}
	key, _ := o.Key() // Read returns only types that have one
	var id identity
	if key.Name != "" {
		id.key = key
	}
	origin := r.origin(d)
	if key.Name != "" {
		origin.Namespace = key.Namespace
	}
	if len(problems) > 0 {
		for _, p := range problems {
			r.fault(id, origin, p)
		}
		return
	}
	r.out.items = append(r.out.items, &item{object: o})
}

func (r *reader) origin(d document.Document) model.Origin {
	return model.Origin{
		Source: r.source, Kind: d.Text("kind"), Namespace: d.Text("metadata.namespace"), Name: d.Text("metadata.name"),
		File: d.File, Line: d.Line(""),
	}
}

func (r *reader) note(d document.Document, code model.Code, message string) {
	r.out.notes = append(r.out.notes, model.Diagnostic{Origin: r.origin(d), Severity: model.Info, Code: code, Message: message})
}

func (r *reader) fault(id identity, origin model.Origin, p document.Problem) {
	origin.Source, origin.File, origin.Line = r.source, p.File, p.Line
	r.out.faults = append(r.out.faults, fault{id, model.Diagnostic{
		Origin: origin, Field: p.Field, Severity: model.Error, Code: model.CodeUnreadable, Message: p.Message,
	}})
}

// isManifestName tells whether a directory's entry is read: what kubectl apply -f DIR reads, without hidden files.
func isManifestName(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	for _, ext := range []string{".yaml", ".yml", ".json"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}
