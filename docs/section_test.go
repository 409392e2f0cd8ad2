package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// within bounds how long a command that only looks is asked again until it shows what the page says, stable how long its
// output has to stay as it is before -update believes it where the page has none.
const (
	within   = 25 * time.Second
	stable   = 4 * time.Second
	interval = 50 * time.Millisecond
)

// places hands out port offsets, each once.
type places struct {
	bin  string
	used []int
}

var podRange = regexp.MustCompile(`range: (127\.\d+\.\d+\.)0/24`)

// next is a place where nothing runs. With -update the offset is a small one: addresses are then as long as those that the
// page shows, and tables stay in their columns.
func (p *places) next(t *testing.T) place {
	t.Helper()
	for i := range 200 {
		offset := 1000 + rand.IntN(20000)
		if *update {
			offset = 1 + i%8
		}
		if slices.Contains(p.used, offset) {
			continue
		}
		config, err := exec.Command(p.bin, "up", "--print-config", "--port-offset", strconv.Itoa(offset)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, config)
		}
		ranges := podRange.FindAllStringSubmatch(string(config), -1)
		if len(ranges) != 2 {
			t.Fatalf("--print-config has %d ranges of pod addresses, want 2:\n%s", len(ranges), config)
		}
		at := place{offset, [2]string{ranges[0][1], ranges[1][1]}}
		if at.free() {
			p.used = append(p.used, offset)
			return at
		}
	}
	t.Fatal("no free port offset found")
	return place{}
}

func (p place) free() bool {
	var at []string
	for _, a := range []string{
		"127.0.0.10:8080", "127.0.0.10:8443", "127.0.0.11:8080", "127.0.0.11:8443", "127.0.0.12:8080", "127.0.0.12:8443",
		"127.0.0.20:8080", "127.0.0.1:8053", "127.0.0.1:8848", "127.0.0.1:9848", "127.0.0.1:8088",
	} {
		at = append(at, toOffset(a, p.offset))
	}
	for _, node := range p.pods {
		at = append(at, node+"2:8080", node+"3:8080")
	}
	for _, a := range at {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// shell is where the commands of a section are typed.
type shell struct {
	t   *testing.T
	dir string // with examples/, as the pages have their readers begin
	env []string
	at  place

	skipped int // commands whose program is not installed
}

func runSection(t *testing.T, s *section, bin string, at place) {
	t.Helper()
	root := t.TempDir()
	sh := &shell{t: t, dir: filepath.Join(root, "try"), at: at}
	if err := os.CopyFS(filepath.Join(sh.dir, "examples"), os.DirFS(filepath.Join("..", "examples"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(sh.dir, "roads"), 0o755); err != nil {
		t.Fatal(err)
	}
	// `paifang up` is started where nothing else runs; all other commands find it by PAIFANG_ADMIN.
	program := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = up ] || exec '%s' \"$@\"\nshift\nexec '%s' up --port-offset %d --state '%s' \"$@\"\n",
		bin, bin, at.offset, filepath.Join(root, "state"))
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "paifang"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	sh.env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PAIFANG_ADMIN="+toOffset("127.0.0.1:8088", at.offset), "LC_ALL=C", "no_proxy=*", "NO_PROXY=*")
	sh.up(s.up)
	for _, x := range s.steps {
		if !sh.run(x) && !*update {
			return // what follows builds on it
		}
	}
}

// up starts a section's `up` and has it ended with the test.
func (sh *shell) up(s *step) {
	t := sh.t
	out := &output{}
	c := exec.Command("sh", "-c", "exec "+sh.at.command(s.command))
	c.Dir, c.Env, c.Stdout, c.Stderr = sh.dir, sh.env, out, out
	c.WaitDelay = 5 * time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %s: %v", s.at(), s.command, err)
			}
		case <-time.After(15 * time.Second):
			t.Errorf("%s: %s did not end", s.at(), s.command)
			_ = c.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("%s: %s printed:\n%s", s.at(), s.command, out)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "Ctrl-C ends it"); time.Sleep(interval) {
		if len(done) > 0 || time.Now().After(deadline) {
			t.Fatalf("%s: %s does not run:\n%s", s.at(), s.command, out)
		}
	}
}

// run types a command and compares what comes out. It returns whether the section can go on.
func (sh *shell) run(s *step) bool {
	t := sh.t
	began := time.Now()
	if missing := missingProgram(s.command); missing != "" {
		t.Logf("%s: skipped: %s is not installed (Debian: apt-get install %s)", s.at(), missing, debian[missing])
		sh.skipped++
		return true
	}
	want := abstract(onePerHop(s.want))
	printed := sh.output(s)
	got := abstract(sh.at.page(onePerHop(printed)))
	ok := matches(want, got)
	changed := time.Now() // when the output was another
	for !ok && looks(s.command) && time.Since(began) < within && (!*update || len(s.want) > 0 || time.Since(changed) < stable) {
		time.Sleep(interval)
		printed = sh.output(s)
		now := abstract(sh.at.page(onePerHop(printed)))
		if !slices.Equal(now, got) {
			changed = time.Now()
		}
		got, ok = now, matches(want, now)
	}
	if d := time.Since(began); d > time.Second {
		t.Logf("%s: %.1f s: %s", s.at(), d.Seconds(), s.command)
	}
	switch {
	case *update && (!ok || !slices.Contains(s.want, "…")):
		s.got, s.changed = sh.at.page(printed), true
	case !ok && sh.skipped > 0:
		t.Logf("%s: the rest of the section is skipped: it builds on what could not be typed", s.at())
		return false
	case !ok:
		t.Errorf("%s: %s\n--- the page says\n%s\n--- it prints\n%s", s.at(), s.command, strings.Join(s.want, "\n"), strings.Join(sh.at.page(printed), "\n"))
		return false
	}
	return true
}

// output runs a command once and returns the lines that it prints.
func (sh *shell) output(s *step) []string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", sh.at.command(s.command))
	c.Dir, c.Env = sh.dir, sh.env
	c.WaitDelay = time.Second
	text, err := c.CombinedOutput()
	if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit {
		sh.t.Errorf("%s: %s: %v", s.at(), s.command, err)
	}
	if len(text) == 0 {
		return nil
	}
	var lines []string
	for _, l := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		lines = append(lines, strings.TrimRight(l, " \r"))
	}
	return lines
}

var debian = map[string]string{"dig": "dnsutils", "curl": "curl", "openssl": "openssl"}

// missingProgram is a program that a command needs and this machine lacks.
func missingProgram(command string) string {
	for name := range debian {
		if !slices.Contains(strings.Fields(command), name) {
			continue
		}
		if _, err := exec.LookPath(name); err != nil {
			return name
		}
	}
	return ""
}

// looks tells whether a command changes nothing, and so may be given again.
func looks(command string) bool {
	words := strings.Fields(command)
	switch words[0] {
	case "dig", "cat":
		return true
	case "curl", "for":
		return !slices.Contains(words, "-X")
	case "paifang":
		return slices.Contains([]string{"get", "explain", "check"}, words[1])
	}
	return false
}
