package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
	"paifang/internal/watch"
)

// write puts files into a directory.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func service(name string, port int) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec:\n  selector: {app: x}\n  ports: [{port: %d}]\n", name, port)
}

func route(name, location string) string {
	return fmt.Sprintf("apiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: %s}\nspec:\n  attach: [ingress]\n  redirect: {status: 302, location: %s}\n", name, location)
}

func load(t testing.TB, paths ...string) (map[string]model.Objects, []string) {
	t.Helper()
	groups, diagnostics, err := Load(Options{Paths: paths, Translate: translate.Options{TakeUnclassed: true}})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range diagnostics {
		lines = append(lines, strings.ReplaceAll(d.String(), paths[0]+string(filepath.Separator), ""))
	}
	return byKey(groups), lines
}

func byKey(groups []source.Group) map[string]model.Objects {
	m := map[string]model.Objects{}
	for _, g := range groups {
		m[g.Key] = *g.Objects
	}
	return m
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  []string // group keys, those of files left out
		says  []string
	}{
		{"empty", nil, nil, nil},
		{"files that are not read", map[string]string{"README.md": "# x", ".hidden.yaml": "{", "x.yaml~": "{"}, nil, nil},
		{"routes are another source's", map[string]string{"r.yaml": "spring:\n  cloud.gateway:\n    routes: []\n---\nspring.cloud.gateway.server.webflux.routes: []\n"}, nil, nil},
		{"what is none of ours is listed", map[string]string{
			"a.yaml": "# c\nserver: {port: 1}\n---\n- list\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\n---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: old, namespace: n}\n",
		}, nil, []string{
			"a.yaml:2: info: ignored: is no manifest (apiVersion and kind) and has no routes (spring.cloud.gateway): ignored",
			"a.yaml:4: info: ignored: is no manifest (apiVersion and kind) and has no routes (spring.cloud.gateway): ignored",
			"a.yaml:6: info: unknown-kind: Job j: kind Job of batch/v1 is not read: ignored",
			"a.yaml:10: info: unknown-kind: Ingress n/old: kind Ingress of extensions/v1beta1 is not read: ignored",
		}},
		{"the broken ones cost their siblings nothing", map[string]string{
			"a.yaml": service("one", 80) + "---\na: b: c\n---\n" + service("two", 80) + "---\n" + strings.Replace(service("three", 80), "selector", "selectr", 1) + "---\n" + route("r", "/") + "---\n" + strings.Replace(route("s", "/"), "302", "many", 1) + "---\napiVersion: v1\nkind: Service\nspec: {}\n",
		}, []string{"endpoints/default/one", "endpoints/default/two", "own/Route/r", "service/default/one", "service/default/two"}, []string{
			"a.yaml:8: error: unreadable: is not YAML: mapping values are not allowed in this context",
			"a.yaml:21: error: unreadable: Service default/three spec.selectr: unknown field: did you mean \"selector\"?",
			"a.yaml:36: error: unreadable: Route s spec.redirect.status: want a whole number, got text",
			"a.yaml:38: error: unreadable: Service metadata.name: is missing",
		}},
		{"a list as kubectl prints it, and JSON", map[string]string{
			"l.json": `{"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [
  {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{"fieldsV1": {"f:spec": {}}}]}, "spec": {"ports": [{"port": 1}]}, "status": {"loadBalancer": {}}},
  {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}, "spec": {"ports": [{"port": "1"}]}}]}`,
		}, []string{"endpoints/default/a", "service/default/a"}, []string{
			"l.json:3: error: unreadable: Service default/b items[1].spec.ports[0].port: want a whole number, got text",
		}},
		{"the first by file, then by place, counts", map[string]string{
			"b.yaml": service("x", 82) + "---\n" + route("r", "/b"), "a.yaml": service("x", 80) + "---\n" + service("x", 81), "c.yaml": route("r", "/c"),
		}, []string{"endpoints/default/x", "own/Route/r", "service/default/x"}, []string{
			"a.yaml:8: error: duplicate-id: Service default/x: is already defined at a.yaml:1, which counts: the first by file, then by place",
			"b.yaml:1: error: duplicate-id: Service default/x: is already defined at a.yaml:1, which counts: the first by file, then by place",
			"c.yaml:1: error: duplicate-id: Route r: is already defined at b.yaml:8, which counts: the first by file, then by place",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, tt.files)
			groups, says := load(t, dir)
			var keys []string
			for k := range groups {
				if !strings.HasPrefix(k, "file/") {
					keys = append(keys, k)
				}
			}
			slices.Sort(keys)
			if !slices.Equal(keys, tt.want) {
				t.Errorf("groups\n got %q\nwant %q", keys, tt.want)
			}
			if !slices.Equal(says, tt.says) {
				t.Errorf("diagnostics\n got %q\nwant %q", says, tt.says)
			}
		})
	}
}

func TestLoadOneFileAndItsDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": service("a", 80), "b.txt": service("b", 80)})
	groups, says := load(t, dir, filepath.Join(dir, "b.txt"), filepath.Join(dir, "a.yaml"))
	if len(says) > 0 || len(groups) != 4 {
		t.Errorf("%v %v", groups, says)
	}
	if u := groups["service/default/b"].Upstreams; len(u) != 1 || u[0].Origin.File != filepath.Join(dir, "b.txt") || u[0].Origin.Line != 6 {
		t.Errorf("%+v", u)
	}
}

func TestMissingPath(t *testing.T) {
	for path, want := range map[string]string{
		"/nowhere/at/all": "manifest: read /nowhere/at/all: no such file or directory",
		"":                "manifest: no paths: name at least one directory or file",
	} {
		var paths []string
		if path != "" {
			paths = []string{path}
		}
		if _, err := New(Options{Paths: paths}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	if os.Getuid() == 0 {
		// root reads everything: a file that is too large stands in for one without permission
		dir := t.TempDir()
		path := filepath.Join(dir, "big.yaml")
		write(t, dir, map[string]string{"big.yaml": "", "ok.yaml": service("ok", 80)})
		if err := os.Truncate(path, watch.MaxFileSize+1); err != nil {
			t.Fatal(err)
		}
		groups, says := load(t, dir)
		if len(groups["service/default/ok"].Upstreams) != 1 || !slices.Equal(says, []string{"big.yaml: error: unreadable: is larger than 32 MiB"}) {
			t.Errorf("%q", says)
		}
		return
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": service("a", 80)})
	if err := os.Chmod(filepath.Join(dir, "a.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	if _, says := load(t, dir); !slices.Equal(says, []string{"a.yaml: error: unreadable: permission denied"}) {
		t.Errorf("%q", says)
	}
}

// TestOrderOfReadingDoesNotMatter: however the catalog came to know the files, it says the same.
func TestOrderOfReadingDoesNotMatter(t *testing.T) {
	final := map[string]string{
		"a": service("x", 1) + "---\n" + route("r", "/a"), "b": service("x", 2) + "---\n" + service("yy", 2), "c": route("r", "/c") + "---\nnothing: 1\n",
	}
	earlier := []string{"", service("x", 9), route("r", "/z"), "broken: [", service("yy", 7) + "---\nkind: [" + "\n---\n" + service("q", 1)}
	names := []string{"a", "b", "c"}
	o := Options{}.withDefaults()
	fresh := newCatalog(o)
	for _, n := range names {
		fresh.apply(n, newParser(o.Name).parse(n, []byte(final[n]), reading{}))
	}
	want := fresh.all()
	for i := range 300 {
		c := newCatalog(o)
		x := i
		for range 6 {
			n := names[x%3]
			text := earlier[(x/3)%len(earlier)]
			c.apply(n, newParser(o.Name).parse(n, []byte(text), c.last(n)))
			if x%2 == 0 {
				c.settle(n, text == "")
			}
			if x%5 == 0 {
				c.changed()
			}
			x = x*7 + i + 1
		}
		for j := range names {
			n := names[(i+j)%3]
			c.apply(n, newParser(o.Name).parse(n, []byte(final[n]), c.last(n)))
		}
		for _, n := range names {
			c.settle(n, false)
		}
		if got := c.all(); !reflect.DeepEqual(got, want) {
			t.Fatalf("case %d:\n got %+v\nwant %+v", i, got, want)
		}
	}
}

// TestOneDocumentOfMany: a document that stays as it was is neither read nor translated again when another one of its
// file changes.
func TestOneDocumentOfMany(t *testing.T) {
	const many = 200
	text := func(port int) []byte {
		var b strings.Builder
		for i := range many {
			p := 80
			if i == 77 {
				p = port
			}
			b.WriteString(service(fmt.Sprint("s", i), p) + "---\n")
		}
		return []byte(b.String() + "broken: [\n---\nnothing: 1\n")
	}
	o := Options{}.withDefaults()
	c := newCatalog(o)
	c.apply("f", newParser(o.Name).parse("f", text(80), c.last("f")))
	c.settle("f", false)
	c.all()
	before := slices.Clone(c.files["f"].items)
	c.apply("f", newParser(o.Name).parse("f", text(81), c.last("f")))
	c.settle("f", false)
	for i, it := range c.files["f"].items {
		if (it == before[i]) != (i != 77) {
			t.Errorf("item %d is the same: %v", i, it == before[i])
		}
	}
	if got := byKey(c.changed()); len(got) != 2 || got["service/default/s77"].Upstreams[0].ID != "kubernetes/default/s77:81" {
		t.Errorf("changed: %+v", got)
	}
	if f := c.files["f"]; len(f.faults) != 1 || len(f.notes) != 1 || len(f.parts) != many+2 {
		t.Errorf("%d faults, %d notes, %d parts", len(f.faults), len(f.notes), len(f.parts))
	}
	once := newCatalog(o)
	once.apply("f", newParser(o.Name).parse("f", text(81), reading{}))
	if !reflect.DeepEqual(c.all(), once.all()) {
		t.Error("it is not what is read at once")
	}
}
