package httpproxy

import (
	"net/netip"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestInPlaceOf: requests of a target of which nobody is up go to the one in its place, and back; a header says which target
// they were for.
func TestInPlaceOf(t *testing.T) {
	old, fresh := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")), newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew"))
	s := newStand(t, nil)
	s.list("old", old.Addr().String())
	s.list("new", fresh.Addr().String())
	s.route("lane", "/", "", func(r *model.Route) {
		r.Action = model.Forward{
			Targets: []model.Target{{Upstream: "old", Weight: 1}, {Upstream: "new", Else: "old", Carry: model.Tag{Name: "X-Lane", Value: "gray"}}},
			Lanes:   []model.Lane{{Target: "new", Name: "gray", From: model.LaneHeader, Field: "X-Gray", Value: "yes"}},
		}
	})
	s.publish()
	c := s.dial()
	ask := func(want string, fields ...string) {
		t.Helper()
		if a := c.send(get("/", fields...)).receive("GET"); !strings.Contains(a.status, " 200 ") || a.body != want {
			t.Fatalf("answered %s %q, want %s", a.status, a.body, want)
		}
	}
	ask("old")
	ask("new", "X-Gray: yes", "X-Lane: something else")
	if seen := fresh.seen(); strings.Count(seen, "X-Lane") != 1 || !strings.Contains(seen, "X-Lane: gray\r\n") {
		t.Errorf("the lane was told as %q", seen)
	}
	if seen := old.seen(); strings.Contains(seen, "X-Lane") {
		t.Errorf("a request of no lane was told as %q", seen)
	}
	s.list("new")
	ask("old", "X-Gray: yes")
	if seen := old.seen(); strings.Count(seen, "X-Lane: gray\r\n") != 1 {
		t.Errorf("in its place it was told as %q", seen)
	}
	s.list("new", refusing(t))
	ask("old", "X-Gray: yes") // found out by the request itself
	ask("old", "X-Gray: yes") // known before
	s.list("new", fresh.Addr().String())
	ask("new", "X-Gray: yes")
}

// TestPartsOfAList: upstreams that take parts of one list by their tags, and an endpoint that changes sides at once.
func TestPartsOfAList(t *testing.T) {
	a, b := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")), newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"))
	s := newStand(t, nil)
	v2 := model.Tags{{Name: "version", Value: "v2"}}
	tagged := func(bs model.Tags) {
		s.table.SetContribution("test", "x", []model.EndpointSet{{List: model.EndpointsID{Keeper: "static", Name: "x"}, Endpoints: []model.Endpoint{
			{Addr: netip.MustParseAddrPort(a.Addr().String())}, {Addr: netip.MustParseAddrPort(b.Addr().String()), Tags: bs},
		}}}, 0)
	}
	tagged(v2)
	lists := []model.EndpointsID{{Keeper: "static", Name: "x"}}
	for _, up := range []model.Upstream{{ID: "v2", Select: v2}, {ID: "rest", Except: []model.Tags{v2}}} {
		s.over(string(up.ID), "/"+string(up.ID), up)
		s.routes[len(s.routes)-1].Upstreams[0].Endpoints = lists
	}
	s.publish()
	c := s.dial()
	count := func(path string) (as, bs int) {
		for range 10 {
			switch x := c.send(get(path)).receive("GET"); x.body {
			case "a":
				as++
			case "b":
				bs++
			}
		}
		return as, bs
	}
	if as, bs := count("/v2"); as != 0 || bs != 10 {
		t.Errorf("v2: %d to a, %d to b", as, bs)
	}
	if as, bs := count("/rest"); as != 10 || bs != 0 {
		t.Errorf("the rest: %d to a, %d to b", as, bs)
	}
	tagged(nil)
	if a := c.send(get("/v2")).receive("GET"); !strings.Contains(a.status, " 503 ") {
		t.Errorf("a version that nobody has: %s", a.status)
	}
	if as, bs := count("/rest"); as != 5 || bs != 5 {
		t.Errorf("the rest once all are: %d to a, %d to b", as, bs)
	}
}
