package system

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// printed are the commands of the table that up prints, in its order, each with what it promises to show.
func (u *up) printed() [][2]string {
	u.t.Helper()
	_, table, ok := strings.Cut(u.out.String(), "PASTE INTO A SECOND TERMINAL")
	if !ok {
		u.t.Fatalf("no table of commands in:\n%s", u.out)
	}
	var out [][2]string
	for i, l := range strings.Split(table, "\n") {
		if i == 0 {
			continue
		}
		command, shows, ok := strings.Cut(l, "  # ")
		if !ok {
			command, shows, ok = strings.Cut(l, " # ")
		}
		if !ok {
			break
		}
		out = append(out, [2]string{strings.TrimSpace(command), shows})
	}
	return out
}

// promises are what each printed command must show, by a word of the command.
func promises(u *up) []struct{ command, output string } {
	host := func(at string) string { return regexp.QuoteMeta(strings.Split(at, ":")[0]) }
	return []struct{ command, output string }{
		{`^dig .*\bshop\.test`, `^` + host(u.slb()) + `\n$`},
		{`^curl .*shop\.test.*/order/42`, `(?s)"service": "order".*"node": "node-[12]".*"path": "/order/42"`},
		{`^dig .*\bgateway\.test`, `^` + host(u.gateway()) + `\n$`},
		{`^curl .*gateway\.test.*/order/42`, `(?s)"service": "order".*"node": "gateway".*"path": "/order/42"`},
		{` explain .*http://shop\.test`, `(?s)takes road 1: domain, SLB, ingress, service, pod\n 1 client .*\n 2 dns .*\n 3 slb .*\n 4 node .*\n 5 ingress .*\n 6 route .*\n 7 upstream .*\n 8 pod .*\n 9 answer `},
		{` explain .*http://gateway\.test`, `(?s)takes road 2: gateway, registry, pod\n 1 client .*\n 2 dns .*\n 3 connect .*\n 4 route .*\n 5 registry .*\n 6 endpoint .*\n 7 pod .*\n 8 answer +200 `},
		{`^curl .*serviceName=nacos-order-service`, `(?s)("healthy":true.*){2}`},
		{` get .*roads`, `order-service +both .*2/2`},
		{`^curl .*http://` + regexp.QuoteMeta(u.at("127.0.0.1:8088")) + `/$`, `(?s)ROAD 1: .*order-service:80 .*2/2 ready.*ROAD 2: .*nacos-order-service .*2/2 ready`},
	}
}

// paste runs every printed command in a shell, in the directory of up.
func (u *up) paste(dir string, environment ...string) {
	u.t.Helper()
	if _, err := exec.LookPath("paifang"); err == nil {
		u.t.Error("paifang is on PATH, where a printed command must not need it")
	}
	all := u.printed()
	kept := map[string]bool{}
	for _, c := range all {
		run := exec.Command("sh", "-c", c[0])
		run.Dir = dir
		run.Env = append(os.Environ(), environment...)
		out, err := run.Output()
		if err != nil {
			u.t.Errorf("%s: %v\n%s", c[0], err, out)
			continue
		}
		matched := false
		for _, p := range promises(u) {
			if !regexp.MustCompile(p.command).MatchString(c[0]) {
				continue
			}
			matched, kept[p.command] = true, true
			if !regexp.MustCompile(p.output).Match(out) {
				u.t.Errorf("%s # %s: printed\n%s\nwant %s", c[0], c[1], out, p.output)
			}
		}
		if !matched {
			u.t.Errorf("%s # %s: a command that this test knows nothing of:\n%s", c[0], c[1], out)
		}
	}
	for _, p := range promises(u) {
		program := strings.TrimPrefix(strings.SplitN(p.command, " ", 2)[0], "^")
		if _, err := exec.LookPath(program); program != "" && err != nil {
			continue // dig and curl are printed where they are
		}
		if !kept[p.command] {
			u.t.Errorf("no printed command is %s, in %q", p.command, all)
		}
	}
}

func TestPrintedCommands(t *testing.T) {
	for _, c := range []struct {
		name        string
		environment []string
		args        []string
	}{
		{"many", nil, nil},
		{"split", nil, []string{"--split"}},
		{"single, behind a proxy variable", []string{"http_proxy=http://127.0.0.1:9"}, []string{"--addresses", "single"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			began := time.Now()
			u := launch(t, []string{binary}, c.environment, dir, freeOffset(t), c.args...)
			u.running(10 * time.Second)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("the table came after %v, want 3 s at most", took)
			}
			u.waitReady(2, "nacos-order-service")
			u.paste(dir, c.environment...)
			for _, r := range []road{{"road 1", (*up).slb, "shop.test"}, {"road 2", (*up).gateway, "gateway.test"}} {
				l := begin(t, r.to(u), r.host, "/order/", func(l *load) { l.pause = 10 * time.Millisecond })
				l.wait(500 * time.Millisecond)
				none(t, l, l.end())
			}
			pods := get[podRow](u, "pods")
			u.interrupt(0x2)
			nothingLeft(t, u, pods)
		})
	}
}

func TestPrintedCommandsUnderGoRun(t *testing.T) {
	tree := t.TempDir()
	if err := copyTree(tree, root()); err != nil {
		t.Fatal(err)
	}
	u := launch(t, []string{"go", "run", "./cmd/paifang"}, nil, tree, freeOffset(t))
	u.group = true
	u.running(3 * time.Minute)
	u.waitReady(2, "nacos-order-service")
	for _, c := range u.printed() {
		if strings.Contains(c[0], "paifang explain") && !strings.HasPrefix(c[0], "go run ./cmd/paifang explain") {
			t.Errorf("%s: want a command that begins with go run ./cmd/paifang", c[0])
		}
	}
	u.paste(tree)
}

// copyTree copies the source without what git and builds keep.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "test") {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > 5<<20 {
			return err // a binary somebody built
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("copy the tree: %w", err)
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o644)
	})
}
