package annotation_test

import (
	"testing"

	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

// TestReasonsInChinese: every family, group and note of the tables is on the Chinese pages in Chinese, and what is not said any more is
// gone.
func TestReasonsInChinese(t *testing.T) {
	families, notes, settings := familiesZH(), notesZH(), settingsZH()
	said := map[string]bool{"": true}
	check := func(of, text string, in ...map[string]string) {
		said[text] = true
		for _, m := range in {
			if m[text] != "" {
				return
			}
		}
		if text != "" {
			t.Errorf("%s: %q has no Chinese: see notesZH and settingsZH", of, text)
		}
	}
	for _, a := range annotation.Table() {
		check(a.Name, a.Family, families)
		check(a.Name, a.Note, notes)
	}
	for _, k := range installation.Keys() {
		check(k.Name, k.Group, settings)
		check(k.Name, k.Note, settings, notes)
	}
	for _, f := range installation.Table() {
		check("--"+f.Name, f.Note, settings, notes)
	}
	for _, m := range []map[string]string{families, notes, settings} {
		for text := range m {
			if !said[text] {
				t.Errorf("%q is said nowhere: take it out", text)
			}
		}
	}
}
