package annotation_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
)

// TestSemantics holds what ingress-nginx says of its annotations, in testdata/semantics.txt, beside what is said of them here: nothing
// that it says is without a case, each case is one of a statement, and no annotation that acts is missing.
func TestSemantics(t *testing.T) {
	const file = "testdata/semantics.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stated := map[string]bool{}
	for _, s := range statements(t) {
		for _, ref := range s.refs {
			stated[ref] = true
		}
	}
	table := map[string]annotation.Verdict{}
	for _, a := range annotation.Table() {
		table[a.Name] = a.Verdict
	}
	of, seen := map[string]int{}, map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		at := fmt.Sprintf("%s:%d", file, i+1)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, ok := strings.Cut(line, ": ")
		says, refs, shown := strings.Cut(rest, " = ")
		if _, known := table[name]; !ok || !known {
			t.Errorf("%s: %q is no annotation", at, name)
			continue
		}
		if before := seen[name+": "+says]; before != "" {
			t.Errorf("%s: it is said at %s already", at, before)
		}
		seen[name+": "+says] = at
		of[name]++
		if !shown || strings.TrimSpace(refs) == "" {
			t.Errorf("%s: no case shows that %s", at, says)
		}
		for ref := range strings.FieldsSeq(refs) {
			s := statement{of: name}
			s.line("= " + ref)
			if !stated[s.refs[0]] {
				t.Errorf("%s: no statement has the case %s", at, s.refs[0])
			}
		}
	}
	for name, verdict := range table {
		if acts := verdict == annotation.Supported || verdict == annotation.Differs; acts && of[name] == 0 {
			t.Errorf("%s is %s, and %s does not have what ingress-nginx says of it", name, verdict, file)
		}
	}
}
