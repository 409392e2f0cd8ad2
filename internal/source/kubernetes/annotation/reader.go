package annotation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
)

// DefaultPrefix is what the names begin with, unless ingress-nginx was told otherwise.
const DefaultPrefix = "nginx.ingress.kubernetes.io"

// Settings are what the annotations of an Ingress say, each family in its own part.
type Settings struct {
	Rewrite   Rewrite
	Redirect  Redirect
	Backend   Backend
	Affinity  Affinity
	Canary    Canary
	Auth      Auth
	ClientTLS ClientTLS
	TLS       TLS
	CORS      CORS
	Limits    Limits
	Proxy     Proxy
	Buffers   Buffers
	Errors    Errors
	Mirror    Mirror
	Traces    model.RouteTracing
	Guard     Guard // of the installation: no annotation says it

	// Denied says that something that protects cannot be carried out, so that every path of the Ingress answers 503. Empty = no.
	Denied string
	// Rejected says that an annotation is one that Guard forbids. Denied names it; a canary adds nothing, and no TLS is passed on.
	Rejected bool
}

// Defaults is what ingress-nginx does where neither its ConfigMap nor an Ingress says anything.
func Defaults() Settings {
	var s Settings
	s.Redirect.SSL = true
	s.Proxy = Proxy{Connect: 5 * time.Second, Read: time.Minute, Next: Next{
		Given: true, Tries: 3, On: []model.RetryOn{model.RetryConnect, model.RetryRefused, model.RetryReset, model.RetryTimeout}}}
	s.Buffers.BodySize = 1 << 20
	s.TLS.Hide = true
	s.Affinity.SameSite = model.SameSiteOmit
	return s
}

// Reader reads the annotations of one prefix. It never changes, so that many may use it at once.
type Reader struct {
	prefix   string // with its slash
	base     Settings
	plain    Settings               // of an Ingress that says nothing
	rows     map[string]*Annotation // by name and alias
	names    []string
	settlers []func(*reading)
	forAll   bool // see NewDefaultsReader
}

// NewReader returns a reader for a prefix, "" being DefaultPrefix. base is what is in force where an Ingress says nothing:
// Defaults, or what a ConfigMap of ingress-nginx makes of them.
func NewReader(prefix string, base Settings) *Reader {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	r := &Reader{prefix: strings.TrimSuffix(prefix, "/") + "/", base: base, rows: map[string]*Annotation{}}
	for _, f := range families() {
		for i := range f.rows {
			a := &f.rows[i]
			a.Family = f.name
			r.rows[a.Name] = a
			if a.Alias != "" {
				r.rows[a.Alias] = a
			}
		}
		if f.settle != nil {
			r.settlers = append(r.settlers, f.settle)
		}
	}
	r.names = slices.Sorted(maps.Keys(r.rows))
	r.plain = base
	r.plain.Auth.global()
	return r
}

// NewDefaultsReader returns a reader for what a ConfigMap of ingress-nginx says as annotations do, for all Ingresses. A few values that
// are none deny there nothing, or are the default.
func NewDefaultsReader() *Reader {
	r := NewReader("", Defaults())
	r.forAll = true
	return r
}

// Prefix is what names begin with, with its slash.
func (r *Reader) Prefix() string { return r.prefix }

// Names are all names, without prefix.
func (r *Reader) Names() []string { return r.names }

// Has tells whether any of the annotations is one that is read here.
func (r *Reader) Has(annotations map[string]string) bool {
	for key := range annotations {
		if strings.HasPrefix(key, r.prefix) {
			return true
		}
	}
	return false
}

// reading is one run over the annotations of an Ingress.
type reading struct {
	*Settings
	given  map[string]*Finding // by name without prefix
	forAll bool                // see Reader
}

// has tells whether an annotation is there and its value could be read.
func (r *reading) has(name string) bool {
	f := r.given[name]
	return f != nil && f.Verdict != Invalid
}

// tried tells whether an annotation is there, whatever its value.
func (r *reading) tried(name string) bool { return r.given[name] != nil }

// say replaces what is said about an annotation, if it is there.
func (r *reading) say(name string, v Verdict, format string, args ...any) {
	if f := r.given[name]; f != nil {
		f.Verdict, f.Message = v, fmt.Sprintf(format, args...)
	}
}

// Read reads the annotations that begin with the prefix. There is a Finding for each of them, in the order of their names.
func (r *Reader) Read(annotations map[string]string) (Settings, []Finding) {
	s := r.base
	var keys []string
	for key := range annotations {
		if strings.HasPrefix(key, r.prefix) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return r.plain, nil
	}
	slices.Sort(keys)
	found := make([]Finding, len(keys))
	run := reading{&s, make(map[string]*Finding, len(keys)), r.forAll}
	for i, key := range keys {
		f := &found[i]
		f.Key = key
		name := strings.TrimPrefix(key, r.prefix)
		row := r.rows[name]
		if row == nil {
			f.Verdict, f.Message = Unknown, "ingress-nginx has no annotation of this name: it has no effect"
			continue
		}
		if r.unsaid(row, name, annotations) {
			f.Verdict, f.Message = Ignored, "is empty: it counts as if it were not given"
			continue
		}
		f.Verdict, f.Message = row.Verdict, row.Note
		if name != row.Name && run.given[row.Name] != nil {
			f.Verdict, f.Message = Ignored, row.Name+" is given too, and this is another name of it"
			continue
		}
		run.given[row.Name] = f
		if row.read != nil {
			row.read(&value{text: strings.TrimSpace(annotations[key]), s: &s, found: f, forAll: r.forAll})
		}
	}
	for _, settle := range r.settlers {
		settle(&run)
	}
	for i, key := range keys {
		name := strings.TrimPrefix(key, r.prefix)
		if why := s.Guard.refusal(r.rows[name], annotations[key]); why != "" {
			found[i].Verdict, found[i].Message = Refused, why+": every path of this Ingress answers 503"
			s.Denied, s.Rejected = name, true
		}
	}
	return s, found
}

// unsaid tells whether an annotation of an Ingress has an empty value, which under ingress-nginx is as good as none. A list of addresses by
// its own name is not: it lets nobody in, unless its other name is given too.
func (r *Reader) unsaid(row *Annotation, name string, annotations map[string]string) bool {
	if r.forAll || annotations[r.prefix+name] != "" {
		return false
	}
	list := row.Name == "allowlist-source-range" || row.Name == "denylist-source-range"
	return !list || name != row.Name || row.Alias != "" && annotations[r.prefix+row.Alias] != ""
}
