package springgw

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"paifang/internal/watch"
)

// application writes the files of one application, and returns its directory.
func writeApplication(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		save(t, filepath.Join(dir, name), text)
	}
	return dir
}

// diagnosed are the diagnostics of a directory, with base names of files.
func diagnosed(t *testing.T, c Config, dir string) (routes []string, said string) {
	t.Helper()
	c.Paths = []string{dir}
	groups, err := Load(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		for _, r := range g.Objects.Routes {
			routes = append(routes, r.Origin.Name)
		}
		for _, d := range g.Objects.Diagnostics {
			said += strings.ReplaceAll(d.String(), dir+"/", "") + "\n"
		}
	}
	return routes, said
}

// TestReplacedLists: a list of an application that another file or document of it takes the place of, without a profile, is warned of.
func TestReplacedLists(t *testing.T) {
	const yml = "spring.cloud.gateway:\n  routes:\n  - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n  default-filters: [StripPrefix=1]\n"
	const properties = "spring.cloud.gateway.routes[%d].id = hole\nspring.cloud.gateway.routes[%[1]d].uri = lb://s\nspring.cloud.gateway.routes[%[1]d].predicates[0] = Path=/hole\n"
	for _, c := range []struct {
		name   string
		files  map[string]string
		routes string
		said   []string
	}{
		{"properties beside YAML", map[string]string{"application.yml": yml, "application.properties": fmt.Sprintf(properties, 0) + "spring.cloud.gateway.default-filters[0] = StripPrefix=2\n"}, "hole",
			[]string{"application.yml:2: warning: ignored: routes routes: routes at application.properties:1 replace all of these", "application.yml:4: warning: ignored: routes default-filters: default-filters at application.properties:4"}},
		{"two of YAML", map[string]string{"application.yml": yml + "---\nspring.cloud.gateway.routes: [{id: b, uri: 'lb://s', predicates: ['Path=/b']}]\n", "application.yaml": yml}, "b",
			[]string{"application.yaml:2: warning", "application.yaml:4: warning: ignored: routes default-filters", "application.yml:2: warning: ignored: routes routes: routes at application.yml:6"}},
		{"an empty one", map[string]string{"application.yml": yml, "application.properties": "a = b\n", "bootstrap.yml": yml, "application.yaml": "spring.cloud.gateway.routes: []\n"}, "a",
			[]string{"bootstrap.yml:2: warning: ignored: routes routes: routes at application.yaml:1", "bootstrap.yml:4"}},
		{"of a profile", map[string]string{"application.yml": yml + "---\nspring.config.activate.on-profile: blue\nspring.cloud.gateway.routes: [{id: b, uri: 'lb://s', predicates: ['Path=/b']}]\n",
			"application-blue.yml": "spring.cloud.gateway.routes: [{id: c, uri: 'lb://s', predicates: ['Path=/c']}]\n"}, "c", nil},
		{"of another profile", map[string]string{"application.yml": yml, "application-dev.yml": yml, "application-blue.properties": "a = b\n"}, "a",
			[]string{"application-dev.yml:1: info: ignored: routes spring.profiles.active: the file is for the profile \"dev\", and active is blue: it is left out; sources.spring.profiles, or --profile of check and import, makes it count"}},
		{"a list with a hole", map[string]string{"application.yml": yml, "application.properties": fmt.Sprintf(properties, 1)}, "a",
			[]string{"application.properties:1: error: unreadable: routes spring.cloud.gateway.routes: has an item [1] and no [0]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := Config{}
			config.Boot.Profiles = []string{"blue"}
			routes, said := diagnosed(t, config, writeApplication(t, c.files))
			if strings.Join(routes, " ") != c.routes || strings.Count(said, "\n") != len(c.said) {
				t.Errorf("routes %v, said\n%s", routes, said)
			}
			for _, want := range c.said {
				if !strings.Contains(said, want) {
					t.Errorf("want %q in\n%s", want, said)
				}
			}
		})
	}
}

// TestRenamedRoute: a route with another id is there once at any moment, also while the file may be half written. One that is new beside it is taken
// at once.
func TestRenamedRoute(t *testing.T) {
	c := Config{}.withDefaults()
	r := newReading(&c)
	read := func(settled bool, items string) string {
		r.take([]watch.File{{Path: "a.yml", Data: []byte(routes(items)), Settled: settled}})
		var out []string
		for _, g := range translate(c, r.applications(), nil, nil).groups {
			for _, route := range g.Objects.Routes {
				out = append(out, route.Origin.Name)
			}
		}
		return strings.Join(out, " ")
	}
	read(true, item("a", "/a")+item("b", "/b"))
	renamed := item("a", "/a") + item("c", "/b") + item("d", "/d")
	if got := read(false, renamed); got != "a b d" {
		t.Errorf("while it is written: %s", got)
	}
	if got := read(true, renamed); got != "a c d" {
		t.Errorf("when it is: %s", got)
	}
}
