package model

import "testing"

func TestFallback(t *testing.T) {
	route := func(f Fallback) Route {
		return Route{ID: "r", Attach: []Class{"c"}, Action: Forward{Targets: []Target{{Upstream: "u"}}, Fallback: f}}
	}
	good := Fallback{Upstream: "pages", Statuses: []StatusRange{{From: 404, To: 404}, {From: 500, To: 599}}, Path: "/", Fields: []FallbackField{{Name: "X-Code", Value: "{status}"}}}
	for _, f := range []Fallback{{}, good, {Upstream: "pages", Empty: true}} {
		if err := route(f).ValidateEffect(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, f := range []Fallback{
		{Upstream: "pages"}, {Empty: true}, {Upstream: "pages", Statuses: []StatusRange{{From: 200, To: 404}}}, {Upstream: "pages", Empty: true, Path: "x"},
		{Upstream: "pages", Empty: true, Fields: []FallbackField{{Name: "X Code"}}}, {Upstream: "pages", Empty: true, Fields: []FallbackField{{Name: "X", Value: "a\r\nb"}}},
	} {
		if route(f).ValidateEffect() == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	for status, want := range map[int]bool{404: true, 503: true, 403: false, 200: false} {
		if good.Replaces(status) != want {
			t.Errorf("%d", status)
		}
	}
}
