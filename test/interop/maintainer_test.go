package interop

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// nacosVariable is the host:port of a Nacos 3 that runs, empty and with authentication off: what it answers becomes the golden file.
const nacosVariable = "PAIFANG_NACOS_ADDRESS"

// said is one line of the program Maintainer.
type said struct{ call, result string }

// TestMaintainer makes every call of the official client for those who look after a server. What a real Nacos answered is in
// testdata/maintainer-nacos.txt; where this registry answers something else, that is in testdata/maintainer-differs.txt with the
// reason, and nowhere else it does.
func TestMaintainer(t *testing.T) {
	needJava(t)
	path, err := javaPath("maintainer", "")
	if err != nil {
		t.Fatal(err)
	}
	golden, differs := filepath.Join("testdata", "maintainer-nacos.txt"), filepath.Join("testdata", "maintainer-differs.txt")
	if at := os.Getenv(nacosVariable); at != "" {
		var b strings.Builder
		for _, s := range maintain(t, path, at) {
			fmt.Fprintf(&b, "%s\t%s\n", s.call, s.result)
		}
		must(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want := map[string]string{}
	for _, s := range readSaid(t, golden) {
		want[s.call] = s.result
	}
	other := map[string]string{}
	for _, s := range readSaid(t, differs) {
		if want[s.call] == "" || want[s.call] == s.result {
			t.Errorf("%s: %q differs from nothing", differs, s.call)
		}
		other[s.call] = s.result
	}
	v := newServer(t, settings{registry: "  storage: memory\n"})
	got := maintain(t, path, fmt.Sprintf("127.0.0.1:%d", v.port))
	for _, s := range got {
		if w := cmp.Or(other[s.call], want[s.call]); sorted(s.result) != sorted(w) {
			t.Errorf("%s:\n got %s\nwant %s", s.call, s.result, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d calls were made, want %d", len(got), len(want))
	}
}

// sorted is a result with the fields of its objects by name: the client prints them as the JVM lists its classes' fields, which
// is not the same in every run.
func sorted(result string) string {
	var v any
	d := json.NewDecoder(strings.NewReader(result))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || d.More() {
		return result
	}
	b, err := json.Marshal(v)
	if err != nil {
		return result
	}
	return string(b)
}

// maintain runs the program and returns what it says, without what is another each time.
func maintain(t *testing.T, path, server string) []said {
	t.Helper()
	dir := scratch(t)
	cmd := exec.Command("java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Duser.home="+dir, "-DJM.LOG.PATH="+filepath.Join(dir, "log"),
		"-Dnacos.logging.default.config.enabled=false", "-cp", path, "interop.Maintainer", server)
	cmd.Dir = dir
	var log buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, log.String())
	}
	changing := []struct {
		form *regexp.Regexp
		name string
	}{
		{regexp.MustCompile(regexp.QuoteMeta(server)), "SERVER"},
		{regexp.MustCompile(`\b1[0-9]{12}\b`), "TIME"},
		{regexp.MustCompile(`"(timestamp|createdTime|lastModifiedTime|lastUpdatedTime)":"[^"]*"`), `"$1":"TIME"`},
		{regexp.MustCompile(`"(id|nid|configId|lastId)":("?)[0-9]+"?`), `"$1":${2}ID$2`},
	}
	var all []said
	for line := range strings.Lines(string(out)) {
		call, result, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("the program says %q", line)
		}
		for _, c := range changing {
			result = c.form.ReplaceAllString(result, c.name)
		}
		all = append(all, said{call, result})
	}
	return all
}

// readSaid reads lines of calls and results; those that begin with # are remarks.
func readSaid(t *testing.T, file string) []said {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	var all []said
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") || lines.Text() == "" {
			continue
		}
		call, result, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			t.Fatalf("%s: %q", file, lines.Text())
		}
		all = append(all, said{call, result})
	}
	return all
}
