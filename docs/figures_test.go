package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The table that closes two-roads.md is made of figures. Taking them needs a quiet machine and minutes, so what is tested
// here is that each names the test or the command that gave it, that this is there, and what can be counted at once.

// figures are the rows of that table: the cells between the bars.
func figures(t *testing.T, page string) [][]string {
	t.Helper()
	var out [][]string
	for _, l := range readLines(t, page) {
		switch {
		case !strings.HasPrefix(l, "|"):
			if len(out) > 12 {
				return out
			}
			out = nil
		case !strings.HasPrefix(l, "|---"):
			cells := strings.Split(strings.Trim(l, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			out = append(out, cells)
		}
	}
	t.Fatalf("%s: there is no table of figures", page)
	return nil
}

// testNames are those of all tests of the repository, with their subtests as they are written there.
func testNames(t *testing.T) map[string][]string {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	subtest := regexp.MustCompile(`t\.Run\("([^"]+)"`)
	out := map[string][]string{}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		at := function.FindAllStringSubmatchIndex(string(text), -1)
		for i, m := range at {
			end := len(text)
			if i+1 < len(at) {
				end = at[i+1][0]
			}
			subs := []string{}
			for _, s := range subtest.FindAllStringSubmatch(string(text[m[0]:end]), -1) {
				subs = append(subs, strings.ReplaceAll(s[1], " ", "_"))
			}
			out[string(text[m[2]:m[3]])] = subs
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFiguresNameWhatGaveThem(t *testing.T) {
	tests := testNames(t)
	code := regexp.MustCompile("`([^`]+)`")
	goTest := regexp.MustCompile(`^go test \./(\S+) -run (\w+)(?:/\w+)?$`)
	shown := map[string]bool{} // commands of the page, which are run
	for _, s := range readSections(t, "two-roads.md") {
		for _, x := range s.steps {
			shown[x.command] = true
		}
	}
	for _, page := range []string{"two-roads.md", "two-roads.zh-CN.md"} {
		for i, row := range figures(t, page) {
			if i == 0 {
				continue
			}
			if len(row) != 4 || slices.Contains(row, "") {
				t.Errorf("%s: %q: want what it is, both roads, and what measured it", page, row)
				continue
			}
			given := code.FindAllStringSubmatch(row[3], -1)
			if len(given) == 0 {
				t.Errorf("%s: %s: nothing is named that gave the figures", page, row[0])
			}
			for _, g := range given {
				name, sub, _ := strings.Cut(g[1], "/")
				if test := goTest.FindStringSubmatch(g[1]); test != nil {
					if _, err := os.Stat(filepath.Join("..", test[1])); err != nil {
						t.Errorf("%s: %s: %v", page, row[0], err)
					}
					name, sub = test[2], ""
				}
				switch subs, is := tests[name]; {
				case strings.HasPrefix(g[1], "--"): // how the test runs up
				case is && (sub == "" || slices.ContainsFunc(subs, func(s string) bool { return regexp.MustCompile(sub).MatchString(s) })):
				case shown[g[1]], strings.HasPrefix(g[1], "wc -l "), strings.HasPrefix(g[1], "cat "):
				default:
					t.Errorf("%s: %s: there is no %s", page, row[0], g[1])
				}
			}
		}
	}
}

// TestCountedFigures counts lines as the table does.
func TestCountedFigures(t *testing.T) {
	example := func(file string) []string { return readLines(t, filepath.Join("..", "examples", "two-roads", file)) }
	length := func(lines []string) int {
		n := 0
		for _, l := range lines {
			if l != "" && !strings.HasPrefix(strings.TrimSpace(l), "#") {
				n++
			}
		}
		return n
	}
	ingress, routes := example("3-ingress.yaml"), example("4-routes.yaml")
	item := func(lines []string, begin string) []string { // of a list, to the next one
		from := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), begin) })
		if from < 0 {
			t.Fatalf("%q is missing", begin)
		}
		dash := lines[from][:strings.Index(lines[from], "-")+1]
		to := slices.IndexFunc(lines[from+1:], func(l string) bool { return l == "" || strings.HasPrefix(l, dash) })
		return lines[from : from+1+to]
	}
	var client []string
	files, err := filepath.Glob(filepath.Join("..", "nacos", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			client = append(client, readLines(t, file)...)
		}
	}
	for page, says := range map[string][]string{
		"two-roads.md":       {"Service (%d lines)", "in an Ingress (%d lines)", "a route (%d lines)", "of some %d lines"},
		"two-roads.zh-CN.md": {"Service（%d 行）", "一条路径（%d 行）", "一条路由（%d 行）", "约 %d 行"},
	} {
		text := strings.Join(readLines(t, page), "\n")
		for i, n := range []int{length(example("2-service.yaml")), length(item(ingress, "- path:")), length(item(routes, "- id:")), len(client)} {
			figure := regexp.MustCompile(strings.Replace(regexp.QuoteMeta(says[i]), "%d", `(\d+)`, 1)).FindStringSubmatch(text)
			if figure == nil {
				t.Errorf("%s: %q is not there", page, says[i])
				continue
			}
			told, _ := strconv.Atoi(figure[1])
			off := max(told-n, n-told)
			if rough := i == 3; !rough && off > 0 || off > n/10 {
				t.Errorf("%s: %q: there are %d", page, figure[0], n)
			}
		}
	}
}
