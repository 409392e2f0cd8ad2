package app

import (
	"bytes"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/manifest"
	"paifang/internal/source/springgw"
)

// TestImportedCases sends the requests of the cases in testdata/spring through what these are imported to: nothing may be lost
// on the way, and every answer stays as it is.
func TestImportedCases(t *testing.T) {
	t.Parallel() // what is in it waits
	files, err := filepath.Glob("testdata/spring/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive := caseOf(t, file)
			if slices.Contains(strings.Fields(string(archive.Comment)), "secret") {
				secretCase(t, archive)
				return
			}
			springCase(t, archive, springImported)
		})
	}
	if len(files) < 30 {
		t.Errorf("%d cases", len(files))
	}
}

// secretCase imports what has a secret: that is not written, and counts as lost until somebody names the Secret.
func secretCase(t *testing.T, archive *txtar.Archive) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, archive.Files[0].Name), bytes.ReplaceAll(archive.Files[0].Data, []byte("KEPT"), []byte("6379")), 0o600); err != nil {
		t.Fatal(err)
	}
	imported, err := springgw.Import(springgw.Config{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := document.PrintWithOrigins(imported.Objects)
	if err != nil || bytes.Contains(text, []byte("secret")) || imported.Lost() != 1 {
		t.Errorf("%v: %d are lost of\n%s", err, imported.Lost(), text)
	}
	for _, f := range imported.Findings {
		if f.Verdict.Verdict == springgw.Unsupported && !strings.Contains(f.Why, "name that as secret of the filter") {
			t.Errorf("%+v", f)
		}
	}
}

// springImported is what our own documents say after an import.
func springImported(t testing.TB, c springgw.Config) []source.Group {
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

func manifestGroups(t testing.TB, text []byte) []source.Group {
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

// TestImportOfWhatIsJava imports each predicate and filter of Spring's that is not supported: the verdict says why and what to do, it counts
// as lost, and the route is not served without it.
func TestImportOfWhatIsJava(t *testing.T) {
	n := 0
	for _, v := range springgw.Verdicts() {
		if v.Kind == "property" || v.Verdict != springgw.Unsupported {
			continue
		}
		n++
		t.Run(v.Name, func(t *testing.T) {
			parts, answer := `predicates: ["Path=/java/**"], filters: [{name: `+v.Name+`}]`, "< HTTP/1.1 503 Service Unavailable"
			if v.Kind == "predicate" { // the route would have served fewer requests, and which is not known
				parts, answer = `predicates: ["Path=/java/**", {name: `+v.Name+`}]`, "< HTTP/1.1 404 Not Found"
			}
			file := filepath.Join(t.TempDir(), "application.yml")
			up := newScripted(t)
			at := "http://" + up.l.Addr().String()
			text := "spring.cloud.gateway.routes:\n- {id: java, uri: \"" + at + "\", " + parts + "}\n- {id: other, uri: \"" + at + "\", predicates: [\"Path=/other\"]}\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			imported, err := springgw.Import(springgw.Config{Paths: []string{file}})
			if err != nil {
				t.Fatal(err)
			}
			var lost []springgw.Finding
			for _, f := range imported.Findings {
				if f.Verdict.Verdict != springgw.Supported {
					lost = append(lost, f)
				}
			}
			if len(lost) != 1 || imported.Lost() != 1 || lost[0].Kind != v.Kind || lost[0].Name != v.Name || lost[0].Line != 2 || lost[0].Route != "java" || !strings.HasSuffix(lost[0].Why, v.Why) {
				t.Errorf("%d are lost, want one with %q: %+v", imported.Lost(), v.Why, lost)
			}
			documents, err := document.PrintWithOrigins(imported.Objects)
			if err != nil {
				t.Fatal(err)
			}
			gateway := newChain(t, append(manifestGroups(t, documents), source.Group{Key: "listener", Objects: &model.Objects{Listeners: []model.Listener{
				{ID: "http", Class: "gateway", Protocol: model.HTTP, HostRule: model.HostFalls, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}})).address()
			exchange(t, 1, gateway, up, []string{"> GET /java/a HTTP/1.1", "> Host: a.test", "^ nothing", answer})
			exchange(t, 2, gateway, up, []string{"> GET /other HTTP/1.1", "> Host: a.test", "^ GET /other HTTP/1.1", "< HTTP/1.1 200 OK"})
		})
	}
	if n != 5 {
		t.Errorf("%d predicates and filters are not supported, and this knows of 5", n)
	}
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
	text, imported, err := Import(t.Context(), cfg, false)
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
	compiled, err := Offline(t.Context(), Config{Sources: Sources{Manifests: []string{file}}}, Adopt{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range compiled.snap.Diagnostics() {
		if d.Severity == model.Error {
			t.Error(d)
		}
	}
	if _, _, err := Import(t.Context(), Config{Sources: Sources{Routes: []string{file}}}, false); err == nil {
		t.Error("a file without spring.cloud.gateway is imported")
	}
}

// TestImportOfWhatCheckDoubts: a fallback that leads nowhere is told where it stands, and is not lost.
func TestImportOfWhatCheckDoubts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "application.yml")
	text := "spring.cloud.gateway.routes:\n- {id: a, uri: 'no://op', predicates: ['Path=/a'], filters: [{name: CircuitBreaker, args: {name: a, fallbackUri: 'forward:/gone'}}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, imported, err := Import(t.Context(), Config{Sources: Sources{Routes: []string{file}}}, false)
	if err != nil || imported.Lost() != 0 {
		t.Fatalf("%v, lost %+v", err, imported.Findings)
	}
	for _, f := range imported.Findings {
		if f.Verdict.Verdict == springgw.Differs && f.File == file && f.Line == 2 && f.Route == "a" && strings.Contains(f.Why, "/gone, which no route takes") {
			return
		}
	}
	t.Errorf("it is not told: %+v", imported.Findings)
}

// TestProfilesBesideAFile: check, and who serves, read the files for profiles beside application.yml, and say which are not active; beside
// other files they read nothing.
func TestProfilesBesideAFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{
		"application.yml": "spring.cloud.gateway.routes: [{id: a, uri: 'no://op', predicates: ['Path=/a']}]\n", "application-prod.yml": "spring.cloud.gateway.routes: [{id: prod, uri: 'no://op', predicates: ['Path=/a']}]\n",
		"routes.yml": "spring.cloud.gateway.routes: [{id: b, uri: 'no://op', predicates: ['Path=/a']}]\n", "routes-prod.yml": "spring.cloud.gateway.routes: [{id: c, uri: 'no://op', predicates: ['Path=/a']}]\n",
	} {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		file, profile string
		route         model.RouteID
		said          bool
	}{
		{"application.yml", "", "springgw/a", true}, {"application.yml", "prod", "springgw/prod", false}, {"application-prod.yml", "", "springgw/prod", false}, {"routes.yml", "prod", "springgw/b", false},
	} {
		cfg := Config{Sources: Sources{Routes: []string{at(c.file)}}}
		if c.profile != "" {
			cfg.Sources.Spring.Profiles = []string{c.profile}
		}
		compiled, err := Offline(t.Context(), cfg, Adopt{})
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, d := range compiled.snap.Diagnostics() {
			said = said || d.Origin.File == at("application-prod.yml") && strings.Contains(d.Message, "--profile")
		}
		var routes []model.RouteID
		for _, table := range compiled.snap.Tables(classGateway) {
			for _, r := range table.Routes() {
				routes = append(routes, r.ID)
			}
		}
		if said != c.said || !slices.Equal(routes, []model.RouteID{c.route}) {
			t.Errorf("%s with %q: routes %v, said %t: %v", c.file, c.profile, routes, said, compiled.snap.Diagnostics())
		}
	}
}

// TestImportOfWhatCheckRefuses has no document written that check refuses: what is lost is said where it comes from, and answers 503 in the document.
func TestImportOfWhatCheckRefuses(t *testing.T) {
	for text, lost := range map[string]int{
		"filters: ['SetStatus=204']":                                             0,
		"filters: ['SetStatus=999']":                                             1,
		"filters: ['SetStatus=100']":                                             1,
		"filters: ['SetResponseHeader=Content-Length, 5']":                       1,
		"filters: ['AddRequestHeader=no name, v']":                               1,
		"filters: ['AddRequestHeader=X-A, v', 'StripPrefix']":                    0,
		"filters: ['RedirectTo=302, ht!tp:bad url']":                             1,
		"filters: [{name: CircuitBreaker, args: {name: c, statusCodes: '700'}}]": 1,
		"filters: ['RemoveRequestHeader=Host']":                                  0,
		"filters: []}\n- {id: b, uri: 'no://op', predicates: ['Path=/b,/c']}\n- {id: b/2, uri: 'no://op', predicates: ['Path=/d']":                                         0,
		"filters: [{name: RequestRateLimiter, args: {bucket4j-rate-limiter: {capacity: 1, refillPeriod: 1s, headerName: X-Left}, key-resolver: '#{@ipKeyResolver}'}}]":     0,
		"filters: [{name: RequestRateLimiter, args: {bucket4j-rate-limiter: {capacity: 1, refillPeriod: 1s, headerName: Set-Cookie}, key-resolver: '#{@ipKeyResolver}'}}]": 1,
	} {
		file := filepath.Join(t.TempDir(), "application.yml")
		if err := os.WriteFile(file, []byte("spring.cloud.gateway.routes:\n- {id: a, uri: 'no://op', predicates: ['Path=/a'], "+text+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		documents, imported, err := Import(t.Context(), Config{Sources: Sources{Routes: []string{file}}}, false)
		if err != nil || imported.Lost() != lost {
			t.Errorf("%s: %v, lost %d, want %d: %+v", text, err, imported.Lost(), lost, imported.Findings)
		}
		for _, f := range imported.Findings {
			if f.Verdict.Verdict == springgw.Unsupported && (f.File != file || f.Line != 2 || f.Route != "a") {
				t.Errorf("%s: %+v", text, f)
			}
		}
		written := filepath.Join(t.TempDir(), "imported.yaml")
		if err := os.WriteFile(written, documents, 0o600); err != nil {
			t.Fatal(err)
		}
		checked, err := Offline(t.Context(), Config{Sources: Sources{Manifests: []string{written}}}, Adopt{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range checked.snap.Diagnostics() {
			if d.Severity == model.Error {
				t.Errorf("%s: check does not take the document: %v", text, d)
			}
		}
	}
}

// TestImportAsksNacos has rules of Sentinel come from a registry that speaks Nacos' protocol, and requests refused by what they became.
func TestImportAsksNacos(t *testing.T) {
	at := free(t)
	at = netip.AddrPortFrom(netip.MustParseAddr("127.0.9.48"), at.Port()%60000+1000) // its gRPC is 1000 above
	started(t, Config{Registry: &Registry{HTTP: at, GRPC: netip.AddrPortFrom(at.Addr(), at.Port()+1000), Auth: authOff, Storage: "memory"}})
	for name, content := range map[string]string{
		"rules": `[{"resource":"apis","resourceMode":1,"count":1,"paramItem":{"parseStrategy":2,"fieldName":"X-Of","pattern":"ann","matchStrategy":3}}]`,
		"apis":  `[{"apiName":"apis","predicateItems":[{"pattern":"/a/**","matchStrategy":1}]}]`,
	} {
		resp, err := http.PostForm("http://"+at.String()+"/nacos/v1/cs/configs", url.Values{"dataId": {name}, "group": {"SENTINEL"}, "content": {content}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	file := filepath.Join(t.TempDir(), "application.yml")
	text := `
spring.cloud:
  sentinel.datasource:
    gw.nacos: {server-addr: "http://` + at.String() + `", data-id: rules, group-id: SENTINEL, rule-type: gw-flow}
    apis.nacos: {server-addr: "` + at.String() + `", data-id: apis, group-id: SENTINEL, rule-type: gw-api-group}
  gateway.routes:
  - {id: one, uri: "no://op", predicates: ["Path=/a/one"], filters: ["SetStatus=201"]}
  - {id: two, uri: "no://op", predicates: ["Path=/a/two,/b"], filters: ["SetStatus=202"]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Sources: Sources{Routes: []string{file}}}
	if _, imported, err := Import(t.Context(), cfg, false); err != nil || imported.Lost() != 2 {
		t.Errorf("%v: without asking %d are lost", err, imported.Lost())
	}
	documents, imported, err := Import(t.Context(), cfg, true)
	if err != nil || imported.Lost() != 0 {
		t.Fatalf("%v: %+v", err, imported.Findings)
	}
	written := filepath.Join(t.TempDir(), "imported.yaml")
	if err := os.WriteFile(written, documents, 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := free(t)
	started(t, Config{Gateway: &Gateway{HTTP: gateway, Service: "-"}, Sources: Sources{Manifests: []string{written}}})
	for i, c := range []struct {
		path, of string
		want     int
	}{
		{"/a/one", "joanna", 201}, {"/a/two", "joanna", 429}, {"/a/one", "joanna", 429}, // both routes count together
		{"/a/two", "ann", 202}, {"/a/two", "bob", 202}, {"/a/two", "bob", 202}, {"/a/two", "", 202}, {"/a/two", "", 202}, {"/b", "joanna", 202}, {"/b", "joanna", 202},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+gateway.String()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.of != "" {
			r.Header.Set("X-Of", c.of)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("request %d, to %s of %q: %d, want %d", i, c.path, c.of, resp.StatusCode, c.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestImportNamesOtherProfiles: a file for a profile that is not active is named, beside a directory and beside a file; one that the files
// themselves make active counts.
func TestImportNamesOtherProfiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"application.yml":            "spring.profiles.active: prod\nspring.cloud.gateway.routes: [{id: a, uri: 'lb://a', predicates: ['Path=/a']}]\n",
		"application-dev.yml":        "spring.cloud.gateway.routes: [{id: dev, uri: 'lb://a', predicates: ['Path=/dev']}]\n",
		"application-prod.yml":       "spring.cloud.gateway.routes: [{id: prod, uri: 'lb://a', predicates: ['Path=/prod']}]\n",
		"application-dev.properties": "spring.cloud.gateway.enabled=true\n",
		"other-dev.yml":              "spring.cloud.gateway.routes: [{id: other, uri: 'lb://a', predicates: ['Path=/other']}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path   string
		routes int
	}{{dir, 2}, {filepath.Join(dir, "application.yml"), 1}} {
		cfg := Config{Registry: &Registry{}}
		cfg.Sources.Routes = []string{c.path}
		text, imported, err := Import(t.Context(), cfg, false)
		if err != nil || imported.Routes != c.routes || !strings.Contains(string(text), "springgw/prod") {
			t.Fatalf("%s: %d routes, %v", c.path, imported.Routes, err)
		}
		named := map[string]bool{}
		for _, f := range imported.Findings {
			if strings.Contains(f.Why, `for the profile "dev", and active is prod`) {
				named[filepath.Base(f.File)] = true
			}
		}
		if !named["application-dev.yml"] || !named["application-dev.properties"] || len(named) != 2 || len(imported.Files) != len(named)+1+c.routes {
			t.Errorf("%s: named are %v, read %v", c.path, named, imported.Files)
		}
	}
}
