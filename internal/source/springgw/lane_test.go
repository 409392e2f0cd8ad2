package springgw

import (
	"reflect"
	"strings"
	"testing"

	"paifang/internal/model"
)

const laneRoute = `      - id: order
        uri: lb://order
        predicates: [Path=/order/**]
        metadata:
          lane-header: X-Lane
          lane-fallback: gray
          lanes:
          - name: gray
            instances: {version: v2}
            when:
            - {header: X-Gray, value: always}
            - {cookie: gray, pattern: ^a.*s$}
            - {query: gray}
            - {weight: 20, by: header X-User}
          - name: blue
            instances: {version: v3, app.kubernetes.io/part: b}
            fallback: none
            when:
            - {weight: 10, by: header X-User}
`

func TestLanes(t *testing.T) {
	o := load(t, Config{}, routes(laneRoute))
	if len(o.Diagnostics) != 0 || len(o.Routes) != 1 {
		t.Fatalf("%v", o.Diagnostics)
	}
	if err := o.Routes[0].Validate(); err != nil {
		t.Fatal(err)
	}
	const service = "registry/public/DEFAULT_GROUP/order"
	v2, v3 := model.Tags{{Name: "version", Value: "v2"}}, model.Tags{{Name: "app.kubernetes.io/part", Value: "b"}, {Name: "version", Value: "v3"}}
	rest := model.UpstreamID(service + "{not version=v2, not app.kubernetes.io/part=b,version=v3}")
	gray, blue := model.UpstreamID(service+"{version=v2}"), model.UpstreamID(service+"{app.kubernetes.io/part=b,version=v3}")
	want := model.Forward{
		Host: model.HostEndpoint, Target: model.TargetReceived, LaneOrder: model.CookieAsDraws,
		Targets: []model.Target{
			{Upstream: rest, Weight: 1, Else: gray},
			{Upstream: gray, Else: rest, Carry: model.Tag{Name: "X-Lane", Value: "gray"}},
			{Upstream: blue, Carry: model.Tag{Name: "X-Lane", Value: "blue"}},
		},
		Lanes: []model.Lane{
			{Target: gray, Name: "lane gray: header X-Lane: gray", From: model.LaneHeader, Field: "X-Lane", Value: "gray"},
			{Target: blue, Name: "lane blue: header X-Lane: blue", From: model.LaneHeader, Field: "X-Lane", Value: "blue"},
			{Target: gray, Name: "lane gray: header X-Gray: always", From: model.LaneHeader, Field: "X-Gray", Value: "always"},
			{Target: gray, Name: "lane gray: cookie gray ~ ^a" + javaDot + "*s$", From: model.LaneCookie, Field: "gray", Pattern: "^a" + javaDot + "*s$"},
			{Target: gray, Name: "lane gray: query gray", From: model.LaneQuery, Field: "gray", Present: true},
			{Target: gray, Name: "lane gray: weight 20 of 100 by header X-User", From: model.LaneShare, Share: 20, Of: 100,
				Hash: []model.HashPart{{From: model.HashHeader, Name: "X-User"}}},
			{Target: blue, Name: "lane blue: weight 10 of 100 by header X-User", From: model.LaneShare, Share: 10, Of: 100, Beside: 20,
				Hash: []model.HashPart{{From: model.HashHeader, Name: "X-User"}}},
		},
	}
	if got := o.Routes[0].Action; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(o.Upstreams) != 3 {
		t.Fatalf("%+v", o.Upstreams)
	}
	for i, u := range o.Upstreams {
		if u.ID != want.Targets[i].Upstream || u.Endpoints[0].Name != "public/DEFAULT_GROUP/order" || u.Validate() != nil {
			t.Errorf("upstream %d: %+v", i, u)
		}
	}
	if !reflect.DeepEqual(o.Upstreams[0].Except, []model.Tags{v2, v3}) || !reflect.DeepEqual(o.Upstreams[1].Select, v2) || !reflect.DeepEqual(o.Upstreams[2].Select, v3) {
		t.Errorf("parts: %+v", o.Upstreams)
	}
}

// TestBadLanes: a release that cannot be read must not send everybody to both versions.
func TestBadLanes(t *testing.T) {
	lane := func(text string) string { return "{lanes: [{name: a, instances: {v: 2}, " + text + "}]}" }
	for metadata, want := range map[string][2]string{
		"{lanes: []}":                             {"metadata.lanes", "is empty"},
		"{lane-header: X-Lane}":                   {"metadata.lane-header", "has no effect without lanes"},
		"{lanes: [{name: a, instances: {v: 2}}]}": {"metadata.lanes[0].when", "there is no lane-header"},
		"{lane-header: Host, lanes: [{name: a, instances: {v: 2}}]}":                                                                                 {"metadata.lane-header", "no header that a gateway may set"},
		"{lane-header: cookie, lanes: [{name: a, instances: {v: 2}}]}":                                                                               {"metadata.lane-header", "no header that a gateway may set"},
		"{lane-header: Authorization, lanes: [{name: a, instances: {v: 2}}]}":                                                                        {"metadata.lane-header", "no header that a gateway may set"},
		"{lane-header: X-Forwarded-For, lanes: [{name: a, instances: {v: 2}}]}":                                                                      {"metadata.lane-header", "no header that a gateway may set"},
		"{lane-header: X-Real-IP, lanes: [{name: a, instances: {v: 2}}]}":                                                                            {"metadata.lane-header", "no header that a gateway may set"},
		"{lane-header: X-Request-ID, lanes: [{name: a, instances: {v: 2}}]}":                                                                         {"metadata.lane-header", "no header that a gateway may set"},
		"{lane-header: Content-Type, lanes: [{name: a, instances: {v: 2}}]}":                                                                         {"metadata.lane-header", "no header that a gateway may set"},
		"{lane-header: X, lanes: [{name: 'a b', instances: {v: 2}}]}":                                                                                {"metadata.lanes[0].name", "is no name"},
		"{lane-header: X, lanes: [{name: a}]}":                                                                                                       {"metadata.lanes[0].instances", "is missing"},
		"{lane-header: X, lanes: [{name: a, instance: {v: 2}}]}":                                                                                     {"metadata.lanes[0].instance", "did you mean instances?"},
		"{lane-header: X, lanes: [{name: a, instances: {v: 2}}, {name: a, instances: {v: 3}}]}":                                                      {"metadata.lanes[1].name", "the name of another lane"},
		"{lane-header: X, lanes: [{name: a, instances: {v: 2}}, {name: b, instances: {v: 2}}]}":                                                      {"metadata.lanes[1].instances", "are those of lane a"},
		"{lane-header: X, lane-fallback: z, lanes: [{name: a, instances: {v: 2}}]}":                                                                  {"metadata.lane-fallback", "none of the lanes"},
		lane("fallback: maybe, when: [{header: X}]"):                                                                                                 {"metadata.lanes[0].fallback", "neither others nor none"},
		lane("when: [{header: X, cookie: c}]"):                                                                                                       {"metadata.lanes[0].when[0].cookie", "beside another condition"},
		lane("when: [{header: X, weight: 3}]"):                                                                                                       {"metadata.lanes[0].when[0]", "a weight and another condition"},
		lane("when: [{weight: 101}]"):                                                                                                                {"metadata.lanes[0].when[0].weight", "101 of 100 is no share"},
		"{lanes: [{name: a, instances: {v: 2}, when: [{weight: 60}]}, {name: b, instances: {v: 3}, when: [{weight: 1, by: source}, {weight: 50}]}]}": {"metadata.lanes[1].when[1].weight", "lanes before it have 60 of them already"},
		lane("when: [{weight: many}]"):                                                                                                               {"metadata.lanes[0].when[0].weight", "many"},
		lane("when: [{weight: 1, by: moon}]"):                                                                                                        {"metadata.lanes[0].when[0].by", "want header NAME"},
		lane("when: [{header: X, by: source}]"):                                                                                                      {"metadata.lanes[0].when[0].by", "belongs to a weight"},
		lane("when: [{header: X, value: a, pattern: b}]"):                                                                                            {"metadata.lanes[0].when[0]", "want one"},
		lane("when: [{header: X, pattern: '(?=a)'}]"):                                                                                                {"metadata.lanes[0].when[0].pattern", "look-ahead"},
		lane("when: [{value: X}]"):                                                                                                                   {"metadata.lanes[0].when[0]", "has no condition"},
		lane("when: [{header: ''}]"):                                                                                                                 {"metadata.lanes[0].when[0]", "without a name"},
		lane("when: [{heder: X}]"):                                                                                                                   {"metadata.lanes[0].when[0].heder", "did you mean header?"},
		"{lane-header: X, lanes: [{name: a, instances: {v: 2}, when: [" + strings.Repeat("{query: a},", 64) + "]}]}":                                 {"metadata.lanes", "at most 64"},
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], metadata: "+metadata+"}\n"))
		if len(o.Diagnostics) != 1 || o.Diagnostics[0].Field != want[0] || o.Diagnostics[0].Origin.Line != 5 || !strings.Contains(o.Diagnostics[0].Message, want[1]) {
			t.Errorf("%s: %v, want %v", metadata, o.Diagnostics, want)
		}
		if len(o.Routes) != 1 || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %+v", metadata, o.Routes)
		}
	}
	o := load(t, Config{}, routes("      - {id: a, uri: 'http://x.test', predicates: ['Path=/a'], metadata: "+lane("when: [{query: a}]")+"}\n"))
	if len(o.Diagnostics) == 0 || !strings.Contains(o.Diagnostics[0].Message, "lanes are parts of a service") {
		t.Errorf("%v", o.Diagnostics)
	}
}
