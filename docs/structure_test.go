package docs_test

import (
	"slices"
	"strings"
	"testing"
)

// part is what stands under a heading.
type part struct {
	heading string
	lines   []string
}

// parts takes a page apart at the headings of a level.
func parts(t *testing.T, page, level string) []part {
	t.Helper()
	var out []part
	inside, fenced := false, false
	for _, l := range readLines(t, page) {
		switch {
		case strings.HasPrefix(l, "```"):
			fenced = !fenced
		case !fenced && strings.HasPrefix(l, level+" "):
			out, inside = append(out, part{heading: strings.TrimPrefix(l, level+" ")}), true
			continue
		case !fenced && strings.HasPrefix(l, "#") && strings.IndexByte(l, ' ') < len(level):
			inside = false
		}
		if inside {
			last := &out[len(out)-1]
			last.lines = append(last.lines, l)
		}
	}
	return out
}

// TestDrillsAreComplete: every fault comes with what the client sees, the command that shows the cause, and the way back.
func TestDrillsAreComplete(t *testing.T) {
	type words struct{ client, back string }
	drills := map[string]words{"drills.md": {"client", "way back"}, "drills.zh-CN.md": {"客户端", "恢复"}}
	for page, want := range drills {
		all := parts(t, page, "###")
		if len(all) != 12 {
			t.Errorf("%s has %d drills, want 12", page, len(all))
		}
		for _, d := range all {
			text := strings.Join(d.lines, "\n")
			for _, w := range []string{want.client, want.back} {
				if !strings.Contains(strings.ToLower(text), w) {
					t.Errorf("%s: %s: nothing is said of %q", page, d.heading, w)
				}
			}
			shows := slices.ContainsFunc(d.lines, func(l string) bool {
				return strings.HasPrefix(l, "$ paifang explain ") || l == "$ paifang get diagnostics" || strings.HasPrefix(l, "$ paifang up ") // which does not start
			})
			if !shows {
				t.Errorf("%s: %s: no command shows the cause", page, d.heading)
			}
		}
	}
}

// TestNoRoadWins: three reasons for each choice.
func TestNoRoadWins(t *testing.T) {
	for _, page := range []string{"two-roads.md", "two-roads.zh-CN.md"} {
		all := parts(t, page, "##")
		if len(all) < 3 {
			t.Fatalf("%s has %d parts", page, len(all))
		}
		for _, p := range all[len(all)-3:] {
			n := 0
			for _, l := range p.lines {
				if strings.HasPrefix(l, "- ") {
					n++
				} else if l != "" {
					t.Errorf("%s: %s: %q is no reason", page, p.heading, l)
				}
			}
			if n != 3 {
				t.Errorf("%s: %s: %d reasons, want 3", page, p.heading, n)
			}
		}
	}
}
