package trace

import (
	"strings"
	"testing"
)

const (
	sampledParent   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampledParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// TestTraceparent has the cases of W3C Trace Context, level 1, 3.2 and 4.3.
func TestTraceparent(t *testing.T) {
	for _, s := range []string{sampledParent, unsampledParent} {
		if p, ok := parseParent(s); !ok || p.format() != s || p.sampled != (s == sampledParent) {
			t.Errorf("%s: %v %v", s, p, ok)
		}
	}
	for s, sampled := range map[string]bool{
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff":         true,  // flags that nobody knows
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02":         false, //
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":         true,  // a later version
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-is": true,  // with more in it
	} {
		if p, ok := parseParent(s); !ok || p.sampled != sampled {
			t.Errorf("%s: %v %v", s, p, ok)
		}
	}
	for _, s := range []string{
		"", "00", "00-", strings.Repeat("-", parentLen),
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",   // no version
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", // version 00 has nothing more
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
		"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", // upper case
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", // no trace
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", // no span
		"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
		"0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001",
	} {
		if _, ok := parseParent(s); ok {
			t.Errorf("%q is taken", s)
		}
	}
}

func TestTracestate(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("a=1,", maxMembers), ",")
	for s, want := range map[string]bool{
		"": true, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE": true, "a=1, ,\tb=2": true, "fw529a3039@dt=FfD8=": false, "fw529a3039@dt=FfD8": true, "0a=1": true,
		"a": false, "=1": false, "A=1": false, "a=": false, "a=\x01": false, "_a=1": false, many: true, many + ",b=2": false,
		"a=" + strings.Repeat("x", 257): false, strings.Repeat("a", 258) + "=1": false, "a=" + strings.Repeat("x", 256) + strings.Repeat(",", maxState): false,
	} {
		if validState(s) != want {
			t.Errorf("%q: want %v", s, want)
		}
	}
}

// FuzzTraceparent: whatever is taken is one that level 1 allows, and what is written from it says the same.
func FuzzTraceparent(f *testing.F) {
	f.Add(sampledParent, "a=1")
	f.Add("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", ",=")
	f.Fuzz(func(t *testing.T, s, state string) {
		_ = validState(state)
		p, ok := parseParent(s)
		if !ok {
			return
		}
		out := p.format()
		if out[traceAt:spanEnd] != s[traceAt:spanEnd] || strings.ToLower(s[:parentLen]) != s[:parentLen] {
			t.Errorf("%q becomes %q", s, out)
		}
		if again, ok := parseParent(out); !ok || again != p {
			t.Errorf("%q cannot be read again", out)
		}
	})
}
