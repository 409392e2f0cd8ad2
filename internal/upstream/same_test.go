package upstream

import (
	"testing"

	"paifang/internal/model"
)

// TestSameEndpoint: one endpoint has all requests while it may be chosen, whoever comes and whatever weights become. Where it is gone or down
// another has them, and keeps them.
func TestSameEndpoint(t *testing.T) {
	table, h := given(t, balanced(model.SameEndpoint), some(3)...)
	one := func(when string) string {
		t.Helper()
		got := picks(t, h, 12)
		if len(got) != 1 {
			t.Fatalf("%s: %v", when, got)
		}
		for addr := range got {
			return addr
		}
		return ""
	}
	kept := one("at first")
	without := func(n int, weight model.Weight) (out []model.Endpoint) {
		for _, e := range some(n, 1000, weight) {
			if e.Addr.String() != kept {
				out = append(out, e)
			}
		}
		return out
	}
	for n := 4; n < 60; n++ {
		table.give("a", orders, some(n, 1000, model.Weight(1000*n))...)
		if now := one("when others come"); now != kept {
			t.Fatalf("%s has %s take the place of %s", some(n)[n-1].Addr, now, kept)
		}
	}
	table.give("a", orders, without(60, 1000)...)
	next := one("when it is gone")
	if next == kept {
		t.Fatal("it is gone")
	}
	table.give("a", orders, some(60)...)
	if now := one("when it is back"); now != next {
		t.Fatalf("%s takes it from %s", now, next)
	}
	e := pick(t, h)
	e.live.note(true, CodeProbeFailed)
	after := one("when it is down")
	if after == next {
		t.Fatal("it is down")
	}
	e.live.note(false, "")
	if now := one("when it is up again"); now != after {
		t.Fatalf("%s takes it from %s", now, after)
	}
	if shares := h.Candidates(); len(shares) != 60 || sharesOf(shares)[after] != 1 {
		t.Errorf("%v", shares)
	}
	// A further try, and one more, go to others.
	first := pick(t, h)
	second := pick(t, h, first)
	if third := pick(t, h, first, second); first.Same(second) || third.Same(second) || third.Same(first) {
		t.Errorf("%s, %s, %s", first.Addr, second.Addr, third.Addr)
	}
}

func sharesOf(all []Candidate) map[string]float64 {
	out := map[string]float64{}
	for _, c := range all {
		out[c.Addr.String()] = c.Share
	}
	return out
}
