package model

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestParseVersion compares with an expression for versions.
func TestParseVersion(t *testing.T) {
	form := regexp.MustCompile(`^\P{Nd}*([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?$`)
	parts := []string{"", ".", "0", "07", "2147483647", "2147483648", "99999999999", "v", "-", "a1", "\u0661", "+"}
	check := func(text string) {
		t.Helper()
		var want Version
		found := form.FindStringSubmatch(text)
		good := found != nil
		for i, number := range found[min(1, len(found)):] {
			n, err := strconv.ParseInt(number, 10, 32)
			if number != "" && err != nil {
				good = false
			}
			want[i] = int32(n)
		}
		if v, ok := ParseVersion(text); ok != good || ok && v != want {
			t.Errorf("%q is %v, %v: want %v, %v", text, v, ok, want, good)
		}
	}
	for _, a := range parts {
		for _, b := range parts {
			for _, c := range parts {
				for _, sep := range []string{"", "."} {
					check(a + sep + b + sep + c)
				}
			}
		}
	}
	for _, text := range []string{"1.2.3", "v1.02", "1.2.3.4", "1..2", "1.", ".1", "release-3.1", "1.0a"} {
		check(text)
	}
	if n := testing.AllocsPerRun(100, func() { ParseVersion("v1.2.3") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestVersionMatchText(t *testing.T) {
	m := VersionMatch{Is: "1.2+", Default: "1", In: []VersionPlace{{Header: "X-V"}, {Query: "v"}, {Segment: 2}, {MediaType: "text/*", Parameter: "p"}}}
	if got := m.String(); got != "version 1.2+ in header X-V or query v or segment 2 or parameter p of text/*, by default 1" {
		t.Error(got)
	}
	if err := m.validate(); err != nil {
		t.Error(err)
	}
	for want, bad := range map[string]VersionMatch{
		"in is empty":     {Is: "1"},
		"in[0]: want one": {Is: "1", In: []VersionPlace{{Header: "a", Query: "b"}}},
		"together":        {Is: "1", In: []VersionPlace{{MediaType: "a/b"}}},
		"want 1 for":      {Is: "1", In: []VersionPlace{{Segment: -1}}},
		"is: ":            {Is: "+", In: m.In},
		"default: ":       {Is: "1", Default: "1+", In: m.In},
	} {
		if err := bad.validate(); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v: %v, want %s", bad, err, want)
		}
	}
}
