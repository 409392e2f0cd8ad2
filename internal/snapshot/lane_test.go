package snapshot

import (
	"regexp"
	"testing"

	"paifang/internal/model"
)

// laneRequest has one field of each kind and a key.
type laneRequest struct {
	header, query, cookie string
	key                   uint64
}

func (q laneRequest) LookupValue(in Place, _ string, _ int) (string, bool) {
	v := [...]string{InHeaders: q.header, InQuery: q.query, InCookies: q.cookie}[in]
	return v, v != ""
}
func (q laneRequest) LookupKey([]model.HashPart) (uint64, bool) {
	return q.key, q.key != 0
}

func lanesOf(t *testing.T, lanes ...model.Lane) *Lanes {
	t.Helper()
	for i := range lanes {
		lanes[i].Target = "u"
	}
	r := model.Route{ID: "r", Attach: []model.Class{"web"}, Action: model.Forward{Targets: []model.Target{{Upstream: "u"}}, Lanes: lanes}}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	out, err := NewRoute(&r)
	if err != nil {
		t.Fatal(err)
	}
	return &out.Lanes
}

func TestLanes(t *testing.T) {
	l := lanesOf(t,
		model.Lane{From: model.LaneHeader, Field: "X", Value: "a"},
		model.Lane{From: model.LaneHeader, Field: "X", Pattern: "b+c"},
		model.Lane{From: model.LaneQuery, Field: "q", Present: true},
		model.Lane{From: model.LaneCookie, Field: "c", Value: "1"},
		model.Lane{From: model.LaneShare, Share: 25, Of: 100, Hash: []model.HashPart{{From: model.HashHeader, Name: "X"}}},
	)
	for _, c := range []struct {
		q    laneRequest
		want int // -1 = none
	}{
		{laneRequest{header: "a"}, 0}, {laneRequest{header: "aa"}, -1}, {laneRequest{header: "xbbcx"}, 1}, {laneRequest{query: "x", cookie: "1"}, 2},
		{laneRequest{cookie: "1"}, 3}, {laneRequest{cookie: "2"}, -1}, {laneRequest{key: 124}, 4}, {laneRequest{key: 125}, -1}, {laneRequest{}, -1},
	} {
		i, ok := l.Decide(c.q)
		if !ok {
			i = -1
		}
		if i != c.want {
			t.Errorf("%+v: lane %d, want %d", c.q, i, c.want)
		}
		if chances, j, ok := l.DecideSure(c.q); ok != (c.want >= 0) || ok && j != c.want || len(chances) > 0 {
			t.Errorf("%+v: explained as %v, %d, %t", c.q, chances, j, ok)
		}
	}
	if n := testing.AllocsPerRun(100, func() { l.Decide(laneRequest{cookie: "1"}) }); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func TestChanceOfALane(t *testing.T) {
	l := lanesOf(t, model.Lane{From: model.LaneShare, Share: 300, Of: 1000})
	n := 0
	for range 10_000 {
		if _, ok := l.Decide(laneRequest{}); ok {
			n++
		}
	}
	if n < 2600 || n > 3400 {
		t.Errorf("%d of 10,000 are not 30 %%", n)
	}
	if chances, _, ok := l.DecideSure(laneRequest{}); ok || len(chances) != 1 {
		t.Error("chance is told for sure")
	}
	for share, want := range map[int]bool{0: false, 1000: true} {
		if chances, _, ok := lanesOf(t, model.Lane{From: model.LaneShare, Share: share, Of: 1000}).DecideSure(laneRequest{}); ok != want || len(chances) > 0 {
			t.Errorf("%d of 1000: %t, by chance %v", share, ok, chances)
		}
	}
}

// Shares of one total stand beside each other, by chance and by a hash.
func TestSharesBesideEachOther(t *testing.T) {
	share := func(n, beside int, by ...model.HashPart) model.Lane {
		return model.Lane{From: model.LaneShare, Share: n, Of: 100, Beside: beside, Hash: by}
	}
	user := model.HashPart{From: model.HashHeader, Name: "X"}
	for name, l := range map[string]*Lanes{
		"chance": lanesOf(t, share(30, 0), share(30, 30), share(40, 60)),
		"hash":   lanesOf(t, share(30, 0, user), share(30, 30, user), share(40, 60, user)),
	} {
		var got [3]int
		for key := range uint64(10_000) {
			i, ok := l.Decide(laneRequest{key: key + 1})
			if !ok {
				t.Fatalf("%s: request %d is in none", name, key)
			}
			got[i]++
		}
		for i, want := range []int{3000, 3000, 4000} {
			if got[i] < want-400 || got[i] > want+400 {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
}

// A cookie keeps its client where chance has drawn him, and nowhere else.
func TestDecideBound(t *testing.T) {
	l := &Lanes{lanes: []model.Lane{
		{Target: "gray", From: model.LaneHeader, Field: "X", Present: true},
		{Target: "half", From: model.LaneShare, Share: 50, Of: 100},
		{Target: "none", From: model.LaneShare, Share: 0, Of: 100, Beside: 50},
	}, patterns: make([]*regexp.Regexp, 3)}
	for range 100 {
		for _, c := range []struct {
			at   model.UpstreamID
			q    laneRequest
			want int // -1: none; -2: chance
		}{
			{"rest", laneRequest{header: "a"}, 0}, {"rest", laneRequest{}, -1},
			{"half", laneRequest{header: "a"}, 0}, {"half", laneRequest{}, 1},
			{"gray", laneRequest{header: "a"}, 0}, {"gray", laneRequest{}, -2},
			{"none", laneRequest{}, -2},
		} {
			i, ok := l.DecideBound(c.q, c.at)
			if !ok {
				i = -1
			}
			if i != c.want && (c.want != -2 || i != -1 && i != 1) {
				t.Fatalf("bound to %s, %+v: %d, want %d", c.at, c.q, i, c.want)
			}
		}
	}
}

func TestLanesThatAreNone(t *testing.T) {
	for name, l := range map[string]model.Lane{
		"target":  {Target: "other", From: model.LaneHeader, Field: "X"},
		"source":  {Target: "u", From: "Body", Field: "X"},
		"field":   {Target: "u", From: model.LaneQuery},
		"both":    {Target: "u", From: model.LaneHeader, Field: "X", Value: "a", Pattern: "b"},
		"pattern": {Target: "u", From: model.LaneHeader, Field: "X", Pattern: "(a"},
		"share":   {Target: "u", From: model.LaneShare, Share: 2, Of: 1},
		"of":      {Target: "u", From: model.LaneShare},
		"beside":  {Target: "u", From: model.LaneShare, Share: 51, Of: 100, Beside: 50},
		"mixed":   {Target: "u", From: model.LaneHeader, Field: "X", Of: 3},
	} {
		r := model.Route{ID: "r", Attach: []model.Class{"web"}, Action: model.Forward{Targets: []model.Target{{Upstream: "u"}}, Lanes: []model.Lane{l}}}
		if r.Validate() == nil {
			t.Errorf("%s: %+v is taken", name, l)
		}
	}
}

func TestStart(t *testing.T) {
	e := (&Site{}).Edit()
	var routes []*Route
	for _, p := range []string{"/", "/foo/ba", "/foo/bar/x/", "/fo"} {
		routes = append(routes, route(t, p, model.PathStart, p))
	}
	e.Set("", table("", routes...))
	site := e.Hosts()
	for path, want := range map[string]model.RouteID{
		"/foo/ba": "/foo/ba", "/foo/bar/x": "/foo/ba", "/foo/bar/x/": "/foo/bar/x/", "/foo/bar/x/y": "/foo/bar/x/", "/foo/b": "/fo", "/foo": "/fo", "/Foo/ba": "/", "/f": "/",
	} {
		if f, ok := Find(&site, model.HostOwns, "", request{path: path}); !ok || f.Route.ID != want {
			t.Errorf("%s: %v, want %s", path, f.Route, want)
		}
	}
}
