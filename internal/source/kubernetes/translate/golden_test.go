package translate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source"
)

var update = flag.Bool("update", false, "rewrite the wanted groups in testdata")

// TestGolden translates testdata/*.txtar: every .yaml file is input, "groups" is what comes out, with the origin of each
// object as a comment before it and the diagnostics after the objects of their group.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := New(Options{Source: "manifest", TakeUnclassed: true, Classes: []string{"paifang"}})
			var kept []txtar.File
			want := ""
			for _, f := range archive.Files {
				if f.Name == "groups" {
					want = string(f.Data)
					continue
				}
				kept = append(kept, f)
				putAll(t, s, f.Name, f.Data)
			}
			got := printGroups(t, s.All())
			if *update {
				archive.Files = append(kept, txtar.File{Name: "groups", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("groups differ; after a look, run go test -run TestGolden -update\n%s", difference(want, got))
			}
		})
	}
}

// difference shows the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("from line %d\nwant:\n%s\n\ngot:\n%s", i+1, strings.Join(w[min(i, len(w)):min(i+10, len(w))], "\n"), strings.Join(g[min(i, len(g)):min(i+10, len(g))], "\n"))
		}
	}
	return ""
}

// putAll reads a file of manifests into a store and returns the keys of what it put.
func putAll(t testing.TB, s *Store, name string, data []byte) []Key {
	t.Helper()
	var keys []Key
	docs, problems := document.Split(name, data)
	for _, d := range docs {
		if document.IsOurs(d) {
			o, p := document.Parse(d, "manifest")
			problems = append(problems, p...)
			s.PutOwn(d.Text("kind")+"/"+d.Text("metadata.name"), o)
			continue
		}
		o, p, known := NewReader().Read(d)
		if !known {
			t.Fatalf("%s:%d: a kind that is not read", name, d.Line(""))
		}
		problems = append(problems, p...)
		if err := s.Put(o); err != nil {
			t.Fatal(err)
		}
		k, _ := o.Key()
		keys = append(keys, k)
	}
	for _, p := range problems {
		t.Fatal(p)
	}
	return keys
}

func printGroups(t testing.TB, groups []source.Group) string {
	t.Helper()
	var out bytes.Buffer
	for _, g := range groups {
		fmt.Fprintf(&out, "======== %s\n", g.Key)
		if g.Objects == nil {
			g.Objects = &model.Objects{}
		}
		text, err := document.PrintWithOrigins(*g.Objects)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
		for _, d := range g.Objects.Diagnostics {
			fmt.Fprintf(&out, "! %s\n", d)
		}
	}
	return out.String()
}
