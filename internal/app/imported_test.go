package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/manifest"
	"paifang/internal/source/springgw"
)

// TestImportedCases sends the requests of the cases in testdata/spring through what these are imported to: nothing may be lost
// on the way, and every answer stays as it is.
func TestImportedCases(t *testing.T) {
	files, err := filepath.Glob("testdata/spring/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { springCase(t, file, springImported) })
	}
	if len(files) < 30 {
		t.Errorf("%d cases", len(files))
	}
}

// springImported is what our own documents say after an import.
func springImported(t *testing.T, c springgw.Config) []source.Group {
	imported, err := springgw.Import(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range imported.Findings {
		if f.Verdict.Verdict == springgw.Unsupported {
			t.Errorf("%s:%d: %s %s: %s", f.File, f.Line, f.Kind, f.Name, f.Why)
		}
	}
	text, err := document.PrintWithOrigins(imported.Objects)
	if err != nil {
		t.Fatal(err)
	}
	return manifestGroups(t, text)
}

func manifestGroups(t *testing.T, text []byte) []source.Group {
	file := filepath.Join(t.TempDir(), "imported.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	groups, _, err := manifest.Load(manifest.Options{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// TestImport reads a file with that of a profile beside it, and has the result checked.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"application.yml": "spring.cloud.gateway.routes:\n- {id: a, uri: \"lb://${service}\", predicates: [\"Path=/a/**\"]}\n- {id: b, uri: \"lb://order\", predicates: [\"Path=/b\"], filters: [Nothing]}\n" +
			"- {id: c, uri: \"http://name.invalid\", predicates: [\"Path=/c\"]}\n",
		"application-prod.yml": "service: order\nspring.cloud.sentinel.datasource.gw.file: {file: rules.json, rule-type: gw-flow}\n",
		"rules.json": `[{"resource":"a","count":10,"intervalSec":2,"paramItem":{"parseStrategy":1}},{"resource":"a","grade":0,"count":3},{"resource":"a","count":1,"paramItem":{"parseStrategy":3,"fieldName":"user"}},` +
			`{"resource":"a","count":1,"paramItem":{"parseStrategy":4,"fieldName":"sid"}},{"resource":"a","count":1,"paramItem":{"parseStrategy":2,"fieldName":"X-User"}},{"resource":"a","count":5,"paramItem":{"parseStrategy":0}}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := Config{Registry: &Registry{}, Sources: Sources{Routes: []string{filepath.Join(dir, "application.yml")}, Spring: Spring{Profiles: []string{"prod"}}}}
	text, imported, err := Import(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if imported.Routes != 3 || imported.Lost() != 1 || !bytes.Contains(text, []byte("keeper: dns\n      name: name.invalid:80")) || bytes.Contains(text, []byte("${")) || !bytes.Contains(text, []byte("# from route a")) {
		t.Errorf("%d routes, lost %d: %+v\n%s", imported.Routes, imported.Lost(), imported.Findings, text)
	}
	if n := bytes.Count(text, []byte("scope: object")); n != 6 {
		t.Errorf("%d of 6 limits:\n%s", n, text)
	}
	file := filepath.Join(dir, "imported.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	compiled, err := Offline(t.Context(), Config{Sources: Sources{Manifests: []string{file}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range compiled.snap.Diagnostics() {
		if d.Severity == model.Error {
			t.Error(d)
		}
	}
	if _, _, err := Import(Config{Sources: Sources{Routes: []string{file}}}); err == nil {
		t.Error("a file without spring.cloud.gateway is imported")
	}
}
