// Package javasource finds in Java source what an application adds to Spring Cloud Gateway: classes that are filters, predicates, key resolvers or
// routes, and methods that make one. Kotlin is looked through for the names of the same types. It reads declarations and words; it does not compile, and does not follow what one class inherits from another but by name.
package javasource

import (
	"cmp"
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
	GlobalFilter Kind = "global-filter"     // acts on every route
	Factory      Kind = "filter-factory"    // is named in routes
	Predicate    Kind = "predicate-factory" // is named in routes
	Resolver     Kind = "key-resolver"      // is named by limits
	WebFilter    Kind = "web-filter"        // acts on all requests
	Security     Kind = "security"          // says who may ask
	Routes       Kind = "routes"            // has routes that no file has
)

// kindOf is what a type of Spring's makes of a class that has it, or of a method that returns it.
func kindOf(name string) Kind {
	switch name {
	case "GlobalFilter", "ReactiveLoadBalancerClientFilter": // the latter is one, and is extended to choose instances
		return GlobalFilter
	case "KeyResolver":
		return Resolver
	case "WebFilter", "CorsWebFilter": // the latter is one, and where most applications have their CORS
		return WebFilter
	case "SecurityWebFilterChain":
		return Security
	case "RouteLocator", "RouteDefinitionLocator", "RouteDefinitionRepository":
		return Routes
	}
	return ""
}

// factoryOf is kindOf for factories, which are called by their own names.
func factoryOf(name string) Kind {
	switch {
	case strings.HasSuffix(name, "GatewayFilterFactory"):
		return Factory
	case strings.HasSuffix(name, "RoutePredicateFactory"):
		return Predicate
	}
	return ""
}

// Declaration is a class, or a method that returns one.
type Declaration struct {
	Kind Kind
	Name string // of the class or method
	File string
	Line int
	// Words are the identifiers in its body, Texts the literals.
	Words, Texts []string
}

// Found is what was found, and in how many files.
type Found struct {
	Declarations []Declaration // by file and line
	Java, Kotlin int           // files that were read
}

// Bounds of what is read.
const (
	maxFile  = 1 << 20 // bytes
	maxFiles = 100_000
)

// Scan reads all .java and .kt files below a directory, but for those of tests, and returns what they declare. Files that cannot be read are an
// error, all others are read nevertheless; so is it where there is none.
func Scan(dir string) (Found, error) {
	var java, kotlin []file
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
		case filepath.Ext(path) != ".java" && filepath.Ext(path) != ".kt":
			return nil
		case len(java)+len(kotlin) == maxFiles:
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
		into := &java
		if filepath.Ext(path) == ".kt" {
			into = &kotlin
		}
		*into = append(*into, file{path, tokens(string(text))})
		return nil
	})
	if len(java)+len(kotlin) == 0 {
		errs = append(errs, errors.New("there is no Java source (.java) below it"))
	}
	if err = errors.Join(append(errs, err)...); err != nil {
		err = fmt.Errorf("javasource: scan %s: %w", dir, err)
	}
	out := append(declarations(java), mentions(kotlin)...)
	slices.SortFunc(out, func(a, b Declaration) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) })
	return Found{out, len(java), len(kotlin)}, err
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
			case t.kind == word && cmp.Or(kindOf(t.text), factoryOf(t.text)) != "":
				if d, ok := readMethod(f, i); ok {
					out = append(out, d)
				}
			}
		}
	}
	kinds := map[string]Kind{}
	for _, name := range []string{"GatewayFilterFactory", "AbstractGatewayFilterFactory", "AbstractNameValueGatewayFilterFactory", "AbstractChangeRequestUriGatewayFilterFactory",
		"RoutePredicateFactory", "AbstractRoutePredicateFactory"} {
		kinds[name] = factoryOf(name)
	}
	for changed := true; changed; {
		changed = false
		for i := range classes {
			c := &classes[i]
			if c.Kind != "" {
				continue
			}
			for _, p := range c.parents {
				if k := cmp.Or(kinds[p], kindOf(p)); k != "" {
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
	return out
}

// mentions are classes and functions in Kotlin, which is not read as such, where a type of Spring's is named that Java's are looked for by. Each
// is told once, with the words of its whole file.
func mentions(all []file) []Declaration {
	var out []Declaration
	for _, f := range all {
		name, at, imports := cmp.Or(strings.TrimSuffix(filepath.Base(f.path), ".kt"), ".kt"), 1, 0
		words, texts := spoken(f.tokens)
		for i, t := range f.tokens {
			switch {
			case t.is("import"):
				imports = t.line
			case t.kind == word && i > 0 && (f.tokens[i-1].is("class") || f.tokens[i-1].is("object") || f.tokens[i-1].is("fun")):
				name, at = t.text, t.line
			}
			kind := kindOf(t.text)
			switch {
			case kind == "" && strings.HasPrefix(t.text, "Abstract"):
				kind = factoryOf(t.text)
			case t.text == "RouteLocatorBuilder": // routes {} has a result that need not be named
				kind = Routes
			case t.text == "GatewayFilterFactory" || t.text == "RoutePredicateFactory":
				kind = factoryOf(t.text)
			}
			if t.kind != word || kind == "" || t.line == imports || slices.ContainsFunc(out, func(d Declaration) bool { return d.File == f.path && d.Name == name && d.Kind == kind }) {
				continue
			}
			out = append(out, Declaration{Kind: kind, Name: name, File: f.path, Line: at, Words: words, Texts: texts})
		}
	}
	return out
}

// spoken are the words and literals of tokens.
func spoken(ts []token) (words, texts []string) {
	for _, t := range ts {
		switch t.kind {
		case word:
			words = append(words, t.text)
		case literal:
			texts = append(texts, t.text)
		}
	}
	return words, texts
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

// readMethod reads a method with a filter, or another of the kinds, as its result: "GlobalFilter name(…) {".
func readMethod(f file, at int) (Declaration, bool) {
	ts := f.tokens
	if at+2 >= len(ts) || ts[at+1].kind != word || !ts[at+2].is("(") || at > 0 && ts[at-1].is("new") {
		return Declaration{}, false
	}
	d := Declaration{Kind: cmp.Or(kindOf(ts[at].text), factoryOf(ts[at].text)), Name: ts[at+1].text, File: f.path, Line: ts[at].line}
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
	for i, t := range ts[at:] {
		switch {
		case t.is("{"):
			depth++
		case t.is("}"):
			if depth--; depth == 0 {
				return spoken(ts[at : at+i])
			}
		}
	}
	return spoken(ts[at:])
}
