package installation

import (
	"maps"
	"slices"
	"strings"

	"paifang/internal/source/kubernetes/annotation"
)

// Key is a row of the table of the ConfigMap.
type Key struct {
	Name    string
	Group   string // of keys that belong together
	Default string // as ingress-nginx has it; "" = empty
	Verdict annotation.Verdict
	Note    string // how it differs, why it is ignored, or what replaces it
	// Annotation is the one whose default the key is, and as which it is read; "" = it has none.
	Annotation string

	read func(*value)
}

// group is the keys of one subject.
type group struct {
	name string
	keys []Key
}

// Keys are all that ingress-nginx knows, group by group.
func Keys() []Key {
	like := map[string]annotation.Annotation{}
	for _, a := range annotation.Table() {
		like[a.Name] = a
		if a.Alias != "" {
			like[a.Alias] = a
		}
	}
	var all []Key
	for _, g := range groups() {
		for _, k := range g.keys {
			k.Group = g.name
			if k.Annotation != "" && k.Verdict == "" {
				a := like[k.Annotation]
				k.Verdict, k.Note = a.Verdict, a.Note
			}
			all = append(all, k)
		}
	}
	return all
}

// KeyNames are the names of all keys, sorted.
func KeyNames() []string {
	var out []string
	for _, k := range Keys() {
		out = append(out, k.Name)
	}
	slices.Sort(out)
	return out
}

// Read reads the data of the ConfigMap. There is a Finding for each key, in their order. A value that cannot be read leaves the
// default in force; where it protects something, nobody is let past, see annotation.Settings.Denied.
func Read(data map[string]string) (Settings, []annotation.Finding) {
	s := Defaults()
	rows := map[string]*Key{}
	for _, k := range Keys() {
		rows[k.Name] = &k
	}
	names := slices.Sorted(maps.Keys(data))
	found := make([]annotation.Finding, len(names))
	reader := annotation.NewDefaultsReader()
	asAnnotations := map[string]string{}
	for i, name := range names {
		found[i].Key = name
		k := rows[name]
		switch {
		case k == nil:
			found[i].Verdict, found[i].Message = annotation.Unknown, "ingress-nginx has no key of this name: it has no effect"
			continue
		case k.Annotation != "":
			asAnnotations[reader.Prefix()+k.Annotation] = data[name]
		}
		found[i].Verdict, found[i].Message = k.Verdict, k.Note
	}
	s.take(reader, asAnnotations, func(written string, f annotation.Finding) {
		for i, name := range names {
			if k := rows[name]; k != nil && reader.Prefix()+k.Annotation == written {
				found[i].Verdict, found[i].Message = f.Verdict, strings.ReplaceAll(f.Message, "this Ingress", "every Ingress")
			}
		}
	})
	for i, name := range names {
		if k := rows[name]; k != nil && k.read != nil {
			k.read(&value{reading{strings.TrimSpace(data[name]), &found[i]}, &s})
		}
	}
	if i := slices.Index(names, "enable-opentelemetry"); i >= 0 && s.Traces.On && s.Traces.Host == "" {
		found[i].Verdict, found[i].Message = annotation.Ignored, "otlp-collector-host is not given: what tracing says in our configuration file holds, if it is there"
	}
	return s, found
}

// take reads the keys that are defaults of annotations. What is asked of everybody who does not ask somebody else is kept apart.
func (s *Settings) take(reader *annotation.Reader, written map[string]string, say func(written string, f annotation.Finding)) {
	set, found := reader.Read(written)
	for _, f := range found {
		say(f.Key, f)
	}
	if global := set.Auth; global.URL != "" {
		set.Auth = annotation.Auth{Global: &global}
	}
	s.Annotations = set
}
