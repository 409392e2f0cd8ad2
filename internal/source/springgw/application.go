package springgw

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/watch"
)

// routeFile is a file with what was last read from it.
type routeFile struct {
	path     string
	reader   bootconfig.Reader
	docs     []bootconfig.Document
	problems []document.Problem
	err      error // why it cannot be read
	partial  bool  // some of it may be missing: it is half written, or a document of it cannot be read
	mentions bool  // it has the words that a file of ours has
	fed      bool  // it is a text that is kept for routes alone
	list     bool  // it is a list of definitions in JSON, which Spring Boot has no part in
}

// take reads the file anew. Before the file has settled it may be half written, and nothing is complained of.
func (r *routeFile) take(f watch.File) {
	if f.Err != nil {
		r.err, r.partial = f.Err, true
		return
	}
	docs, problems := r.reader.Read(f.Path, f.Data)
	if r.fed && len(problems) == 0 {
		if p := routeless(f.Path, f.Data, docs); p != nil {
			problems = []document.Problem{*p}
			if len(r.docs) > 0 { // or what it does say holds: filters for all routes among it
				docs = r.docs
			}
		}
	}
	r.err = nil
	r.partial = len(problems) > 0 || !f.Settled
	if len(problems) > 0 && !f.Settled {
		return
	}
	r.docs, r.problems = docs, problems
	r.list = r.fed && bytes.HasPrefix(f.Data, []byte(listBegins))
	r.mentions = r.fed || bytes.Contains(f.Data, []byte("gateway")) && bytes.Contains(f.Data, []byte("spring"))
}

// application is what files that Spring would read together say.
type application struct {
	path   string // of its first file
	paths  []string
	fed    bool // it is a text that is kept elsewhere
	config gatewayConfig
	merged bootconfig.Merged // what it says altogether
	ours   bool              // it says, or said, something of the gateway
	broken []fault           // why a file of it, or a part of one, cannot be read
}

// read brings the application to what its files say. Of a file, or document in it, that cannot be read, what was read before
// stays.
func (a *application) read(files []*routeFile, s bootconfig.Settings, resolvers map[string]string, zone string) {
	var in []bootconfig.File
	partial, mentions := false, false
	a.paths, a.fed = nil, files[0].fed
	for _, f := range files {
		a.paths = append(a.paths, f.path)
		in = append(in, bootconfig.File{Path: f.path, Documents: f.docs})
		partial = partial || f.partial
		mentions = mentions || f.mentions
	}
	merged := a.merged.Again(in, s)
	a.merged = merged
	next := readConfig(merged.Root, resolvers, zone, &a.config)
	wasOurs := a.ours
	a.ours = next != nil || wasOurs && partial
	a.broken = strays(merged.Root)
	if next == nil {
		next = &gatewayConfig{}
	}
	if partial {
		next.keep(&a.config)
	}
	a.config = *next
	a.config.definitions = files[0].list
	if a.ours {
		for _, p := range merged.Problems {
			a.broken = append(a.broken, fault{p.File, p.Line, p.Field, model.CodeUnsupported, model.Warning, p.Message})
		}
		for _, p := range merged.LeftOut {
			a.broken = append(a.broken, fault{p.File, p.Line, p.Field, model.CodeIgnored, model.Info, p.Message})
		}
		a.broken = append(a.broken, replaced(in)...)
	}
	for _, f := range files {
		if f.err != nil && wasOurs {
			a.broken = append(a.broken, fault{file: f.path, code: model.CodeUnreadable, severity: model.Error,
				message: "cannot be read, what was read before stays: " + f.err.Error()})
		}
		if !wasOurs && !a.ours && !mentions {
			continue
		}
		for _, p := range f.problems {
			message := p.Message
			if wasOurs {
				message += "; what was read of it before stays"
			}
			a.broken = append(a.broken, fault{f.path, p.Line, p.Field, model.CodeUnreadable, model.Error, message})
		}
	}
}

// replaced warns of lists that a later document, or file, replaces where both hold always: that is seldom meant.
func replaced(files []bootconfig.File) []fault {
	var out []fault
	keys := ownKeys()
	for _, prefix := range prefixes() {
		for _, key := range append([]string{"routes", "default-filters"}, keys[:]...) {
			var before *bootconfig.Property
			for _, f := range files {
				for _, d := range f.Documents {
					list := d.Root.Get(append(slices.Clone(prefix), key)...)
					if !list.Replaces() || d.Conditional() || bootconfig.ForProfile(f.Path) {
						continue
					}
					if before.IsList() {
						at := fmt.Sprintf("%s:%d", filepath.Base(f.Path), list.Line)
						out = append(out, fault{before.File, before.Line, key, model.CodeIgnored, model.Warning, key + " at " + at +
							" replace all of these, as in Spring: put them into one list, or into a file that stands for itself"})
					}
					before = list
				}
			}
		}
	}
	return out
}

// said tells whether there is anything to say of the application.
func (a *application) said() bool { return a.ours || len(a.broken) > 0 }

// reading is all files with the applications that they are divided into.
type reading struct {
	boot      bootconfig.Settings
	resolvers map[string]string
	zone      string
	files     map[string]*routeFile
	apps      map[string]*application // by the paths of their files
	feeds     map[string]Feed         // by the paths that they are read as
}

func newReading(c *Config) *reading {
	r := &reading{boot: c.Boot, resolvers: c.KeyResolvers, zone: c.Zone, files: map[string]*routeFile{}, apps: map[string]*application{}, feeds: map[string]Feed{}}
	for _, f := range c.Feeds {
		r.feeds[f.Name] = f
	}
	return r
}

// take brings changed files in.
func (r *reading) take(files []watch.File) {
	changed := map[string]bool{}
	for _, f := range files {
		changed[f.Path] = true
		if f.Gone {
			delete(r.files, f.Path)
			continue
		}
		if r.files[f.Path] == nil {
			_, fed := r.feeds[f.Path]
			r.files[f.Path] = &routeFile{path: f.Path, fed: fed}
		}
		r.files[f.Path].take(f)
	}
	now := map[string]*application{}
	for _, paths := range bootconfig.Applications(slices.Collect(maps.Keys(r.files))) {
		key := strings.Join(paths, "\n")
		app, again := r.apps[key], slices.ContainsFunc(paths, func(p string) bool { return changed[p] })
		if app == nil {
			app, again = r.before(paths), true
		}
		now[key] = app
		if !again {
			continue
		}
		var of []*routeFile
		for _, p := range paths {
			of = append(of, r.files[p])
		}
		settings := r.boot
		settings.Plain = r.feeds[paths[0]].Plain
		app.read(of, settings, r.resolvers, r.zone)
	}
	r.apps = now
}

// told are the files that say something, whether it can be read or not.
func (r *reading) told() []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(r.files)) {
		if f := r.files[path]; len(f.docs)+len(f.problems) > 0 {
			out = append(out, path)
		}
	}
	return out
}

// before returns what was known of an application before it had these files.
func (r *reading) before(paths []string) *application {
	for _, p := range paths {
		for _, app := range r.apps {
			if app.path == p {
				c := *app
				return &c
			}
		}
	}
	return &application{path: paths[0]}
}

// applications are those that say something of the gateway, in the order of their files. Feeds come behind files, as what was
// posted does behind what is written down in Spring.
func (r *reading) applications() []*application {
	var out []*application
	for _, a := range r.apps {
		if a.said() {
			out = append(out, a)
		}
	}
	fed := func(a *application) int {
		if _, ok := r.feeds[a.path]; ok {
			return 1
		}
		return 0
	}
	slices.SortFunc(out, func(a, b *application) int { return cmp.Or(fed(a)-fed(b), strings.Compare(a.path, b.path)) })
	return out
}
