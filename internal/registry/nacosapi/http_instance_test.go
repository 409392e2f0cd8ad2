package nacosapi

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// What takes an instance of one kind away leaves those of the other, which may be at the same address, alone.
func TestDeregisterOtherKind(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	persistent := []string{"serviceName", "database", "ip", "10.0.0.1", "port", "80"}
	ephemeral := []string{"serviceName", "order", "ip", "10.0.0.1", "port", "80"}
	there := func(in []string) step {
		return step{"GET", "/v1/ns/instance/list", params(in...), 200, `"ip":"10.0.0.1"`}
	}
	f.steps(t,
		step{"POST", "/v1/ns/instance", params(append(persistent, "ephemeral", "false")...), 200, "ok"},
		step{"POST", "/v1/ns/instance", params(ephemeral...), 200, "ok"},
	)
	for _, path := range []string{"/v1/ns/instance", "/v2/ns/instance", "/v3/client/ns/instance", "/v3/admin/ns/instance"} {
		f.steps(t,
			step{"DELETE", path, params(persistent...), 200, "ok"},
			step{"DELETE", path, params(append(persistent, "ephemeral", "true")...), 200, "ok"},
			there(persistent),
			step{"DELETE", path, params(append(ephemeral, "ephemeral", "false")...), 200, "ok"},
			there(ephemeral),
		)
	}
	c := dial(t, f.grpc).setup()
	c.request(nacoswire.TypePersistent, nacoswire.InstanceRequest{ServiceRef: nacoswire.ServiceRef{ServiceName: "order", GroupName: "DEFAULT_GROUP"},
		Type: nacoswire.DeregisterInstance, Instance: nacoswire.NewInstance("10.0.0.1", 80)})
	f.steps(t,
		there(ephemeral),
		step{"DELETE", "/v3/client/ns/instance", params(append(persistent, "ephemeral", "false")...), 200, "ok"},
		step{"GET", "/v1/ns/instance/list", params(persistent...), 200, `"hosts":[]`},
		step{"DELETE", "/v1/ns/instance", params(ephemeral...), 200, "ok"},
		step{"GET", "/v1/ns/instance/list", params(ephemeral...), 200, `"hosts":[]`},
	)
}

// Every answer of HTTP that has instances says their times, by metadata or as they are in Nacos; pushes and gRPC leave them to the metadata.
func TestTimesOfInstances(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	at := func(more ...string) url.Values {
		return params(append([]string{"serviceName", "order", "ip", "10.0.0.1", "port", "80", "withInstances", "true"}, more...)...)
	}
	all := func(times string) {
		t.Helper()
		for _, path := range []string{
			"/v1/ns/instance/list", "/v2/ns/instance/list", "/v3/client/ns/instance/list", "/v3/admin/ns/instance/list", "/v3/admin/ns/instance",
			"/v1/ns/catalog/instances", "/v2/ns/catalog/instances", "/v1/ns/catalog/services",
		} {
			f.steps(t, step{"GET", path, at(), 200, times})
		}
	}
	const usual = `"instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000,"instanceIdGenerator":"simple"}`
	f.steps(t, step{"POST", "/v1/ns/instance", at(), 200, "ok"})
	all(usual)
	f.steps(t, step{"PUT", "/v1/ns/instance", at("metadata",
		`{"preserved.heart.beat.interval":"1000","preserved.heart.beat.timeout":"no","preserved.ip.delete.timeout":"9000","preserved.instance.id.generator":"snowflake"}`), 200, "ok"})
	all(`"instanceHeartBeatInterval":1000,"instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":9000,"instanceIdGenerator":"snowflake"}`)
	c := dial(t, f.grpc).setup()
	answer := c.request(nacoswire.TypeServiceQuery, nacoswire.ServiceQueryRequest{ServiceRef: nacoswire.ServiceRef{ServiceName: "order", GroupName: "DEFAULT_GROUP"}})
	if text := string(answer.Body); !strings.Contains(text, `"ip":"10.0.0.1"`) || strings.Contains(text, "instanceHeartBeat") {
		t.Errorf("by gRPC: %s", text)
	}
}

// Times by which an instance would be dead between two of its heartbeats are refused wherever they come in.
func TestContradictingTimes(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	const refused = "'heart beat interval' must less than"
	at := []string{"serviceName", "order", "ip", "10.0.0.1", "port", "80"}
	f.steps(t, step{"POST", "/v1/ns/instance", params(at...), 200, "ok"})
	ref := nacoswire.ServiceRef{ServiceName: "other", GroupName: "DEFAULT_GROUP"}
	c := dial(t, f.grpc).setup()
	for _, times := range []string{
		`{"preserved.heart.beat.interval":"20000"}`, `{"preserved.heart.beat.timeout":"4999"}`, `{"preserved.ip.delete.timeout":"1000"}`,
		`{"preserved.heart.beat.interval":"3000","preserved.heart.beat.timeout":"2999"}`,
	} {
		for _, call := range [][]string{
			{"POST", "/v1/ns/instance"}, {"PUT", "/v1/ns/instance"}, {"POST", "/v2/ns/instance"}, {"PUT", "/v2/ns/instance"},
			{"POST", "/v3/client/ns/instance"}, {"PUT", "/v3/admin/ns/instance"},
		} {
			f.steps(t, step{call[0], call[1], params(append(at, "metadata", times)...), 400, refused})
		}
		beat := `{"ip":"10.0.0.9","port":80,"metadata":` + times + `}`
		f.steps(t, step{"PUT", "/v1/ns/instance/beat", params("serviceName", "order", "beat", beat), 400, refused})
		in := nacoswire.NewInstance("10.0.0.1", 80)
		var err error
		in.Metadata, err = nacoswire.ParseMetadata(times)
		must(t, err)
		for typ, m := range map[string]any{
			nacoswire.TypeInstance:      nacoswire.InstanceRequest{ServiceRef: ref, Type: nacoswire.RegisterInstance, Instance: in},
			nacoswire.TypePersistent:    nacoswire.InstanceRequest{ServiceRef: ref, Type: nacoswire.RegisterInstance, Instance: in},
			nacoswire.TypeBatchInstance: nacoswire.BatchInstanceRequest{ServiceRef: ref, Type: nacoswire.BatchRegisterInstance, Instances: []nacoswire.Instance{in}},
		} {
			if a, err := nacoswire.Decode[nacoswire.Response](c.request(typ, m)); err != nil || a.Success || !strings.Contains(a.Message, refused) {
				t.Errorf("%s with %s: %+v, %v", typ, times, a, err)
			}
		}
	}
	f.steps(t,
		step{"GET", "/v1/ns/instance/list", params("serviceName", "order"), 200, `"metadata":{}`},
		step{"POST", "/v1/ns/instance", params(append(at, "metadata", `{"preserved.heart.beat.interval":"15000"}`)...), 200, "ok"}, // as long is allowed
	)
}

func TestBatchMetadata(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	for _, in := range [][]string{{"order", "10.0.0.1", "true"}, {"order", "10.0.0.2", "true"}, {"database", "10.0.0.3", "false"}} {
		f.steps(t, step{"POST", "/v1/ns/instance", params("serviceName", in[0], "ip", in[1], "port", "80", "ephemeral", in[2]), 200, "ok"})
	}
	for i, path := range []string{"/v1/ns/instance/metadata/batch", "/v2/ns/instance/metadata/batch", "/v3/admin/ns/instance/metadata/batch"} {
		label := `{"round":"` + string(rune('0'+i)) + `"}`
		put := func(service, body string, more ...string) {
			t.Helper()
			f.steps(t, step{"PUT", path, params(append(more, "serviceName", service, "metadata", label)...), 200, body})
		}
		put("order", `"updated":["10.0.0.1:80:unknown:DEFAULT:ephemeral"]`, "instances", `[{"ip":"10.0.0.1","port":"80","weight":"1.0","healthy":"true","ephemeral":"true"}]`)
		put("order", `"updated":["10.0.0.2:80:unknown:DEFAULT:ephemeral"]`, "instances", `[{"ip":"10.0.0.2","port":80.0}]`, "consistencyType", "ephemeral")
		put("order", `"updated":[]`, "instances", `[{"ip":"10.0.0.1","port":"80"}]`, "consistencyType", "persist")
		put("order", `"updated":["10.0.0.1:80:unknown:DEFAULT:ephemeral","10.0.0.2:80:unknown:DEFAULT:ephemeral"]`)
		put("database", `"updated":[]`, "consistencyType", "ephemeral")
		put("database", `"updated":["10.0.0.3:80:unknown:DEFAULT:persist"]`, "consistencyType", "persist")
		f.steps(t,
			step{"GET", "/v1/ns/instance/list", params("serviceName", "database"), 200, `"metadata":` + label},
			step{"PUT", path, params("serviceName", "order", "metadata", label, "consistencyType", "all"), 400, "consistencyType"},
			step{"PUT", path, params("serviceName", "order", "metadata", label, "instances", `[{"ip":"10.0.0.1","port":"eighty"}]`), 400, "eighty"},
		)
	}
	f.steps(t,
		step{"PUT", "/v1/ns/instance/beat", params("serviceName", "order", "beat", `{"ip":"10.0.0.4","port":"80","weight":"0.5","scheduled":"true"}`), 200, `"code":10200`},
		step{"GET", "/v1/ns/instance", params("serviceName", "order", "ip", "10.0.0.4", "port", "80"), 200, `"weight":0.5`},
	)
}

// The statuses are those of the service in key, and who asks must be allowed to read in its namespace.
func TestStatuses(t *testing.T) {
	f := guarded(t)
	ann := f.login(t, "ann", "ann's password")
	in := params("serviceName", "g@@order", "ip", "10.0.0.1", "port", "80", "namespaceId", "test", "accessToken", ann)
	ask := func(key, namespace string) []string {
		return []string{"key", key, "namespaceId", namespace, "accessToken", ann}
	}
	f.steps(t,
		step{"POST", "/v1/ns/instance", in, 200, "ok"},
		step{"GET", "/v1/ns/instance/statuses", params(ask("test##g@@order", "")...), 200, `{"ips":["10.0.0.1:80_true"]}`},
		step{"GET", "/v1/ns/instance/statuses", params(ask("dev##g@@order", "")...), 200, `{"ips":[]}`},
		step{"GET", "/v1/ns/instance/statuses", params(ask("prod##g@@order", "test")...), 403, "may not read"},
		step{"GET", "/v1/ns/instance/statuses", params(ask("g@@order", "test")...), 403, "may not read"}, // in the public one
		step{"GET", "/v1/ns/instance/statuses", params(slices.Concat([]string{"serviceName", "g@@order"}, ask("", "test"))...), 200, `{"ips":["10.0.0.1:80_true"]}`},
	)
}

func TestNamesAsInNacos(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	at := []string{"ip", "10.0.0.1", "port", "80"}
	for _, path := range []string{"/v1/ns/instance", "/v2/ns/instance", "/v3/client/ns/instance"} {
		f.steps(t,
			step{"POST", path, params(append(at, "serviceName", "order", "clusterName", "a_b")...), 400, "cluster"},
			step{"POST", path, params(append(at, "serviceName", "@@order")...), 400, "group"},
			step{"POST", path, params(append(at, "serviceName", "@@order", "groupName", "g")...), 400, "group"},
		)
	}
	c := dial(t, f.grpc).setup()
	in := nacoswire.NewInstance("10.0.0.1", 80)
	in.ClusterName = "a_b"
	q := nacoswire.InstanceRequest{ServiceRef: nacoswire.ServiceRef{ServiceName: "order", GroupName: "DEFAULT_GROUP"}, Type: nacoswire.RegisterInstance, Instance: in}
	if a, err := nacoswire.Decode[nacoswire.Response](c.request(nacoswire.TypeInstance, q)); err != nil || a.Success {
		t.Errorf("%+v, %v", a, err)
	}
}
