// Package docs_test runs what the pages of this directory say can be typed, in their order, and compares what comes out.
//
// A block whose fence says "sh setup" is what readers begin with: it is run at the root of the repository, and what it builds
// is what the page's other commands use. One that says "console up" holds "$ paifang up …" and what that prints, as far as it
// is shown: it begins a section with an `up` and a directory of its own. Blocks that say "console run" hold commands, each
// after "$ " and before the output it has. Sections run side by side, the commands of a section one after the other, as their
// readers type them.
//
// `cd docs && go test -update .` writes what came out into the pages, in both languages. Look at the difference afterwards: it
// is what readers will be told.
package docs_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the commands print into the pages")

// pages are those whose commands are run; each has a translation. What waits longest is begun first, since no more tests
// run side by side than there are processors.
var pages = []string{"drills", "two-roads", "gray-release", "gray-release-gateway", "import", "move", "actuator", "tracing"}

const setupFence, upFence, runFence = "sh setup", "console up", "console run"

// pageDir is the directory that pages have their readers make.
const pageDir = "/tmp/try"

// step is a command and the lines below it.
type step struct {
	page    string
	line    int // of the command, from 1
	command string
	want    []string
	got     []string // what came out, where that is to be written
	changed bool
}

func (s *step) at() string { return fmt.Sprintf("%s:%d", s.page, s.line) }

// section is an `up` and what is typed while it runs.
type section struct {
	up    *step
	steps []*step
}

// block is the place of a fenced block in its page: lines[from:to] are within the fences.
type block struct {
	info     string
	from, to int
}

func readLines(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// shellBlocks finds the blocks with something to type.
func shellBlocks(lines []string) []block {
	var out []block
	open := -1
	for i, l := range lines {
		if !strings.HasPrefix(l, "```") {
			continue
		}
		if open < 0 {
			open = i
			continue
		}
		if info := strings.TrimSpace(lines[open][3:]); strings.HasPrefix(info, "console") || strings.HasPrefix(info, "sh") {
			out = append(out, block{info, open + 1, i})
		}
		open = -1
	}
	return out
}

// consoleBlocks finds those that show what is printed.
func consoleBlocks(lines []string) []block {
	return slices.DeleteFunc(shellBlocks(lines), func(b block) bool { return !strings.HasPrefix(b.info, "console") })
}

// readSetup is what a page has its readers begin with.
func readSetup(t *testing.T, page string) string {
	t.Helper()
	lines := readLines(t, page)
	var out []string
	for _, b := range shellBlocks(lines) {
		switch b.info {
		case setupFence:
			out = append(out, lines[b.from:b.to]...)
		case upFence, runFence:
		default:
			t.Errorf("%s:%d: nobody runs a block %q: want %s, %s or %s", page, b.from, b.info, setupFence, upFence, runFence)
		}
	}
	return strings.Join(out, "\n")
}

func readSections(t *testing.T, page string) []*section {
	t.Helper()
	lines := readLines(t, page)
	var out []*section
	for _, b := range consoleBlocks(lines) {
		steps := readSteps(t, page, lines, b)
		switch {
		case b.info == upFence && len(steps) == 1 && strings.HasPrefix(steps[0].command+" ", "paifang up "):
			out = append(out, &section{up: steps[0]})
		case b.info == runFence && len(out) > 0:
			last := out[len(out)-1]
			last.steps = append(last.steps, steps...)
		default:
			t.Fatalf("%s:%d: a block %q must be one `$ paifang up …` (%s) or follow such a one (%s)", page, b.from, b.info, upFence, runFence)
		}
	}
	return out
}

func readSteps(t *testing.T, page string, lines []string, b block) []*step {
	t.Helper()
	var out []*step
	for i := b.from; i < b.to; i++ {
		if c, ok := strings.CutPrefix(lines[i], "$ "); ok {
			out = append(out, &step{page: page, line: i + 1, command: c})
			continue
		}
		if len(out) == 0 {
			t.Fatalf("%s:%d: output without a command", page, i+1)
		}
		s := out[len(out)-1]
		s.want = append(s.want, lines[i])
	}
	return out
}

func TestPages(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the pages are written for a POSIX shell")
	}
	if l, err := net.Listen("tcp", "127.0.0.10:0"); err != nil {
		t.Skip("the pages are written for a system that has 127.0.0.10")
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all := map[string][]*section{}
	t.Run("run", func(t *testing.T) {
		free := newPlaces()
		built := map[string]string{} // by what is typed for it: pages begin alike
		for _, name := range pages {
			sections := readSections(t, name+".md")
			if len(sections) == 0 {
				t.Errorf("%s.md: no block is tagged %q", name, upFence)
			}
			all[name] = sections
			commands := readSetup(t, name+".md")
			if built[commands] == "" {
				built[commands] = setUp(t, name+".md", commands)
			}
			bin := built[commands]
			for i, s := range slices.Backward(sections) {
				t.Run(fmt.Sprintf("%s %d", name, i+1), func(t *testing.T) {
					t.Parallel()
					for _, p := range runSection(t, s, bin, free.next) {
						t.Error(p)
					}
				})
			}
			if name == pages[1] && !*update { // it takes the places where addresses are as long as on the pages
				t.Run("address taken", func(t *testing.T) {
					t.Parallel()
					takenAddresses(t, bin, free)
				})
			}
		}
	})
	if *update {
		for name, sections := range all {
			writeOutputs(t, name, sections)
		}
	}
}

// TestTranslationsShowTheSame: what is typed and what comes out does not depend on the reader's language.
func TestTranslationsShowTheSame(t *testing.T) {
	for _, name := range pages {
		english, chinese := readLines(t, name+".md"), readLines(t, name+".zh-CN.md")
		a, b := shellBlocks(english), shellBlocks(chinese)
		if len(a) != len(b) {
			t.Errorf("%s: %d blocks are run, %d in the translation", name, len(a), len(b))
			continue
		}
		for i := range a {
			x, y := english[a[i].from:a[i].to], chinese[b[i].from:b[i].to]
			if a[i].info != b[i].info || !slices.Equal(x, y) {
				t.Errorf("%s.md:%d and %s.zh-CN.md:%d differ; `cd docs && go test -update .` copies the outputs", name, a[i].from, name, b[i].from)
			}
		}
	}
}

// setUp does what a page has its readers begin with, in another directory, and returns the binary they have then.
func setUp(t *testing.T, page, commands string) string {
	t.Helper()
	if !strings.Contains(commands, pageDir) {
		t.Fatalf("%s: no block that is tagged %q makes %s", page, setupFence, pageDir)
	}
	dir := filepath.Join(t.TempDir(), "try")
	c := exec.Command("sh", "-e", "-c", strings.ReplaceAll(commands, pageDir, dir)+"\ncommand -v paifang")
	c.Dir = ".."
	out, err := c.CombinedOutput()
	bin := filepath.Join(dir, "paifang")
	if err != nil || strings.TrimSpace(string(out)) != bin {
		t.Fatalf("%s: after %q `paifang` is %q (%v), want %s", page, commands, out, err, bin)
	}
	for _, want := range []string{"examples/two-roads/1-pods.yaml", "roads"} {
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Errorf("%s: after %q: %v", page, commands, err)
		}
	}
	return bin
}

// writeOutputs puts what came out into a page and its translation.
func writeOutputs(t *testing.T, name string, sections []*section) {
	t.Helper()
	outputs := map[int]*step{} // by line of the command
	for _, s := range sections {
		for _, x := range append([]*step{s.up}, s.steps...) {
			if x.changed {
				outputs[x.line] = x
			}
		}
	}
	lines := readLines(t, name+".md")
	var blocks [][]string
	var page []string
	next := 0
	for _, b := range consoleBlocks(lines) {
		page = append(page, lines[next:b.from]...)
		var text []string
		for i := b.from; i < b.to; i++ {
			text = append(text, lines[i])
			if x := outputs[i+1]; x != nil {
				text = append(text, x.got...)
				i += len(x.want)
			}
		}
		page = append(page, text...)
		blocks = append(blocks, text)
		next = b.to
	}
	write(t, name+".md", append(page, lines[next:]...))

	translation := readLines(t, name+".zh-CN.md")
	places := consoleBlocks(translation)
	if len(places) != len(blocks) {
		t.Errorf("%s.zh-CN.md has %d blocks that are run, %s.md has %d: nothing is copied", name, len(places), name, len(blocks))
		return
	}
	page, next = nil, 0
	for i, b := range places {
		page = append(append(page, translation[next:b.from]...), blocks[i]...)
		next = b.to
	}
	write(t, name+".zh-CN.md", append(page, translation[next:]...))
}

func write(t *testing.T, page string, lines []string) {
	t.Helper()
	if err := os.WriteFile(page, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Error(err)
	}
}

// TestReadmeExplains: what README.md shows of explain is what two-roads.md has, whose outputs are those of a run.
func TestReadmeExplains(t *testing.T) {
	shown := map[string][]string{} // by the URL
	for _, s := range readSections(t, "two-roads.md") {
		for _, x := range s.steps {
			if url, ok := strings.CutPrefix(x.command, "paifang explain "); ok && !strings.Contains(url, " ") {
				shown[url] = abstract(x.want)
			}
		}
	}
	for _, page := range []string{"../README.md", "../README.zh-CN.md"} {
		lines := readLines(t, page)
		found := 0
		for i, l := range lines {
			url, _, ok := strings.Cut(l, " takes road ")
			if !ok || l[0] != 'h' || lines[i-1] != "```text" {
				continue
			}
			end := i + slices.Index(lines[i:], "```")
			found++
			if got := abstract(lines[i:end]); !slices.Equal(got, shown[url]) {
				t.Errorf("%s:%d: this is not what explain prints:\n%s\n--- it prints\n%s", page, i+1, strings.Join(got, "\n"), strings.Join(shown[url], "\n"))
			}
		}
		if found != 2 {
			t.Errorf("%s shows %d explanations, want one of each road", page, found)
		}
	}
}
