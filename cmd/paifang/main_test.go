package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asPaifang has the test binary be paifang itself.
const asPaifang = "PAIFANG_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asPaifang) != "" {
		main()
	}
	os.Exit(m.Run())
}

// paifang runs the program with arguments in an empty directory, where nothing else answers.
func paifang(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, exe, args...)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), asPaifang+"=1", "PAIFANG_ADMIN=127.0.0.1:1", "XDG_STATE_HOME="+c.Dir)
	var o, e strings.Builder
	c.Stdout, c.Stderr = &o, &e
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return o.String(), e.String(), c.ProcessState.ExitCode()
}

func TestHelp(t *testing.T) {
	whole, _, code := paifang(t)
	if code != 0 || !strings.Contains(whole, "paifang up") {
		t.Errorf("without arguments: exit code %d and\n%s", code, whole)
	}
	for _, c := range root().Commands() {
		name := c.Name()
		if name == "help" || name == "completion" { // cobra's own
			continue
		}
		out, errOut, code := paifang(t, name, "--help")
		if code != 0 || errOut != "" || !strings.Contains(out, "paifang "+c.Use) {
			t.Errorf("%s --help: exit code %d, error %q and\n%s", name, code, errOut, out)
		}
		if !c.Hidden && !strings.Contains(whole, "  "+name+" ") {
			t.Errorf("the help of paifang does not list %s", name)
		}
		if c.Short == "" || c.Short[0] < 'A' || c.Short[0] > 'Z' || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q does not begin with a capital, or ends with a full stop", name, c.Short)
		}
		for _, flags := range []string{"--no-such-flag", "--admin"} { // unknown, without its value
			if name == "version" || name == "check" || name == "serve" || name == "example" {
				flags = "--no-such-flag"
			}
			if _, errOut, code := paifang(t, name, flags); code != 2 || !strings.Contains(errOut, flags) {
				t.Errorf("%s %s: exit code %d and %q, want 2", name, flags, code, errOut)
			}
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // in what it says
		code int
	}{
		{"chekc", `there is no command "chekc": did you mean check?`, 2},
		{"--bogus", "--bogus", 2},
		{"up a b", "one directory at most", 2},
		{"up --run x", `--run "x": want IMAGE=COMMAND`, 2},
		{"up --port-offset x", "--port-offset", 2},
		{"up missing-dir", "up: missing-dir: no such file or directory: give a directory with manifests and routes, or none for the built-in example", 1},
		{"up --attach order=x", "--attach order=x: want DEPLOYMENT=IP:PORT", 1},
		{"serve", "give the configuration with -c FILE", 2},
		{"serve x", "no arguments", 2},
		{"serve -c missing.yaml", "missing.yaml: no such file or directory", 1},
		{"check", "at least one file or directory", 2},
		{"check missing.yaml", "missing.yaml: no such file or directory", 1},
		{"check .", ".: there is no YAML file", 1},
		{"get", "want a kind", 2},
		{"get podz", `nothing is called "podz": there are pods,`, 2},
		{"get pods -o xml", "-o xml: there are table", 2},
		{"get pods", "nothing answers at 127.0.0.1:1: start `paifang up`, or give --admin ADDRESS (PAIFANG_ADMIN)", 1},
		{"get pods --admin here", `"here" is not an address: write it like 127.0.0.1:8088`, 1},
		{"explain", "want a URL", 2},
		{"stop", "want one piece", 2},
		{"example", "example order", 2},
		{"example pay", "there is only order", 2},
	} {
		out, errOut, code := paifang(t, strings.Fields(c.args)...)
		if out != "" || !strings.Contains(errOut, c.want) || code != c.code {
			t.Errorf("paifang %s: exit code %d, %q and %q; want %d and %q", c.args, code, out, errOut, c.code, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	example, err := filepath.Abs("../../examples/two-roads")
	if err != nil {
		t.Fatal(err)
	}
	if out, errOut, code := paifang(t, "check", example); code != 0 || out != "0 errors, 0 warnings, 0 notes\n" {
		t.Errorf("check of the example: exit code %d and\n%s%s", code, out, errOut)
	}
	for _, c := range []struct{ name, text, want string }{
		{"broken.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n spec: [\n", "broken.yaml:5: error: "},
		{"service.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports:\n  - port: eighty\n", "service.yaml:7: error: "},
		{"routes.yml", "spring:\n  cloud:\n    gateway:\n      routes:\n      - id: a\n        uri: lb://a\n        predicates:\n        - Pathh=/a\n", "routes.yml:8: error: "},
		{"serve.yaml", "dns:\n  address: 127.0.0.1:53\n  zone: test\n", `serve.yaml:3: dns.zone: unknown field: did you mean "zones"?`},
		{"attach.yaml", "pods:\n  single: true\n  attach:\n    order: nine\n", "attach.yaml:4: pods.attach.order: "},
	} {
		file := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, errOut, code := paifang(t, "check", file)
		if code != 1 || !strings.Contains(out+errOut, c.want) {
			t.Errorf("check %s: exit code %d and\n%s%swant %q", c.name, code, out, errOut, c.want)
		}
	}
}

// writer returns what writes files with a name and a text into one directory, and returns where they are.
func writer(t *testing.T) func(name, text string) string {
	dir := t.TempDir()
	return func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

// Files of an installation of ingress-nginx are read as its Ingresses will be once they are taken over; a configuration says itself
// whose it takes.
func TestCheckOfWhatIngressNginxServes(t *testing.T) {
	file := writer(t)
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n---\n"
	ingress := func(class, annotation string) string {
		return service + "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, annotations: {" + annotation + "}}\nspec:\n  ingressClassName: " + class +
			"\n  rules:\n  - host: a.test\n    http:\n      paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]\n"
	}
	const snippet, rewrite = `nginx.ingress.kubernetes.io/server-snippet: "deny all;"`, "nginx.ingress.kubernetes.io/rewrite-target: /x"
	class := file("class.yaml", "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: public}\nspec: {controller: k8s.io/ingress-nginx}\n")
	bare := file("bare.yaml", ingress("nginx", snippet))
	named := file("named.yaml", ingress("public", snippet))
	served := file("served.yaml", ingress("nginx", rewrite))
	other := file("other.yaml", ingress("traefik", snippet))
	node := file("node.yaml", "ingress:\n  nodes:\n  - {name: edge, http: '127.0.0.1:80'}\n")
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{bare}, "server-snippet", 1},
		{[]string{class, named}, "server-snippet", 1},
		{[]string{served}, "annotation-served: Ingress default/web metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]", 0},
		{[]string{other}, "class traefik does not exist", 0},
		{[]string{"--adopt", "traefik", other}, "server-snippet", 1},
		{[]string{node, bare}, "class nginx does not exist", 0},
		{[]string{node, "--adopt", "nginx", bare}, "server-snippet", 1},
	} {
		out, errOut, code := paifang(t, append([]string{"check"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("check %v: exit code %d and\n%s%swant %d and %q", c.args, code, out, errOut, c.code, c.want)
		}
	}
}

// A configuration is recognized by its keys, those with a slip of the pen among them, and takes the paths beside it in.
func TestCheckOfConfigurations(t *testing.T) {
	file := writer(t)
	slip := file("slip.yaml", "regstry:\n  http: 127.0.0.1:1\n")
	dns := file("dns.yaml", "dns:\n  address: 127.0.0.1:5353\n  zones: [corp]\n")
	node := file("node.yaml", "ingress:\n  nodes:\n  - {name: edge, http: '127.0.0.1:80'}\n")
	rules := file("rules.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\nspec:\n  rules:\n  - host: a.test\n    http:\n"+
		"      paths: [{path: /, pathType: Prefix, backend: {service: {name: nobody, port: {number: 80}}}}]\n")
	values := file("values.yaml", "replicaCount: 1\nimage: x\ningress: {enabled: true}\n")
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{slip}, `slip.yaml:1: regstry: unknown field: did you mean "registry"?`, 1},
		{[]string{rules, slip}, `did you mean "registry"?`, 1},
		{[]string{dns, node}, "are configurations of two processes", 1},
		{[]string{node, rules}, "rules.yaml:9: error: service-missing", 1},
		{[]string{dns, rules}, "no listener of that class is configured", 1},
		{[]string{values}, "values.yaml:1: info: ignored", 0},
	} {
		out, errOut, code := paifang(t, append([]string{"check"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("check %v: exit code %d and\n%s%swant %d and %q", c.args, code, out, errOut, c.code, c.want)
		}
	}
	if out, errOut, code := paifang(t, "get", "routes", "-f", node, "-f", rules, "-f", rules); code != 0 || strings.Count(out, "a.test") != 1 || !strings.Contains(out, "edge") {
		t.Errorf("get routes of a configuration and rules: exit code %d, %s and\n%s", code, errOut, out)
	}
}

// What is explained from files is what the example does, without anything that runs.
func TestFilesAreExplained(t *testing.T) {
	example, err := filepath.Abs("../../examples/two-roads")
	if err != nil {
		t.Fatal(err)
	}
	out, errOut, code := paifang(t, "explain", "-f", example, "http://shop.test/order/42")
	if code != 0 || !strings.Contains(out, "takes road 1") || !strings.Contains(out, "(3-ingress.yaml:12)") {
		t.Errorf("exit code %d, %s and\n%s", code, errOut, out)
	}
	if out, errOut, code := paifang(t, "get", "pods", "-f", example); code != 0 || out != "" || !strings.Contains(errOut, "files do not tell pods") {
		t.Errorf("get pods -f: exit code %d, %q and %q", code, out, errOut)
	}
}

// TestCheckOfProperties: routes in a file of properties are checked, alone or in a directory, and the file is not taken for YAML that is none.
func TestCheckOfProperties(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "application.properties")
	text := "logging.pattern=%d: [%msg: %n\nspring.cloud.gateway.routes[0].id=a\nspring.cloud.gateway.routes[0].uri=lb://order\nspring.cloud.gateway.routes[0].predicates[0]=Path=/a\n"
	for more, want := range map[string]struct {
		said string
		code int
	}{
		"": {"0 errors, 0 warnings, 0 notes\n", 0},
		"spring.cloud.gateway.routes[0].filters[0]=StripPrefixes=1\n": {"1 error, 0 warnings, 0 notes\n", 1},
	} {
		if err := os.WriteFile(file, []byte(text+more), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{dir, file} {
			if out, errOut, code := paifang(t, "check", path); code != want.code || !strings.HasSuffix(out, want.said) {
				t.Errorf("check %s: exit code %d\n%s%s", path, code, out, errOut)
			}
		}
	}
}
