package compile

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// TestFiltersThatAreSettings: what they say is in the route, and they are not; what does not count for it is told.
func TestFiltersThatAreSettings(t *testing.T) {
	timeout := func(response, request time.Duration) model.FilterSpec {
		return setting(model.FilterSetting{Timeouts: model.Timeouts{Response: response * time.Second, Request: request * time.Second}})
	}
	retry := func(attempts int) model.FilterSpec {
		return setting(model.FilterSetting{Retry: model.Retry{Attempts: attempts}})
	}
	step := model.FilterSpec{Kind: "step"}
	for _, c := range []struct {
		what              string
		filters           []model.FilterSpec
		own               time.Duration
		again             model.Retry
		response, request time.Duration
		attempts          int
		told              string // a line each
	}{
		{"nothing of its own", []model.FilterSpec{timeout(1, 0), step, retry(3)}, 0, model.Retry{}, 1, 0, 3, ""},
		{"each by itself", []model.FilterSpec{step, timeout(0, 5)}, 2 * time.Second, model.Retry{}, 2, 5, 0, ""},
		{"the same", []model.FilterSpec{step, timeout(2, 0)}, 2 * time.Second, model.Retry{}, 2, 0, 0, ""},
		{"its own", []model.FilterSpec{timeout(1, 0), step, retry(3)}, 2 * time.Second, model.Retry{Attempts: 1}, 1, 0, 3,
			"info filters[0] timeouts.response of the route does not count\ninfo filters[2] forward.retry of the route does not count\n"},
		{"two", []model.FilterSpec{timeout(1, 0), step, timeout(3, 4)}, 0, model.Retry{}, 3, 4, 0, "warning filters[2] timeouts.response of filters[0] does not count\n"},
	} {
		m := model.Route{ID: "a", Attach: []model.Class{"c"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}}, Filters: c.filters, Timeouts: model.Timeouts{Response: c.own},
			Action: model.Forward{Targets: []model.Target{{Upstream: "u"}}, Retry: c.again}}
		before := fmt.Sprintf("%+v", m)
		u := model.Upstream{ID: "u", Endpoints: []model.EndpointsID{{Keeper: "static", Name: "u"}}}
		in := Input{Groups: groupsOf(map[string]*model.Objects{"g": {Routes: []model.Route{m}, Upstreams: []model.Upstream{u}}})}
		snap := Compile(nil, in, check)
		kept := snap.Contents().Kept
		routes, _ := kept.Routes.Get("g")
		r := routes[0]
		told := ""
		for _, d := range snap.Diagnostics() {
			if d.Code == model.CodeNoListener {
				continue
			}
			message, _, _ := strings.Cut(strings.TrimPrefix(d.Message, "filter setting: "), ",")
			told += fmt.Sprintf("%s %s %s\n", d.Severity, d.Field, message)
		}
		steps := 0
		for _, f := range c.filters {
			if f.Kind == "step" {
				steps++
			}
		}
		if r.Timeouts.Response != c.response*time.Second || r.Timeouts.Request != c.request*time.Second || r.Action.(model.Forward).Retry.Attempts != c.attempts || len(r.Filters) != steps || !strings.EqualFold(told, c.told) {
			t.Errorf("%s: %+v, filters %v, told %s", c.what, r.Route, r.Filters, told)
		}
		if after := fmt.Sprintf("%+v", m); after != before {
			t.Errorf("%s: what the source said is changed to %s", c.what, after)
		}
		// A change of something else leaves it as it is, pointer by pointer.
		e := in.Groups.Edit()
		e.Set("g", &model.Objects{Routes: []model.Route{m, {ID: "b", Attach: []model.Class{"c"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/b"}}, Action: model.Respond{Status: 200}}}, Upstreams: []model.Upstream{u}})
		next := Compile(snap, Input{Groups: e.Map()}, check)
		kept = next.Contents().Kept
		if again, _ := kept.Routes.Get("g"); len(again) != 2 || again[0] != r || !reflect.DeepEqual(next.Diagnostics(), snap.Diagnostics()) {
			t.Errorf("%s: it is another route after a change of a neighbour", c.what)
		}
	}
	m := model.Route{ID: "a", Attach: []model.Class{"c"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}}, Filters: []model.FilterSpec{retry(1)}, Action: model.Respond{Status: 200}}
	ds := Compile(nil, Input{Groups: groupsOf(map[string]*model.Objects{"g": {Routes: []model.Route{m}}})}, check).Diagnostics()
	if len(ds) != 2 || ds[1].Code != model.CodeFilterDoubtful {
		t.Errorf("a route that sends nothing on: %v", ds)
	}
}

func setting(s model.FilterSetting) model.FilterSpec {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return model.FilterSpec{Kind: "setting", Config: text}
}

func groupsOf(all map[string]*model.Objects) shard.Map[*model.Objects] {
	e := shard.Map[*model.Objects]{}.Edit()
	for key, o := range all {
		e.Set(key, o)
	}
	return e.Map()
}
