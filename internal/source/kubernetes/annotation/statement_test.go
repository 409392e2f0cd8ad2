package annotation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

// statement is one thing that ingress-nginx does, in two languages, with the cases that show it.
type statement struct {
	at      string
	group   [2]string
	of      string    // annotation, or "key NAME"; "" = of neither
	text    [2]string // English and Chinese
	differs [2]string // how it is done otherwise
	refs    []string  // DIR/NAME/CASE, or test:PACKAGE:FUNCTION
}

// statements reads testdata/statements.txt, which says its form.
func statements(t *testing.T) []statement {
	t.Helper()
	const file = "testdata/statements.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []statement
	var group [2]string
	of := ""
	for i, line := range strings.Split(string(text), "\n") {
		at := fmt.Sprintf("%s:%d", file, i+1)
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.HasPrefix(line, "## "):
			en, zh, ok := strings.Cut(rest, " | ")
			if !ok {
				t.Fatalf("%s: want a heading in two languages", at)
			}
			group, of = [2]string{en, zh}, ""
		case word == "" || word == "#":
		case word == "@":
			of = rest
		case strings.HasPrefix(line, "- "):
			all = append(all, statement{at: at, group: group, of: of, text: [2]string{rest, ""}})
		case len(all) == 0 || !strings.HasPrefix(line, "  "):
			t.Fatalf("%s: %q belongs to nothing", at, line)
		default:
			all[len(all)-1].line(strings.TrimSpace(line))
		}
	}
	return all
}

// line reads a line below a statement.
func (s *statement) line(text string) {
	for _, note := range []struct {
		to    *string
		begin string
	}{{&s.differs[0], "differs: "}, {&s.differs[1], "不同："}} {
		if rest, ok := strings.CutPrefix(text, note.begin); ok {
			*note.to = rest
			return
		}
	}
	refs, ok := strings.CutPrefix(text, "= ")
	if !ok {
		s.text[1] = text
		return
	}
	for ref := range strings.FieldsSeq(refs) {
		switch {
		case strings.HasPrefix(ref, "test:"):
		case !strings.Contains(ref, "/"):
			ref = "cases/" + s.of + "/" + ref
		case !strings.HasPrefix(ref, "keys/") && !strings.HasPrefix(ref, "flags/"):
			ref = "cases/" + ref
		}
		s.refs = append(s.refs, ref)
	}
}

// casesByName are all cases, of annotations, keys and flags, as statements name them, with where they stand.
func casesByName(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{"cases", "keys", "flags"} {
		for _, c := range casesIn(t, dir) {
			name := c.annotation
			if name == "" {
				name = "rules"
			}
			name = dir + "/" + name + "/" + c.name
			if out[name] != "" {
				t.Errorf("%s: there are two cases %s", c.at, name)
			}
			out[name] = c.at
		}
	}
	return out
}

// TestStatements is the rule of the house for what ingress-nginx does: no statement without a case, no case without a statement,
// and where something is done otherwise the verdict says so.
func TestStatements(t *testing.T) {
	known := casesByName(t)
	shown, of, differs := map[string]bool{}, map[string]int{}, map[string]bool{}
	all := statements(t)
	for i := range all {
		s := &all[i]
		of[s.of]++
		differs[s.of] = differs[s.of] || s.differs[0] != ""
		if len(s.refs) == 0 {
			t.Errorf("%s: no case shows it", s.at)
		}
		for _, both := range [][2]string{s.group, s.text, s.differs} {
			if (both[0] == "") != (both[1] == "") {
				t.Errorf("%s: %q is not in both languages", s.at, both)
			}
		}
		for _, ref := range s.refs {
			shown[ref] = true
			if _, ok := known[ref]; !ok && !isTest(t, ref) {
				t.Errorf("%s: there is no case %s", s.at, ref)
			}
		}
	}
	for name, at := range known {
		if strings.HasPrefix(name, "cases/") && !shown[name] {
			t.Errorf("%s: no statement has it", at)
		}
	}
	for _, a := range annotation.Table() {
		served := a.Verdict == annotation.Supported || a.Verdict == annotation.Differs
		if served && of[a.Name] == 0 {
			t.Errorf("%s is %s, and testdata/statements.txt does not say what it does", a.Name, a.Verdict)
		}
		if (a.Verdict == annotation.Differs) != differs[a.Name] {
			t.Errorf("%s is %s, and its statements say otherwise", a.Name, a.Verdict)
		}
		delete(of, a.Name)
	}
	for _, k := range installation.Keys() {
		if acts := k.Verdict == annotation.Supported || k.Verdict == annotation.Differs; acts && of["key "+k.Name] == 0 {
			t.Errorf("key %s is %s, and testdata/statements.txt does not say what it does", k.Name, k.Verdict)
		}
		delete(of, "key "+k.Name)
	}
	delete(of, "")
	for name := range of {
		t.Errorf("testdata/statements.txt has statements of %q, which is neither an annotation nor a key", name)
	}
}

// isTest tells whether test:PACKAGE:FUNCTION names a test that exists.
func isTest(t *testing.T, ref string) bool {
	t.Helper()
	parts := strings.Split(ref, ":")
	return len(parts) == 3 && parts[0] == "test" && testFile(t, parts[1], parts[2]) != ""
}

// testFile is the file of a package that has a test, from the root of the module.
func testFile(t *testing.T, dir, function string) string {
	t.Helper()
	files, err := filepath.Glob("../../../../" + dir + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+function+"(t *testing.T)") {
			return dir + "/" + filepath.Base(f)
		}
	}
	return ""
}

// TestDefaultTimes: those that are too long to be waited for in a case. That no sending timeout is given leaves the engine's 60 s.
func TestDefaultTimes(t *testing.T) {
	p := annotation.Defaults().Proxy
	if p.Connect != 5*time.Second || p.Read != time.Minute || p.Send != 0 && p.Send != time.Minute {
		t.Errorf("%+v", p)
	}
}

// statementTables are the statements of the page, group by group.
func (l *language) statementTables(all []statement, at map[string]string, file func(dir, function string) string) string {
	var b strings.Builder
	group := ""
	for i := range all {
		s := &all[i]
		if s.group[l.index] != group {
			group = s.group[l.index]
			fmt.Fprintf(&b, "\n## %s\n\n%s\n|---|---|---|\n", group, l.statementHead)
		}
		name := strings.TrimPrefix(s.of, "key ")
		if name != "" {
			name = "`" + name + "`"
		}
		text := s.text[l.index]
		if d := s.differs[l.index]; d != "" {
			text += " **" + l.verdicts[annotation.Differs] + "** " + d
		}
		var links []string
		for _, ref := range s.refs {
			link := ref[strings.LastIndexAny(ref, "/:")+1:]
			if place, ok := at[ref]; ok {
				path, line, _ := strings.Cut(place, ":")
				links = append(links, fmt.Sprintf("[%s](../internal/source/kubernetes/annotation/%s#L%s)", link, path, line))
				continue
			}
			parts := strings.Split(ref, ":")
			links = append(links, fmt.Sprintf("[%s](../%s)", link, file(parts[1], parts[2])))
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, strings.ReplaceAll(text, "|", `\|`), strings.Join(slices.Compact(links), ", "))
	}
	return b.String()
}
