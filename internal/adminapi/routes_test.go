package adminapi

import (
	"testing"

	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
)

// TestSharesBesideLanes: what lanes take is not told as a share, nor what they leave as all requests.
func TestSharesBesideLanes(t *testing.T) {
	lanes := []model.Lane{{Target: "gray", Name: "gray", From: model.LaneShare, Share: 100, Of: 100}}
	route := func(id string, lanes []model.Lane, targets ...model.Target) model.Route {
		return model.Route{ID: model.RouteID(id), Attach: []model.Class{"ingress"}, Hosts: []model.Host{model.Host(id + ".test")}, Action: model.Forward{Targets: targets, Lanes: lanes}}
	}
	upstream := func(id model.UpstreamID) model.Upstream {
		return model.Upstream{ID: id, Endpoints: []model.EndpointsID{explaintest.Service}}
	}
	l, _ := local(model.Objects{Upstreams: []model.Upstream{upstream("gray"), upstream("one"), upstream("two")}, Routes: []model.Route{
		route("lane", lanes, model.Target{Upstream: "one", Weight: 1}, model.Target{Upstream: "gray"}),
		route("lanes", lanes, model.Target{Upstream: "one", Weight: 60}, model.Target{Upstream: "two", Weight: 40}, model.Target{Upstream: "gray"}),
		route("shares", nil, model.Target{Upstream: "one", Weight: 60}, model.Target{Upstream: "two", Weight: 40}),
	}})
	want := map[string]string{"lane.test": "one the rest, gray by lanes", "lanes.test": "one 60% of the rest, two 40% of the rest, gray by lanes", "shares.test": "one 60%, two 40%"}
	for _, r := range read(t, l, Routes).Routes {
		if text, of := want[r.Host]; of && r.Effect != text {
			t.Errorf("%s: %q, want %q", r.Host, r.Effect, text)
		}
		delete(want, r.Host)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
