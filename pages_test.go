package paifang

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// page is the skeleton of a Markdown file: what a translation has in common with its original.
type page struct {
	headings []int    // levels, in their order
	blocks   []block  // fenced code
	tables   [][2]int // rows (without the head) and columns
	links    []string // that do not lead out of the repository
}

// block is fenced code. A block whose fence says "sh run" holds commands that work as they stand.
type block struct {
	info  string
	lines []string
}

func (b block) runs() bool { return b.info == "sh run" }

var (
	linkPattern = regexp.MustCompile(`(?:\]\(|\bsrc="|\bsrcset=")([^)"\s]+)[)"]`)
	codePattern = regexp.MustCompile("`[^`]*`")
)

func readPage(t *testing.T, file string) page {
	t.Helper()
	var p page
	var open *block
	rows := 0
	endTable := func() {
		if rows > 0 {
			p.tables[len(p.tables)-1][0] = rows - 2 // head and rule
			rows = 0
		}
	}
	for _, line := range strings.Split(read(t, file), "\n") {
		if fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```"); ok {
			endTable()
			if open != nil {
				p.blocks = append(p.blocks, *open)
				open = nil
			} else {
				open = &block{info: strings.TrimSpace(fence)}
			}
			continue
		}
		if open != nil {
			open.lines = append(open.lines, line)
			continue
		}
		bare := codePattern.ReplaceAllString(strings.ReplaceAll(line, `\|`, ""), "")
		if strings.HasPrefix(bare, "|") {
			if rows == 0 {
				p.tables = append(p.tables, [2]int{0, strings.Count(bare, "|") - 1})
			}
			rows++
		} else {
			endTable()
		}
		if level := len(line) - len(strings.TrimLeft(line, "#")); level > 0 && strings.HasPrefix(line[level:], " ") {
			p.headings = append(p.headings, level)
		}
		for _, m := range linkPattern.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(m[1], "://") && !strings.HasPrefix(m[1], "#") && !strings.HasPrefix(m[1], "mailto:") {
				p.links = append(p.links, m[1])
			}
		}
	}
	endTable()
	if open != nil {
		t.Errorf("%s: a code block is not closed", file)
	}
	return p
}

// pages returns the Markdown files of the module.
func pages(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(moduleFiles(t), func(f string) bool { return path.Ext(f) != ".md" })
}

func TestTranslationsAreEqual(t *testing.T) {
	files := pages(t)
	found := 0
	for _, chinese := range files {
		stem, ok := strings.CutSuffix(chinese, ".zh-CN.md")
		if !ok {
			continue
		}
		found++
		english := stem + ".md"
		if !slices.Contains(files, english) {
			t.Errorf("%s translates nothing: %s is missing", chinese, english)
			continue
		}
		a, b := readPage(t, english), readPage(t, chinese)
		if !slices.Equal(a.headings, b.headings) {
			t.Errorf("%s and %s differ in their headings: levels %v and %v", english, chinese, a.headings, b.headings)
		}
		if !slices.Equal(a.tables, b.tables) {
			t.Errorf("%s and %s differ in their tables: rows and columns %v and %v", english, chinese, a.tables, b.tables)
		}
		if len(a.blocks) != len(b.blocks) {
			t.Errorf("%s has %d code blocks, %s has %d", english, len(a.blocks), chinese, len(b.blocks))
			continue
		}
		for i := range a.blocks {
			if a.blocks[i].info != b.blocks[i].info {
				t.Errorf("%s and %s differ in code block %d: %q and %q", english, chinese, i+1, a.blocks[i].info, b.blocks[i].info)
			}
			if x, y := commandLines(a.blocks[i]), commandLines(b.blocks[i]); a.blocks[i].runs() && !slices.Equal(x, y) {
				t.Errorf("%s and %s differ in the commands of code block %d:\n%s\n\n%s", english, chinese, i+1, strings.Join(x, "\n"), strings.Join(y, "\n"))
			}
		}
	}
	if found == 0 {
		t.Error("README.zh-CN.md is missing")
	}
}

// commandLines are the commands of a block, without comments, which are translated.
func commandLines(b block) []string {
	var out []string
	for _, l := range b.lines {
		l, _, _ = strings.Cut(l, " #")
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

// TestRunnableBlocks: what a page says can be pasted names programs and paths that are there.
func TestRunnableBlocks(t *testing.T) {
	programs := []string{"go", "dig", "curl", "cp", "mkdir", "make", "paifang", "./paifang", "sudo"}
	found := 0
	for _, file := range pages(t) {
		for _, b := range readPage(t, file).blocks {
			if !b.runs() {
				continue
			}
			for _, line := range commandLines(b) {
				found++
				words := strings.Fields(line)
				if !slices.Contains(programs, words[0]) {
					t.Errorf("%s: %q cannot be run: it begins with none of %s", file, line, strings.Join(programs, ", "))
				}
				for _, w := range words[1:] {
					if !strings.HasPrefix(w, "./") || w == "./..." {
						continue
					}
					if _, err := os.Stat(w); err != nil {
						t.Errorf("%s: %q: %v", file, line, err)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no page has a code block that is tagged `sh run`")
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, file := range pages(t) {
		for _, l := range readPage(t, file).links {
			l, _, _ = strings.Cut(l, "#")
			if _, err := os.Stat(path.Join(path.Dir(file), l)); err != nil {
				t.Errorf("%s: link to %s: %v", file, l, err)
			}
		}
	}
}

// TestRowsAreTold: ARCHITECTURE.md shows the rows that TestLayers checks.
func TestRowsAreTold(t *testing.T) {
	line := regexp.MustCompile(`^ *(\d)  (\S.*)$`)
	told := map[string][]string{}
	for _, b := range readPage(t, "ARCHITECTURE.md").blocks {
		for _, l := range b.lines {
			if m := line.FindStringSubmatch(l); m != nil {
				told[m[1]] = unfold(m[2])
			}
		}
	}
	for i, names := range rows() {
		want := slices.Sorted(slices.Values(names))
		if got := told[strconv.Itoa(i)]; !slices.Equal(got, want) {
			t.Errorf("ARCHITECTURE.md, row %d: %v; layers_test.go has %v", i, got, want)
		}
	}
}

// unfold turns "a · b/{c,d}" into a, b/c and b/d, sorted.
func unfold(row string) []string {
	var out []string
	for _, word := range strings.Split(row, " · ") {
		word = strings.TrimSpace(word)
		stem, inner, several := strings.Cut(word, "{")
		if !several {
			out = append(out, word)
			continue
		}
		for _, w := range strings.Split(strings.TrimSuffix(inner, "}"), ",") {
			out = append(out, stem+w)
		}
	}
	slices.Sort(out)
	return out
}

// TestNamesNoWorkplace: the project speaks of itself alone, wherever it is written.
func TestNamesNoWorkplace(t *testing.T) {
	words := []string{"/wor" + "k/", "far" + "m-", "../sha" + "red", "shared/" + "DESIGN", "shared/" + "reference", "issu" + "es show"}
	for _, file := range moduleFiles(t) {
		switch path.Base(file) {
		case "go.sum", "LICENSE", "paifang", ".git": // the last one in a work tree of git, where it is a file
			continue
		}
		text := read(t, file)
		if strings.IndexByte(text, 0) >= 0 {
			continue // no text
		}
		for i, line := range strings.Split(text, "\n") {
			for _, w := range words {
				if strings.Contains(line, w) {
					t.Errorf("%s:%d: %q is of somebody's workplace: %s", file, i+1, w, strings.TrimSpace(line))
				}
			}
		}
	}
}
