// Package bootconfig reads configuration files of Spring Boot as Spring Boot does: application.yml and application.properties,
// several documents in a file, documents and files for profiles, keys in every relaxed spelling, and placeholders with
// defaults. What comes out is one tree of properties that know the file and line they stand in.
//
// It knows no property but those that say which documents count. It serves nothing and starts nothing.
package bootconfig

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"paifang/internal/document"
)

// Settings are what a configuration is read with besides its files. The zero value has nothing.
type Settings struct {
	// Profiles are active; empty = those that the property spring.profiles.active names, wherever it is set.
	Profiles []string
	// Properties are what a Java program is given with -D: they fill placeholders before anything else does.
	Properties map[string]string
	// Environ looks up an environment variable for placeholders; nil = there is none.
	Environ func(name string) (value string, ok bool)
	// Plain leaves placeholders as they are written: the text is of somebody who may not read what would fill them.
	Plain bool
}

// File is a file with the documents that were read from it.
type File struct {
	Path      string
	Documents []Document
}

// Document is one document of a file.
type Document struct {
	Root *Property
	when []string // expressions over profiles, any of which must hold; nil = always
	line int      // of the condition
	odd  string   // another condition, which is not known here
}

func newDocument(root *Property) Document {
	d := Document{Root: root}
	on := root.Get("spring", "config", "activate", "on-profile")
	if on == nil {
		if before := root.Get("spring", "profiles"); before.IsText() || before.IsList() { // before Boot 2.4
			on = before
		}
	}
	if on != nil {
		d.when, d.line = on.Words(), on.Line
		if d.when == nil {
			d.when = []string{}
		}
	}
	if p := root.Get("spring", "config", "activate", "on-cloud-platform"); p != nil {
		d.odd, d.line = "on-cloud-platform", p.Line
	}
	return d
}

// Merged is what files say together.
type Merged struct {
	Root     *Property // nil = nothing
	Profiles []string  // that are active
	Problems []document.Problem
	LeftOut  []document.Problem // documents, and files, for profiles that are not active

	filled map[*Property]filling // items of lists with placeholders
}

// Again reads files together: what a later one says replaces what an earlier one does. Those for profiles come behind the
// others, as Applications has them. An item of a list that says what it said for m is the same Property as in m; the zero Merged has
// read nothing.
func (m *Merged) Again(files []File, s Settings) Merged {
	x := &expansion{settings: s, before: m.filled, filled: make(map[*Property]filling, len(m.filled))}
	now := Merged{Profiles: s.profiles(files, x)}
	for _, f := range now.inForce(files) {
		for _, d := range f.Documents {
			if now.counts(f.Path, &d) {
				now.Root = overlay(now.Root, d.Root)
			}
		}
	}
	x.root = now.Root
	if !s.Plain {
		now.Root = x.fill(now.Root)
	}
	now.Problems, now.filled = append(now.Problems, x.problems...), x.filled
	return now
}

// inForce are the files that count: those for no profile, and then those for each active one in the order of these. It notes the others.
func (m *Merged) inForce(files []File) []File {
	if len(files) == 1 {
		return files
	}
	var out []File
	for _, f := range files {
		if name := profileOf(f.Path); name != "" && !slices.Contains(m.Profiles, name) && len(f.Documents) > 0 {
			m.LeftOut = append(m.LeftOut, document.Problem{File: f.Path, Line: 1, Field: "spring.profiles.active",
				Message: fmt.Sprintf("the file is for the profile %q, and active is %s: it is left out; sources.spring.profiles, or --profile of check and import, makes it count", name, strings.Join(m.Profiles, ", "))})
		}
	}
	for _, name := range append([]string{""}, m.Profiles...) {
		for _, f := range files {
			if profileOf(f.Path) == name {
				out = append(out, f)
			}
		}
	}
	return out
}

// counts tells whether a document is read, and notes why it is not.
func (m *Merged) counts(file string, d *Document) bool {
	const field = "spring.config.activate."
	if d.odd != "" {
		m.Problems = append(m.Problems, document.Problem{File: file, Line: d.line, Field: field + d.odd, Message: d.odd + " is not supported: the document is left out"})
		return false
	}
	ok, err := holds(d.when, m.Profiles)
	switch {
	case err != nil:
		m.Problems = append(m.Problems, document.Problem{File: file, Line: d.line, Field: field + "on-profile", Message: err.Error() + ": the document is left out"})
	case !ok:
		m.LeftOut = append(m.LeftOut, document.Problem{File: file, Line: d.line, Field: field + "on-profile",
			Message: fmt.Sprintf("the document is for %q, and active is %s: it is left out", strings.Join(d.when, ","), strings.Join(m.Profiles, ", "))})
	}
	return ok
}

// stems are the names that Spring looks for, the weaker one first.
var stems = [...]string{"bootstrap", "application"}

// profileOf returns PROFILE of application-PROFILE.yml, or "".
func profileOf(path string) string {
	base := filepath.Base(path)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	for _, s := range stems {
		if p, ok := strings.CutPrefix(base, s+"-"); ok {
			return p
		}
	}
	return ""
}

// ForProfile tells whether a file counts only while a profile is active, by its name.
func ForProfile(path string) bool { return profileOf(path) != "" }

// Applications divides paths into those that are read together, in the order in which later ones win. Files of one
// directory that are called application or bootstrap belong together, with those for profiles beside them. Every other
// file stands for itself.
func Applications(paths []string) [][]string {
	byDir := map[string][]string{}
	based := map[string]bool{}
	var out [][]string
	for _, p := range slices.Sorted(slices.Values(paths)) {
		base := filepath.Base(p)
		base = strings.TrimSuffix(base, filepath.Ext(base))
		switch {
		case base == stems[0] || base == stems[1]:
			based[filepath.Dir(p)] = true
			fallthrough
		case profileOf(p) != "":
			byDir[filepath.Dir(p)] = append(byDir[filepath.Dir(p)], p)
		default:
			out = append(out, []string{p})
		}
	}
	for dir, all := range byDir {
		if !based[dir] {
			for _, p := range all {
				out = append(out, []string{p})
			}
			continue
		}
		slices.SortStableFunc(all, func(a, b string) int { return strings.Compare(strength(a), strength(b)) })
		out = append(out, all)
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

// strength orders the files of an application: those for profiles last, properties behind YAML.
func strength(path string) string {
	key := "0"
	if profileOf(path) != "" {
		key = "1"
	}
	if strings.HasPrefix(filepath.Base(path), stems[1]) {
		key += "1"
	} else {
		key += "0"
	}
	if filepath.Ext(path) == ".properties" {
		key += "1"
	}
	return key
}

// Accept tells by the base name which files of a directory are read: YAML and properties that are not hidden.
func Accept(base string) bool {
	switch filepath.Ext(base) {
	case ".yml", ".yaml", ".properties":
		return !strings.HasPrefix(base, ".")
	}
	return false
}

// Conditional tells whether the document counts for some profiles only.
func (d Document) Conditional() bool { return d.when != nil || d.odd != "" }
