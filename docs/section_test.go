package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// shell is where the commands of a section are typed, at one place.
type shell struct {
	t   *testing.T
	bin string
	dir string // with examples/, as the pages have their readers begin
	env []string
	at  place

	problems []string // with the page
	taken    bool     // somebody else has an address that a piece needs
	skipped  int      // commands whose program is not installed
}

// runSection types the commands of a section and returns what is wrong with them. A place that is free when it is chosen
// need not be when its pieces bind it: a section that finds an address taken is typed once more, from its first line, at
// another place.
func runSection(t *testing.T, s *section, bin string, next func(*testing.T, string) place) []string {
	t.Helper()
	sh := &shell{t: t, bin: bin, at: next(t, bin)}
	sh.typeAll(s)
	if sh.taken {
		t.Logf("at offset %d an address was taken, once more elsewhere:\n%s", sh.at.offset, strings.Join(sh.problems, "\n"))
		sh = &shell{t: t, bin: bin, at: next(t, bin)}
		sh.typeAll(s)
	}
	return sh.problems
}

// typeAll starts the section's `up` in a directory of its own, types all commands, and ends it.
func (sh *shell) typeAll(s *section) {
	t := sh.t
	root := t.TempDir()
	sh.dir = filepath.Join(root, "try")
	if err := os.CopyFS(filepath.Join(sh.dir, "examples"), os.DirFS(filepath.Join("..", "examples"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(sh.dir, "roads"), 0o755); err != nil {
		t.Fatal(err)
	}
	// `paifang up` is started where nothing else runs; all other commands find it by PAIFANG_ADMIN.
	program := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = up ] || exec '%s' \"$@\"\nshift\nexec '%s' up --port-offset %d --state '%s' \"$@\"\n",
		sh.bin, sh.bin, sh.at.offset, filepath.Join(root, "state"))
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "paifang"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	sh.env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PAIFANG_ADMIN="+toOffset("127.0.0.1:8088", sh.at.offset), "LC_ALL=C", "no_proxy=*", "NO_PROXY=*")
	end, ok := sh.up(s.up)
	defer end()
	page := strings.TrimSuffix(s.up.page, ".md")
	var loads []*load
	if ok {
		loads = sh.loads(page)
	}
	for _, l := range loads {
		defer l.stop(sh, page)
	}
	for _, x := range s.steps {
		for _, l := range loads {
			if l.what.until != "" && strings.HasPrefix(x.command, l.what.until) {
				l.stop(sh, page)
			}
		}
		if !ok || !sh.run(x) && !*update {
			return // what follows builds on it
		}
	}
}

// fail notes what is wrong with a command. said is what the product said: of an address that somebody else has, it is not
// the page that is wrong.
func (sh *shell) fail(s *step, said, format string, args ...any) {
	sh.problems = append(sh.problems, s.at()+": "+s.command+": "+fmt.Sprintf(format, args...))
	for _, words := range []string{"these addresses cannot be used", "address already in use"} {
		if strings.Contains(said, words) && !strings.Contains(strings.Join(s.want, "\n"), words) {
			sh.taken = true
		}
	}
}

// up starts a section's `up` and waits until it runs, which ok tells. end ends it.
func (sh *shell) up(s *step) (end func(), ok bool) {
	out := &output{}
	c := exec.Command("sh", "-c", "exec "+sh.at.command(s.command))
	c.Dir, c.Env, c.Stdout, c.Stderr = sh.dir, sh.env, out, out
	c.WaitDelay = 5 * time.Second
	if err := c.Start(); err != nil {
		sh.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	end = func() {
		_ = c.Process.Signal(os.Interrupt)
		select {
		case err := <-done:
			if err != nil && ok {
				sh.fail(s, out.String(), "%v", err)
			}
		case <-time.After(15 * time.Second):
			sh.fail(s, "", "did not end")
			_ = c.Process.Kill()
			<-done
		}
		if len(sh.problems) > 0 {
			sh.t.Logf("%s: %s printed:\n%s", s.at(), s.command, out)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), upRuns); time.Sleep(interval) {
		if len(done) > 0 || time.Now().After(deadline) {
			sh.fail(s, out.String(), "does not run:\n%s", out)
			return end, false
		}
	}
	ok = sh.upSays(s, out)
	return end, ok || *update
}

// upRuns is the last line that up prints before it waits for changes.
const upRuns = "Ctrl-C ends it."

// upSays compares what up prints with what the page shows of it. Some of it may come while the first changes are told.
func (sh *shell) upSays(s *step, out *output) bool {
	if len(s.want) == 0 {
		return true
	}
	var lines []string
	for deadline := time.Now().Add(within); ; time.Sleep(interval) {
		lines = sh.at.page(splitLines(strings.ReplaceAll(out.String(), sh.dir, pageDir)))
		if matches(abstract(s.want), abstract(lines)) {
			return true
		}
		if time.Now().After(deadline) {
			break
		}
	}
	if *update {
		s.got, s.changed = lines, true
		return true
	}
	sh.fail(s, "", "\n--- the page says\n%s\n--- it prints\n%s", strings.Join(s.want, "\n"), strings.Join(lines, "\n"))
	return false
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
		there := strings.Join(sh.at.page(printed), "\n")
		sh.fail(s, there, "\n--- the page says\n%s\n--- it prints\n%s", strings.Join(s.want, "\n"), there)
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
		sh.fail(s, "", "%v", err)
	}
	return splitLines(string(text))
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	var lines []string
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
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

// takenAddresses: a section that finds an address taken is typed once more at another place, and not twice.
func takenAddresses(t *testing.T, bin string, free *places) {
	s := &section{up: &step{page: "none", line: 1, command: "paifang up roads"},
		steps: []*step{{page: "none", line: 2, command: "paifang get pods", want: []string{"there are no pods"}}}}
	for _, c := range []struct{ taken, tries, problems int }{{1, 2, 0}, {2, 2, 1}} {
		tries := 0
		problems := runSection(t, s, bin, func(t *testing.T, bin string) place {
			at := free.next(t, bin)
			if tries++; tries <= c.taken { // in the moment between the choice and `up`
				l, err := net.Listen("tcp", toOffset("127.0.0.1:9848", at.offset))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
			}
			return at
		})
		if tries != c.tries || len(problems) != c.problems {
			t.Errorf("%d places taken: %d tries, want %d; problems: %q", c.taken, tries, c.tries, problems)
		}
	}
}
