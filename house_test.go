package paifang

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// maxLines is the length of a production file that nobody may exceed, maxFields that of a struct of options.
const (
	maxLines  = 500
	maxFields = 25
)

// house is the production code of one package.
type house struct {
	name  string // as rows in layers_test.go have it
	fset  *token.FileSet
	files map[string]*ast.File // by path
}

// helper tells whether the package is for tests only.
func (h *house) helper() bool { return strings.HasSuffix(path.Base(h.name), "test") }

// at is the place of a node.
func (h *house) at(n ast.Node) string {
	p := h.fset.Position(n.Pos())
	return p.Filename + ":" + strconv.Itoa(p.Line)
}

// houses parses the production code of the module.
func houses(t *testing.T) []*house {
	t.Helper()
	byName := map[string]*house{}
	var out []*house
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		name := packageName(file)
		h := byName[name]
		if h == nil {
			h = &house{name, token.NewFileSet(), map[string]*ast.File{}}
			byName[name] = h
			out = append(out, h)
		}
		tree, err := parser.ParseFile(h.fset, file, nil, parser.ParseComments)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		h.files[file] = tree
	}
	if len(out) == 0 {
		t.Fatal("no production code found: is this the root of the module?")
	}
	return out
}

func TestPackageDocs(t *testing.T) {
	for _, h := range houses(t) {
		var docs []string
		for file, tree := range h.files {
			if tree.Doc == nil {
				continue
			}
			text := tree.Doc.Text()
			want := "Package " + tree.Name.Name + " "
			if tree.Name.Name == "main" {
				want = "Command " + path.Base(h.name) + " "
			}
			if !strings.HasPrefix(text, want) {
				t.Errorf("%s: the package comment must begin with %q", file, want)
			}
			docs = append(docs, file)
		}
		switch slices.Sort(docs); len(docs) {
		case 0:
			t.Errorf("%s: no package comment: say in a sentence or two what the package is and what it is not", h.name)
		case 1:
		default:
			t.Errorf("%s: package comments in %s: keep one", h.name, strings.Join(docs, ", "))
		}
	}
}

func TestNames(t *testing.T) {
	banned := []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "shared", "base", "lib", "tools"}
	file := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*\.go$`)
	dir := regexp.MustCompile(`^[a-z0-9]+$`)
	for _, f := range goFiles(t) {
		if !file.MatchString(path.Base(f)) {
			t.Errorf("%s: file names are snake_case nouns of what is inside", f)
		}
		if name := path.Base(path.Dir(f)); name != "." && !dir.MatchString(name) {
			t.Errorf("%s: directories of packages are one lower-case word", path.Dir(f))
		}
	}
	for _, h := range houses(t) {
		for f, tree := range h.files {
			if slices.Contains(banned, tree.Name.Name) {
				t.Errorf("%s: package %s says nothing: name the one idea that is in it", f, tree.Name.Name)
			}
		}
	}
}

func TestFileSizes(t *testing.T) {
	for _, f := range goFiles(t) {
		if n := strings.Count(read(t, f), "\n"); n > maxLines && !strings.HasSuffix(f, "_test.go") {
			t.Errorf("%s has %d lines, more than %d: it holds more than one idea", f, n, maxLines)
		}
	}
}

func TestProductionImportsNoTestCode(t *testing.T) {
	forTests := []string{"testing", "go.uber.org/goleak", "pgregory.net/rapid", "golang.org/x/tools/txtar", "net/http/httptest"}
	for _, im := range productionImports(t) {
		if _, helper := rowName(im.from); !helper && (among(forTests, im.path) || strings.HasPrefix(im.path, "testing/")) {
			t.Errorf("%s: %s imports %s: only tests, and packages whose names end in test, do", im.at, im.from, im.path)
		}
	}
}

func TestNoHiddenState(t *testing.T) {
	for _, h := range houses(t) {
		vars := map[string]bool{}
		for _, tree := range h.files {
			for _, d := range tree.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Recv == nil && d.Name.Name == "init" {
						t.Errorf("%s: func init: what runs at start is called by main, in an order that can be read", h.at(d))
					}
				case *ast.GenDecl:
					if d.Tok == token.VAR {
						packageVars(t, h, d, vars)
					}
				}
			}
		}
		for _, tree := range h.files {
			for _, d := range tree.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					assignments(t, h, f, vars)
				}
			}
		}
	}
}

// packageVars reports package variables that are made to be changed, and notes the names of all.
func packageVars(t *testing.T, h *house, d *ast.GenDecl, vars map[string]bool) {
	t.Helper()
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		for _, n := range spec.Names {
			if n.Name != "_" {
				vars[n.Name] = true
			}
		}
		if why := changeable(spec.Type); why != "" {
			t.Errorf("%s: package variable %s is %s: state belongs to a value that somebody owns", h.at(spec), spec.Names[0].Name, why)
		}
		for _, v := range spec.Values {
			if why := changeableValue(v); why != "" {
				t.Errorf("%s: package variable %s is %s: write a table as an array or a function; state belongs to a value that somebody owns", h.at(spec), spec.Names[0].Name, why)
			}
		}
	}
}

// changeable says what is wrong with the type of a package variable.
func changeable(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.MapType:
		return "a map"
	case *ast.ChanType:
		return "a channel"
	case *ast.StarExpr:
		return changeable(e.X)
	case *ast.IndexExpr: // atomic.Pointer[T]
		return changeable(e.X)
	case *ast.SelectorExpr:
		if pkg, ok := e.X.(*ast.Ident); ok && (pkg.Name == "sync" || pkg.Name == "atomic") {
			return "a " + pkg.Name + "." + e.Sel.Name
		}
	}
	return ""
}

func changeableValue(v ast.Expr) string {
	switch v := v.(type) {
	case *ast.CompositeLit:
		return changeable(v.Type)
	case *ast.UnaryExpr:
		return changeableValue(v.X)
	case *ast.CallExpr:
		if name, ok := v.Fun.(*ast.Ident); ok && (name.Name == "make" || name.Name == "new") && len(v.Args) > 0 {
			if why := changeable(v.Args[0]); why != "" {
				return why
			}
			return "made with " + name.Name
		}
	}
	return ""
}

// assignments reports statements of a function that change a package variable. A name is one of those when the parser found no
// declaration of it inside the function.
func assignments(t *testing.T, h *house, f *ast.FuncDecl, vars map[string]bool) {
	t.Helper()
	check := func(e ast.Expr) {
		root := rootName(e)
		if root == nil || !vars[root.Name] {
			return
		}
		if root.Obj != nil {
			if _, pkg := root.Obj.Decl.(*ast.ValueSpec); !pkg || root.Obj.Pos() >= f.Pos() && root.Obj.Pos() < f.End() {
				return
			}
		}
		t.Errorf("%s: package variable %s is changed: state belongs to a value that somebody owns", h.at(e), root.Name)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					check(e)
				}
			}
		case *ast.IncDecStmt:
			check(n.X)
		}
		return true
	})
}

// rootName is x in x, x.f, x[i], *x and (x).
func rootName(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return rootName(e.X)
	case *ast.IndexExpr:
		return rootName(e.X)
	case *ast.StarExpr:
		return rootName(e.X)
	case *ast.ParenExpr:
		return rootName(e.X)
	}
	return nil
}

func TestOptionsAreFew(t *testing.T) {
	for _, h := range houses(t) {
		given := map[string]bool{} // types that a New… takes
		each(h, func(n ast.Node) {
			if f, ok := n.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "New") {
				for _, p := range f.Type.Params.List {
					if root := rootName(p.Type); root != nil {
						given[root.Name] = true
					}
				}
			}
		})
		each(h, func(n ast.Node) {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return
			}
			s, ok := spec.Type.(*ast.StructType)
			if !ok || s.Fields.NumFields() <= maxFields {
				return
			}
			name := spec.Name.Name
			if given[name] || strings.HasSuffix(name, "Options") || strings.HasSuffix(name, "Config") {
				t.Errorf("%s: %s has %d fields, more than %d: it configures more than one thing", h.at(spec), name, s.Fields.NumFields(), maxFields)
			}
		})
	}
}

// TestErrorTexts: an error is the middle of somebody else's sentence.
func TestErrorTexts(t *testing.T) {
	for _, h := range houses(t) {
		each(h, func(n ast.Node) {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return
			}
			pkg, ok := fun.X.(*ast.Ident)
			if !ok || !(pkg.Name == "errors" && fun.Sel.Name == "New" || pkg.Name == "fmt" && fun.Sel.Name == "Errorf") {
				return
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil || quoted(h.name, text) {
				return
			}
			if capitalised(text) {
				t.Errorf("%s: error text %q begins with a capital letter", h.at(lit), text)
			}
			if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "!") {
				t.Errorf("%s: error text %q ends like a sentence", h.at(lit), text)
			}
		})
	}
}

// capitalised tells whether a text begins with a word like Word. WORD and proper names may.
func capitalised(text string) bool {
	first, _, _ := strings.Cut(text, " ")
	first = strings.TrimRight(first, ":,")
	if slices.Contains([]string{"Kubernetes", "Nacos", "Spring", "Ingress", "Service", "Secret", "Deployment", "Pod"}, first) {
		return false
	}
	r := []rune(first)
	return len(r) > 1 && unicode.IsUpper(r[0]) && unicode.IsLower(r[1])
}

// quoted tells whether a text is one that Nacos' own server answers, which clients may compare.
func quoted(pkg, text string) bool {
	return (pkg == "nacoswire" || pkg == "registry/nacosapi") && strings.HasPrefix(text, "Param '")
}

// TestOnlyCommandsExit: a package returns its errors; only a main decides that the process ends.
func TestOnlyCommandsExit(t *testing.T) {
	for _, h := range houses(t) {
		each(h, func(n ast.Node) {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Obj != nil {
				return
			}
			exit := pkg.Name == "os" && sel.Sel.Name == "Exit" || pkg.Name == "log" && (strings.HasPrefix(sel.Sel.Name, "Fatal") || strings.HasPrefix(sel.Sel.Name, "Panic"))
			if exit && !strings.HasPrefix(h.name, "cmd/") {
				t.Errorf("%s: %s.%s: return the error; only cmd ends the process", h.at(sel), pkg.Name, sel.Sel.Name)
			}
		})
	}
}

// TestPureCode: what decides by its input alone reads no clock.
func TestPureCode(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
	for _, h := range houses(t) {
		if !slices.Contains(pure(), h.name) {
			continue
		}
		each(h, func(n ast.Node) {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: %s starts a goroutine: it is a pure function", h.at(n), h.name)
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && pkg.Obj == nil && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s: %s uses time.%s: it is a pure function", h.at(n), h.name, n.Sel.Name)
				}
			}
		})
	}
}

// TestGoroutinesAreCounted: who starts goroutines has a test that none is left behind.
func TestGoroutinesAreCounted(t *testing.T) {
	checked := map[string]bool{}
	for _, f := range goFiles(t) {
		if strings.HasSuffix(f, "_test.go") && strings.Contains(read(t, f), "goleak.") {
			checked[packageName(f)] = true
		}
	}
	for _, h := range houses(t) {
		if checked[h.name] || h.helper() || strings.HasPrefix(h.name, "cmd/") {
			continue
		}
		reported := false
		each(h, func(n ast.Node) {
			if g, ok := n.(*ast.GoStmt); ok && !reported {
				t.Errorf("%s: %s starts goroutines, but no test of it checks for leaks: call goleak.VerifyTestMain in a TestMain", h.at(g), h.name)
				reported = true
			}
			if call, ok := n.(*ast.CallExpr); ok && !reported {
				if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" && len(call.Args) == 1 {
					t.Errorf("%s: %s starts goroutines, but no test of it checks for leaks: call goleak.VerifyTestMain in a TestMain", h.at(call), h.name)
					reported = true
				}
			}
		})
	}
}

// TestExportedNamesAreDocumented: fields may explain themselves, what has a name of its own may not.
func TestExportedNamesAreDocumented(t *testing.T) {
	for _, h := range houses(t) {
		for _, tree := range h.files {
			for _, d := range tree.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) && !selfEvident(d) {
						t.Errorf("%s: %s has no doc comment", h.at(d), d.Name.Name)
					}
				case *ast.GenDecl:
					undocumented(t, h, d)
				}
			}
		}
	}
}

func undocumented(t *testing.T, h *house, d *ast.GenDecl) {
	t.Helper()
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
				t.Errorf("%s: type %s has no doc comment", h.at(s), s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
					t.Errorf("%s: %s has no doc comment", h.at(s), n.Name)
				}
			}
		}
	}
}

// exportedReceiver tells whether a function is one, or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	root := rootName(d.Recv.List[0].Type)
	if root == nil { // a receiver with several type parameters
		star, _ := d.Recv.List[0].Type.(*ast.StarExpr)
		list, _ := d.Recv.List[0].Type.(*ast.IndexListExpr)
		if star != nil {
			list, _ = star.X.(*ast.IndexListExpr)
		}
		if list == nil {
			return false
		}
		root = rootName(list.X)
	}
	return root.IsExported()
}

// selfEvident are methods whose meaning an interface of the standard library fixes.
func selfEvident(d *ast.FuncDecl) bool {
	return d.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "String", "Len", "Less", "Swap"}, d.Name.Name)
}

// each calls f for every node of the production code of a package.
func each(h *house, f func(ast.Node)) {
	for _, tree := range h.files {
		ast.Inspect(tree, func(n ast.Node) bool {
			if n != nil {
				f(n)
			}
			return true
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
