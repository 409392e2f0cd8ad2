package compile_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"paifang/internal/compile"
	"paifang/internal/filter"
	"paifang/internal/filter/builtin"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
	"paifang/internal/source/manifest"
	"paifang/internal/source/springgw"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// TestGolden compiles the files of each case through the sources that read them and compares the snapshot, the
// diagnostics and the answers to the probe's requests.
//
// A case is testdata/SOURCE/NAME.txtar: YAML files; want.snapshot; want.diagnostics; and, where it probes, a file "probe" with
// lines "CLASS METHOD URL -> ROUTE".
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txtar"), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	want := map[string]string{}
	var inputs []txtar.File
	for _, f := range archive.Files {
		if filepath.Ext(f.Name) != ".yaml" {
			want[f.Name] = string(f.Data)
			continue
		}
		inputs = append(inputs, f)
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	snap := compile.Compile(nil, read(t, dir), filter.Catalog(builtin.Kinds()).CheckRoute)
	var dump bytes.Buffer
	snap.Dump(&dump)
	whole := strings.ReplaceAll(dump.String(), dir+string(filepath.Separator), "")
	n := len(snap.Diagnostics())
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n")+"\n", "\n")
	lines = lines[:len(lines)-1]
	got := map[string]string{
		"want.snapshot":    strings.Join(lines[:len(lines)-n], ""),
		"want.diagnostics": strings.Join(lines[len(lines)-n:], ""),
	}
	if p, ok := want["probe"]; ok {
		got["probe"] = probe(t, snap, p)
	}
	if *update {
		archive.Files = inputs
		for _, name := range []string{"probe", "want.snapshot", "want.diagnostics"} {
			if text, ok := got[name]; ok {
				archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(text)})
			}
		}
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name, text := range got {
		if text != want[name] {
			t.Errorf("%s is\n%s\nwant\n%s", name, text, want[name])
		}
	}
}

// read loads the files as `paifang check` does.
func read(t *testing.T, dir string) compile.Input {
	manifests, _, err := manifest.Load(manifest.Options{Paths: []string{dir}, Translate: translate.Options{TakeUnclassed: true}})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := springgw.Load(springgw.Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	e := shard.Map[*model.Objects]{}.Edit()
	for name, groups := range map[string][]source.Group{"manifest": manifests, "springgw": routes} {
		for _, g := range groups {
			e.Set(name+"/"+g.Key, g.Objects)
		}
	}
	return compile.Input{Groups: e.Map(), Lists: compile.Lists(
		model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/order"},
		model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/paifang-gateway"},
	)}
}

type probeRequest struct {
	snapshot.Request // nothing else is asked of it
	r                *http.Request
}

func (p probeRequest) LookupMethod() string { return p.r.Method }
func (p probeRequest) LookupPath() string   { return p.r.URL.Path }
func (p probeRequest) LookupValue(in snapshot.Place, name string, i int) (string, bool) {
	v := p.r.Header.Values(name)
	if in == snapshot.InQuery {
		v = p.r.URL.Query()[name]
	}
	if i >= len(v) {
		return "", false
	}
	return v[i], true
}

// probe answers each line with the route that is found.
func probe(t *testing.T, snap *snapshot.Snapshot, text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		ask, _, _ := strings.Cut(strings.TrimSpace(line), " -> ")
		f := strings.Fields(ask)
		if len(f) != 3 {
			t.Fatalf("probe %q: want CLASS METHOD URL", line)
		}
		u, err := url.Parse(f[2])
		if err != nil {
			t.Fatal(err)
		}
		rule := model.HostOwns
		if f[0] == "gateway" {
			rule = model.HostFalls
		}
		found, ok := snapshot.Find(snap.Site(model.Class(f[0])), rule, u.Hostname(), probeRequest{nil, &http.Request{Method: f[1], URL: u}})
		answer := "404"
		if ok {
			answer = string(found.Route.ID)
		}
		fmt.Fprintf(&out, "%s -> %s\n", ask, answer)
	}
	return out.String()
}
