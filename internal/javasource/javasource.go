// Package javasource finds in Java source what an application adds to Spring Cloud Gateway: classes that are filters, and methods
// that make one. It reads declarations and words; it does not compile, and does not follow what one class inherits from another but by name.
package javasource

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Kind is what a declaration is.
type Kind string

// The kinds.
const (
	GlobalFilter Kind = "global-filter"  // acts on every route
	Factory      Kind = "filter-factory" // is named in routes
)

// Declaration is a class, or a method that returns one.
type Declaration struct {
	Kind Kind
	Name string // of the class or method
	File string
	Line int
	// Words are the identifiers in its body, Texts the literals.
	Words, Texts []string
}

// Bounds of what is read.
const (
	maxFile  = 1 << 20 // bytes
	maxFiles = 100_000
)

// Scan reads all .java files below a directory, but for those of tests, and returns what they declare, by file and line. Files that
// cannot be read are an error, all others are read nevertheless.
func Scan(dir string) ([]Declaration, error) {
	var all []file
	var errs []error
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name := d.Name(); path != dir && (strings.HasPrefix(name, ".") || name == "test" && filepath.Base(filepath.Dir(path)) == "src") {
				return filepath.SkipDir
			}
			return nil
		case filepath.Ext(path) != ".java":
			return nil
		case len(all) == maxFiles:
			return fmt.Errorf("there are more than %d files", maxFiles)
		}
		info, err := d.Info()
		if err == nil && info.Size() > maxFile {
			err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
		}
		var text []byte
		if err == nil {
			text, err = os.ReadFile(path)
		}
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		all = append(all, file{path, tokens(string(text))})
		return nil
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		err = fmt.Errorf("javasource: scan %s: %w", dir, err)
	}
	return declarations(all), err
}

type file struct {
	path   string
	tokens []token
}

// class is a class with what it is derived from.
type class struct {
	Declaration
	parents []string
}

// declarations are those of all files together: a class may be a filter by a class of the application that it extends.
func declarations(all []file) []Declaration {
	var classes []class
	var out []Declaration
	for _, f := range all {
		for i, t := range f.tokens {
			switch {
			case t.is("class") || t.is("record") || t.is("enum"):
				if c, ok := readClass(f, i); ok {
					classes = append(classes, c)
				}
			case t.kind == word && (t.text == "GlobalFilter" || strings.HasSuffix(t.text, "GatewayFilterFactory")):
				if d, ok := readMethod(f, i); ok {
					out = append(out, d)
				}
			}
		}
	}
	kinds := map[string]Kind{"GlobalFilter": GlobalFilter, "GatewayFilterFactory": Factory, "AbstractGatewayFilterFactory": Factory,
		"AbstractNameValueGatewayFilterFactory": Factory, "AbstractChangeRequestUriGatewayFilterFactory": Factory}
	for changed := true; changed; {
		changed = false
		for i := range classes {
			c := &classes[i]
			if c.Kind != "" {
				continue
			}
			for _, p := range c.parents {
				if k := kinds[p]; k != "" {
					c.Kind, changed = k, true
					kinds[c.Name] = k
					break
				}
			}
		}
	}
	for _, c := range classes {
		if c.Kind != "" {
			out = append(out, c.Declaration)
		}
	}
	slices.SortFunc(out, func(a, b Declaration) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return out
}

// readClass reads "class Name<T> extends A<B> implements C, d.E {" and its body. A name in front of a dot or a literal ".class" is none.
func readClass(f file, at int) (class, bool) {
	ts := f.tokens
	if at > 0 && ts[at-1].is(".") || at+1 >= len(ts) || ts[at+1].kind != word {
		return class{}, false
	}
	c := class{Declaration: Declaration{Name: ts[at+1].text, File: f.path, Line: ts[at].line}}
	reads, skips, depth := false, false, 0
	for i := at + 2; i < len(ts); i++ {
		switch t := ts[i]; {
		case t.is("<") || t.is("("):
			depth++
		case t.is(">") || t.is(")"):
			depth--
		case depth > 0:
		case t.is("extends") || t.is("implements"):
			reads, skips = true, false
		case t.is("permits"):
			skips = true
		case t.is("{"):
			c.Words, c.Texts = body(ts, i)
			return c, true
		case t.is(",") || t.is(".") || t.is("@") || skips && t.kind == word:
		case t.kind == word && reads:
			if i+1 < len(ts) && ts[i+1].is(".") {
				continue // of a qualified name the last part counts
			}
			c.parents = append(c.parents, t.text)
		default:
			return class{}, false // "record" and "enum" are words elsewhere
		}
	}
	return class{}, false
}

// readMethod reads a method with a filter as its result: "GlobalFilter name(…) {".
func readMethod(f file, at int) (Declaration, bool) {
	ts := f.tokens
	if at+2 >= len(ts) || ts[at+1].kind != word || !ts[at+2].is("(") || at > 0 && ts[at-1].is("new") {
		return Declaration{}, false
	}
	d := Declaration{Kind: Factory, Name: ts[at+1].text, File: f.path, Line: ts[at].line}
	if ts[at].text == "GlobalFilter" {
		d.Kind = GlobalFilter
	}
	depth := 0
	for i := at + 2; i < len(ts); i++ {
		switch t := ts[i]; {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth == 0 && t.is("{"):
			d.Words, d.Texts = body(ts, i)
			return d, true
		case depth == 0 && t.kind != word && !t.is(",") && !t.is("."): // an abstract one, or a call
			return Declaration{}, false
		}
	}
	return Declaration{}, false
}

// body collects what stands between braces.
func body(ts []token, at int) (words, texts []string) {
	depth := 0
	for _, t := range ts[at:] {
		switch {
		case t.is("{"):
			depth++
		case t.is("}"):
			if depth--; depth == 0 {
				return words, texts
			}
		case t.kind == word:
			words = append(words, t.text)
		case t.kind == literal:
			texts = append(texts, t.text)
		}
	}
	return words, texts
}
