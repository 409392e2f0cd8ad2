package manifest

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
)

// catalog knows every object of every file, which of them count, and what of it was said last. One goroutine owns
// it.
type catalog struct {
	source string
	store  *translate.Store
	files  map[string]*file
	claims map[identity][]claim // by object: who defines it, the one that counts first
	dirty  map[string]bool      // files whose diagnostics may have changed
	sent   map[string][]model.Diagnostic
	fault  string // that directories cannot be listed
}

// file is what is known of one file.
type file struct {
	reading
	held   []*item // missing from the last reading and not given up yet
	failed bool    // the file itself could not be read
}

// claim is a definition of an object by a file.
type claim struct {
	path  string
	place int // among the items of its file
	held  bool
	item  *item
}

func newCatalog(o Options) *catalog {
	return &catalog{
		source: o.Name, store: translate.New(o.Translate), files: map[string]*file{}, claims: map[identity][]claim{},
		dirty: map[string]bool{}, sent: map[string][]model.Diagnostic{},
	}
}

// apply takes in what a file says now. What it said before and does not say any more is held until settle.
func (c *catalog) apply(path string, r reading) {
	f := c.files[path]
	if f == nil {
		f = &file{}
		c.files[path] = f
	}
	now := make(map[identity]bool, len(r.items))
	touched := map[identity]bool{}
	for i, it := range r.items {
		if !it.refusing() { // of such a one the last good version is held
			now[it.id()] = true
		}
		if i >= len(f.items) || f.items[i] != it {
			touched[it.id()] = true
		}
	}
	var held []*item
	keep := func(it *item) {
		touched[it.id()] = true
		if !now[it.id()] && !it.refusing() {
			now[it.id()] = true
			held = append(held, it)
		}
	}
	for i, it := range f.items {
		if i >= len(r.items) || r.items[i] != it {
			keep(it)
		}
	}
	for _, it := range f.held {
		keep(it)
	}
	f.reading, f.held, f.failed = r, held, false
	c.dirty[path] = true
	c.claim(path, touched)
}

// last is what was read from a file the last time that it could be.
func (c *catalog) last(path string) reading {
	f := c.files[path]
	if f == nil || f.failed {
		return reading{}
	}
	return f.reading
}

// has tells whether anything is known to be in a file.
func (c *catalog) has(path string) bool {
	f := c.files[path]
	return f != nil && len(f.items)+len(f.held) > 0
}

// fail notes that a file could not be read at all: everything in it stays as it was.
func (c *catalog) fail(path string, err error) {
	f := c.files[path]
	if f == nil {
		f = &file{}
		c.files[path] = f
	}
	f.failed = true
	f.faults = []fault{{diagnostic: model.Diagnostic{
		Origin: model.Origin{Source: c.source, File: path}, Severity: model.Error, Code: model.CodeUnreadable, Message: err.Error(),
	}}}
	c.dirty[path] = true
}

// settle gives up what a file has lost, except what a document that cannot be read may hold: the object it names, or,
// where it names none, everything. It forgets a file that is gone.
func (c *catalog) settle(path string, gone bool) {
	f := c.files[path]
	if f == nil || f.failed {
		return
	}
	touched := map[identity]bool{}
	f.held = slices.DeleteFunc(f.held, func(it *item) bool {
		if f.mayHold(it.id()) {
			return false
		}
		touched[it.id()] = true
		return true
	})
	c.claim(path, touched)
	c.dirty[path] = true
	if gone && len(f.held) == 0 {
		delete(c.files, path)
	}
}

func (f *file) mayHold(id identity) bool {
	return slices.ContainsFunc(f.faults, func(x fault) bool { return x.id == identity{} || x.id == id })
}

// claim works out again who defines the touched objects, with the claims of one file renewed.
func (c *catalog) claim(path string, touched map[identity]bool) {
	if len(touched) == 0 {
		return
	}
	counted := make(map[identity]*item, len(touched))
	for id := range touched {
		if claims := c.claims[id]; len(claims) > 0 {
			counted[id] = claims[0].item
		}
		c.claims[id] = slices.DeleteFunc(c.claims[id], func(cl claim) bool { return cl.path == path })
	}
	f := c.files[path]
	for i, it := range f.items {
		if it.refusing() && slices.ContainsFunc(f.held, func(h *item) bool { return h.id() == it.id() }) {
			continue
		}
		if touched[it.id()] {
			c.claims[it.id()] = append(c.claims[it.id()], claim{path, i, false, it})
		}
	}
	for i, it := range f.held {
		if touched[it.id()] {
			c.claims[it.id()] = append(c.claims[it.id()], claim{path, i, true, it})
		}
	}
	for id := range touched {
		c.elect(id, counted[id])
	}
}

// elect puts the definition that counts into the store, unless it is the one that did: of those in files as they are now
// the first by path, then by place; one that is only held counts last.
func (c *catalog) elect(id identity, counted *item) {
	claims := c.claims[id]
	slices.SortFunc(claims, func(a, b claim) int {
		if a.held != b.held {
			if a.held {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.place, b.place))
	})
	for _, cl := range claims {
		c.dirty[cl.path] = true // which of them are duplicates may have changed
	}
	if len(claims) == 0 {
		delete(c.claims, id)
		if id.own != "" {
			c.store.DeleteOwn(id.own)
		} else {
			c.store.Delete(id.key)
		}
		return
	}
	it := claims[0].item
	if it == counted {
		return
	}
	if it.own != nil {
		c.store.PutOwn(it.own.name, it.own.objects)
	} else if err := c.store.Put(it.object); err != nil {
		// Only a type without a key is refused, and such an object never became an item.
		c.fail(claims[0].path, err)
	}
}

// changed returns the groups that differ since the last call.
func (c *catalog) changed() []source.Group {
	groups := c.store.Changed()
	for _, path := range slices.Sorted(maps.Keys(c.dirty)) {
		now, before := c.diagnostics(path), c.sent[path]
		if len(now) == 0 && len(before) == 0 || reflect.DeepEqual(now, before) {
			continue
		}
		c.sent[path] = now
		if len(now) == 0 {
			delete(c.sent, path)
		}
		groups = append(groups, fileGroup(path, now))
	}
	c.dirty = map[string]bool{} // not emptied: after the first listing that would take as long as there are files, each time
	return groups
}

// all returns every group.
func (c *catalog) all() []source.Group {
	c.changed()
	groups := c.store.All()
	for _, path := range slices.Sorted(maps.Keys(c.sent)) {
		groups = append(groups, fileGroup(path, c.sent[path]))
	}
	return groups
}

// paths lists the known files in order.
func (c *catalog) paths() []string { return slices.Sorted(maps.Keys(c.files)) }

// lost says that directories cannot be listed, or with nil that they can.
func (c *catalog) lost(err error) {
	if c.fault = ""; err != nil {
		c.fault = err.Error()
	}
	c.dirty[directories] = true
}

// directories stands for a path where the diagnostic about directories is kept. No file has this name.
const directories = ""

// fileGroup holds what is to be said about a file's documents.
func fileGroup(path string, d []model.Diagnostic) source.Group {
	return source.Group{Key: "file/" + path, Objects: &model.Objects{Diagnostics: d}}
}

func (c *catalog) diagnostics(path string) []model.Diagnostic {
	if path == directories && c.fault != "" {
		return []model.Diagnostic{{
			Origin: model.Origin{Source: c.source}, Severity: model.Error, Code: model.CodeSourceFailed,
			Message: c.fault + "; what was read before stays in effect",
		}}
	}
	f := c.files[path]
	if f == nil {
		return nil
	}
	out := slices.Clone(f.notes)
	for _, x := range f.faults {
		d := x.diagnostic
		if f.failed && len(f.items) > 0 || slices.ContainsFunc(f.held, func(it *item) bool { return x.id == identity{} || x.id == it.id() }) {
			d.Message += "; the last good version stays in effect"
		}
		out = append(out, d)
	}
	for i, it := range f.items {
		first := c.claims[it.id()][0]
		if first.path == path && first.place == i {
			continue
		}
		out = append(out, model.Diagnostic{
			Origin: it.origin(c.source), Severity: model.Error, Code: model.CodeDuplicateID,
			Message: "is already defined at " + first.item.origin(c.source).At() + ", which counts: the first by file, then by place",
		})
	}
	slices.SortFunc(out, model.CompareDiagnostics)
	return out
}
