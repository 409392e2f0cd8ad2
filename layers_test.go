package paifang

import (
	"cmp"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rows says who may import whom: a package imports only from strictly lower rows. ARCHITECTURE.md has the same table
// for people, and TestRowsAreTold compares them. The index is the row; a name stands for internal/NAME, or for the directory itself where one of that
// name exists at the root. Some names are of packages that are planned: their place is settled before they are.
func rows() [][]string {
	return [][]string{
		0: {"model", "http1", "clienthello", "http2", "fastcgi", "telemetry", "nacoswire", "shard", "few", "watch", "examples", "counter", "exposition", "overload", "turn", "socket", "park", "htpasswd", "jwks", "quota", "lookup", "javasource", "grpcjson", "inward", "registry/storage"},
		1: {"coding", "nacosconn", "snapshot", "trace", "listener", "certs", "upstream", "document", "source/kubernetes/annotation", "registry/config", "registry/auth", "registry/probe", "registry/storage/bolt", "registry/storage/etcd"},
		2: {"compile", "source", "filter", "bootconfig", "source/kubernetes/installation"},
		3: {"hub", "httpproxy", "l4", "dnsserver", "registry", "source/kubernetes/translate"},
		4: {"nacos", "source/kubernetes", "source/kubernetes/webhook", "source/manifest", "source/springgw", "source/nacos", "source/resolve",
			"registry/nacosapi", "filter/builtin", "podrun", "bridge", "explain"},
		5: {"adminapi", "example", "meter", "actuator"},
		6: {"console", "cli"},
		7: {"app"},
		8: {"up"},
		9: {"cmd/paifang"},
	}
}

// ban forbids imports that the rows alone would allow. A name that ends in /... means everything below as well.
type ban struct {
	who, whom []string
	except    []string // of who
	why       string
}

func bans() []ban {
	planes := []string{"httpproxy", "l4", "dnsserver"}
	sources := []string{"source/kubernetes/...", "source/manifest/...", "source/springgw/...", "source/nacos/...", "source/resolve/...", "registry/..."}
	return []ban{
		{who: sources, whom: append(planes, "podrun"), why: "a source never knows which planes exist: it tells the hub, and planes bind the snapshot"},
		{who: append(planes, "podrun"), whom: sources, why: "a plane never knows where a rule came from: it binds the snapshot"},
		{who: []string{"..."}, whom: []string{"hub"}, except: []string{"explain/...", "adminapi/...", "meter", "app/...", "up/...", "cli/...", "cmd/paifang"},
			why: "the hub owns the control state: sources and planes meet it through the contracts of source and snapshot"},
		{who: []string{"..."}, whom: []string{"app"}, except: []string{"up/...", "cmd/paifang"},
			why: "app is the only wiring: nothing below it asks which road or role it runs on"},
	}
}

// confinement says which packages may import a library, and why no others. A library that no line names may not be
// imported at all: a new dependency is a decision, and this is where it is written down.
type confinement struct {
	library string // a path and everything below it
	to      []string
	why     string
}

func confinements() []confinement {
	return []confinement{
		{"k8s.io", []string{"source/kubernetes/...", "source/manifest"}, "only the Kubernetes sources know Kubernetes' types"},
		{"github.com/go-logr/logr", []string{"source/kubernetes"}, "client-go says what it does through it; here that goes to our own log"},
		{"sigs.k8s.io/json", []string{"source/kubernetes/...", "source/manifest", "document"}, "it decodes Kubernetes objects as the API server does"},
		{"sigs.k8s.io/yaml", []string{"source/kubernetes/...", "source/manifest", "document", "adminapi", "app", "cli"}, "it prints the text form of objects; document reads YAML"},
		{"go.yaml.in/yaml/v3", []string{"document"}, "document is the one reader of YAML, and the one that knows lines"},
		{"github.com/miekg/dns", []string{"dnsserver"}, "only the DNS plane speaks DNS; clients use golang.org/x/net/dns/dnsmessage"},
		{"golang.org/x/net/dns/dnsmessage", []string{"explain", "cli", "source/resolve"}, "it is for those who ask DNS"},
		{"golang.org/x/net/ipv4", []string{"dnsserver", "l4"}, "UDP answers leave from the address that was asked"},
		{"golang.org/x/net/ipv6", []string{"dnsserver", "l4"}, "UDP answers leave from the address that was asked"},
		{"golang.org/x/net/http2", []string{"http2", "upstream"}, "frames and header compression of HTTP/2, and a gRPC health probe, which is one call; everything else asks our own package"},
		{"golang.org/x/net/netutil", []string{"registry/nacosapi", "adminapi"}, "it bounds the connections of a net/http server"},
		{"go.etcd.io/etcd", []string{"registry/storage/etcd"}, "it is one way to keep the registry's data; the others know the seam alone"},
		{"go.uber.org/zap", []string{"registry/storage/etcd"}, "the client of etcd logs with it, unless it is told not to"},
		{"google.golang.org/grpc", []string{"registry/nacosapi", "nacosconn", "nacoswire", "registry/storage/etcd", "trace"}, "only Nacos' protocol and that of traces are gRPC here, and what the client of etcd says of its connection"},
		{"google.golang.org/protobuf", []string{"registry/nacosapi", "nacoswire", "grpcjson", "trace"}, "the protocols of Nacos and of traces are gRPC, and grpcjson turns JSON into messages that are described as it runs; everything else passes gRPC on as bytes"},
		{"go.opentelemetry.io/proto/otlp", []string{"trace"}, "only trace speaks to collectors; its messages are all that is taken of OpenTelemetry"},
		{"go.etcd.io/bbolt", []string{"registry/storage/bolt"}, "it is one way to keep the registry's data; the others know the seam alone"},
		{"github.com/go-crypt/x", []string{"htpasswd"}, "SHA-2 of crypt(3) is in files of users that others have made, and in nothing else"},
		{"golang.org/x/crypto/bcrypt", []string{"registry/auth", "htpasswd"}, "only who keeps users with passwords hashes them"},
		{"golang.org/x/crypto/ocsp", []string{"certs/..."}, "only who keeps certificates asks whether they are revoked"},
		{"github.com/klauspost/compress", []string{"coding"}, "only coding compresses: gzip faster than the standard library's, and zstd"},
		{"github.com/andybalholm/brotli", []string{"coding"}, "only coding compresses"},
		{"github.com/go-jose/go-jose/v4", []string{"jwks"}, "only jwks reads keys and verifies signatures"},
		{"github.com/redis/go-redis/v9", []string{"quota"}, "only quota asks Redis"},
		{"github.com/spf13/cobra", []string{"cli", "cmd/paifang"}, "only the command line parses arguments"},
		{"github.com/spf13/pflag", []string{"cli", "cmd/paifang"}, "only the command line parses arguments"},
		{"golang.org/x/term", []string{"cli", "cmd/paifang"}, "only the command line asks what a terminal can do"},
		{"github.com/fsnotify/fsnotify", []string{"watch"}, "watch is the one follower of files: it knows what editors and mounts do to them"},
		{"github.com/pires/go-proxyproto", []string{"listener", "upstream", "l4"}, "listeners read the PROXY header, dialling writes it"},
		{"golang.org/x/sys", []string{"httpproxy", "l4", "listener", "park", "socket", "turn", "upstream", "podrun", "up", "cli", "cmd/paifang"}, "what only one system can do stays with those who touch sockets and processes"},
	}
}

// standardOnly import nothing from outside the standard library but each other. The table above implies it today; here it is
// said, so that a line added there cannot undo it.
func standardOnly() []string {
	return []string{"model", "shard", "http1", "snapshot", "compile", "source", "filter", "hub"}
}

// pure packages decide by their input alone.
func pure() []string {
	return []string{"model", "shard", "compile", "source/kubernetes/translate", "source/kubernetes/annotation", "bootconfig"}
}

// impure are the packages of the standard library that reach the world. Clocks are found by house_test.go.
func impure() []string {
	return []string{"os", "os/exec", "os/signal", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "syscall", "io/ioutil"}
}

// importLine is an import of a production file.
type importLine struct {
	from string // name of the importing package as in rows
	path string // what it imports
	at   string // file:line
}

func TestLayers(t *testing.T) {
	row := map[string]int{}
	for i, names := range rows() {
		for _, n := range names {
			if _, twice := row[n]; twice {
				t.Errorf("rows name %s twice", n)
			}
			row[n] = i
		}
	}
	reported := map[string]bool{}
	for _, im := range productionImports(t) {
		from, helper := rowName(im.from)
		mine, known := row[from]
		if !known {
			if !reported[from] {
				t.Errorf("%s: package %s is in no row: add it to rows() in layers_test.go and to the table in ARCHITECTURE.md, as low as its imports allow", im.at, im.from)
			}
			reported[from] = true
			continue
		}
		own, ours := strings.CutPrefix(im.path, "paifang/")
		if !ours {
			checkLibrary(t, im, from, helper)
			continue
		}
		own = strings.TrimPrefix(own, "internal/")
		to, toHelper := rowName(own)
		theirs, known := row[to]
		switch {
		case toHelper && !helper:
			t.Errorf("%s: %s imports %s: packages whose names end in test are for tests", im.at, im.from, own)
		case !known: // reported where it is declared
		case helper && theirs <= mine: // a test helper may import what it helps to test
		case theirs >= mine:
			t.Errorf("%s: %s (row %d) imports %s (row %d): only strictly lower rows may be imported. Declare the interface you need where you need it, or move what both need down",
				im.at, im.from, mine, own, theirs)
		}
		for _, b := range bans() {
			if among(b.who, im.from) && among(b.whom, own) && !among(b.except, im.from) && !helper {
				t.Errorf("%s: %s imports %s: %s", im.at, im.from, own, b.why)
			}
		}
	}
}

func checkLibrary(t *testing.T, im importLine, from string, helper bool) {
	t.Helper()
	first, _, _ := strings.Cut(im.path, "/")
	if !strings.Contains(first, ".") {
		if slices.Contains(pure(), from) && slices.Contains(impure(), im.path) && !helper {
			t.Errorf("%s: %s imports %s: it decides by its input alone", im.at, im.from, im.path)
		}
		return
	}
	if slices.Contains(standardOnly(), from) {
		t.Errorf("%s: %s imports %s: it keeps to the standard library", im.at, im.from, im.path)
		return
	}
	for _, c := range confinements() {
		if im.path != c.library && !strings.HasPrefix(im.path, c.library+"/") {
			continue
		}
		if !among(c.to, im.from) && !helper {
			t.Errorf("%s: %s imports %s, which is confined to %s: %s", im.at, im.from, im.path, strings.Join(c.to, ", "), c.why)
		}
		return
	}
	if !helper {
		t.Errorf("%s: %s imports %s, a library that confinements() in layers_test.go does not name: add it there with the packages it is confined to and the reason, or do without", im.at, im.from, im.path)
	}
}

// rowName is the name by which rows know a package. A package whose name ends in test stands in the row of the directory
// it is in.
func rowName(dir string) (name string, helper bool) {
	if strings.HasSuffix(path.Base(dir), "test") {
		return path.Dir(dir), true
	}
	return dir, false
}

// among tells whether a package is one of a list of names, in which "a/..." is a and everything below.
func among(list []string, dir string) bool {
	return slices.ContainsFunc(list, func(name string) bool {
		tree, all := strings.CutSuffix(name, "...")
		tree = strings.TrimSuffix(tree, "/")
		return dir == tree || all && (tree == "" || strings.HasPrefix(dir, tree+"/"))
	})
}

// productionImports returns the imports of every file that is not a test, for all systems, in the order of the files. A
// package without imports is there once with an empty path, so that it too must have a row.
func productionImports(t *testing.T) []importLine {
	t.Helper()
	var out []importLine
	seen := map[string]bool{}
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, file, nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		from := packageName(file)
		for _, im := range tree.Imports {
			p, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				t.Fatalf("%s: import %s: %v", file, im.Path.Value, err)
			}
			out = append(out, importLine{from, p, file + ":" + strconv.Itoa(fset.Position(im.Pos()).Line)})
		}
		if !seen[from] && len(tree.Imports) == 0 {
			out = append(out, importLine{from: from, path: "unsafe", at: file})
		}
		seen[from] = true
	}
	slices.SortStableFunc(out, func(a, b importLine) int { return cmp.Compare(a.from, b.from) })
	return out
}

// packageName is the directory of a file as rows name it.
func packageName(file string) string { return strings.TrimPrefix(path.Dir(file), "internal/") }

// goFiles returns every Go file of this module, with slashes, sorted.
func goFiles(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(moduleFiles(t), func(f string) bool { return path.Ext(f) != ".go" })
}

// moduleFiles returns every file of this module but those of test data, of other modules and of hidden directories.
func moduleFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			if d.Type().IsRegular() {
				out = append(out, filepath.ToSlash(name))
			}
			return nil
		}
		if name == "." {
			return nil
		}
		base := d.Name()
		if base == "testdata" || base == "node_modules" || base == "dist" || base == "vendor" ||
			strings.HasPrefix(base, "_") || strings.HasPrefix(base, ".") && base != ".ci" {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
