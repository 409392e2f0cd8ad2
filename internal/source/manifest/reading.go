package manifest

import (
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

// item is one object of a file.
type item struct {
	id     identity
	origin model.Origin     // for diagnostics
	object translate.Object // where id.key is set
	own    model.Objects    // where id.own is set
	// refusing marks what is left of a document that could not be read: it counts only where nothing better is known.
	refusing bool
}

// fault is a document that could not be read.
type fault struct {
	id         identity // of the object it is about; zero where that cannot be told
	diagnostic model.Diagnostic
}

// reading is what a file says at one moment.
type reading struct {
	items  []item
	faults []fault
	notes  []model.Diagnostic // documents that are not ours, unknown kinds
}

// parse reads the documents of a file. It never fails: what cannot be read is a fault.
func parse(path string, data []byte, source string) reading {
	r := reader{source: source}
	docs, problems := document.Split(path, data)
	for _, p := range problems {
		r.fault(identity{}, model.Origin{}, p)
	}
	for _, d := range docs {
		r.document(d)
	}
	return r.out
}

type reader struct {
	source string
	out    reading
}

func (r *reader) document(d document.Document) {
	version, kind := d.Text("apiVersion"), d.Text("kind")
	switch {
	case version == "" || kind == "":
		if !d.HasProperty("spring.cloud.gateway") {
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
	r.out.items = append(r.out.items, item{id: id, origin: origin, own: o, refusing: len(problems) > 0})
}

func (r *reader) kubernetes(d document.Document) {
	o, problems, known := translate.Read(d)
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
	r.out.items = append(r.out.items, item{id: id, origin: origin, object: o})
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
