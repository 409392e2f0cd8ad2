package nacosapi

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

func TestServices(t *testing.T) {
	f := serve(t, Config{}, registry.Options{Unhealthy: 100 * time.Millisecond, Delete: time.Minute})
	at := func(more ...string) []string { return append(more, "serviceName", "order") }
	for _, step := range []struct {
		method, path string
		params       []string
		status       int
		body         string
	}{
		{"POST", "/v1/ns/service", at("protectThreshold", "0.5", "ephemeral", "true", "metadata", `{"team":"shop"}`), 200, "ok"},
		{"POST", "/v1/ns/service", at(), 400, "exists"},
		{"GET", "/v1/ns/service", at(), 200, `"protectThreshold":0.5,"metadata":{"team":"shop"}`},
		{"PUT", "/v2/ns/service", at("protectThreshold", "2"), 400, "want 0 to 1"},
		{"POST", "/v1/ns/instance", at("ip", "10.0.0.1", "port", "80", "ephemeral", "false"), 400, "ephemeral"},
		{"POST", "/v1/ns/instance", at("ip", "10.0.0.1", "port", "80"), 200, "ok"},
		{"DELETE", "/v1/ns/service", at(), 400, "instances"},
		{"POST", "/v3/admin/ns/service", []string{"serviceName", "database", "ephemeral", "false"}, 200, `"data":"ok"`},
		{"PUT", "/v1/ns/cluster", []string{"serviceName", "database", "clusterName", "DEFAULT", "healthChecker", `{"type":"NONE"}`}, 200, "ok"},
		{"PUT", "/v1/ns/cluster", []string{"serviceName", "database", "clusterName", "DEFAULT", "healthChecker", `{"type":"MYSQL"}`}, 400, "want TCP, HTTP or NONE"},
		{"POST", "/v1/ns/instance", []string{"serviceName", "database", "ip", "10.0.0.2", "port", "80", "ephemeral", "false"}, 200, "ok"},
		{"GET", "/v2/ns/service", []string{"serviceName", "database"}, 200, `"healthChecker":{"type":"NONE"}`},
		{"DELETE", "/v1/ns/instance", []string{"serviceName", "database", "ip", "10.0.0.2", "port", "80", "ephemeral", "false"}, 200, "ok"},
		{"DELETE", "/v1/ns/service", []string{"serviceName", "database"}, 200, "ok"},
		{"DELETE", "/v1/ns/service", []string{"serviceName", "database"}, 404, "not found"},
	} {
		status, body := f.curl(t, step.method, step.path, params(step.params...))
		if status != step.status || !strings.Contains(body, step.body) {
			t.Errorf("%s %s %v: %d %s, want %d with %s", step.method, step.path, step.params, status, body, step.status, step.body)
		}
	}
	// The last instance turns unhealthy, and its threshold shows it as healthy all the same.
	eventually(t, "the threshold is reached", func() bool {
		_, body := f.curl(t, "GET", "/v1/ns/instance/list", params(at("healthyOnly", "true")...))
		return strings.Contains(body, `"healthy":true`) && strings.Contains(body, `"reachProtectionThreshold":true`)
	})
	if v := f.registry().View(order); v.Instances[0].Healthy {
		t.Error("the registry itself takes it for healthy")
	}
}

func TestPersistentByGRPC(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc).setup()
	ask := func(typ string) *nacoswire.Payload {
		return c.request(nacoswire.TypePersistent, nacoswire.InstanceRequest{ServiceRef: ref("database"), Type: typ, Instance: nacoswire.NewInstance("10.0.0.1", 80)})
	}
	answerOf[nacoswire.InstanceResponse](c, nacoswire.TypeInstanceAnswer, ask(nacoswire.RegisterInstance))
	database := registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "database"}
	must(t, c.conn.Close())
	eventually(t, "the connection is forgotten", func() bool { return f.registry().Stats().Connections == 0 })
	if v := f.registry().View(database); instances(v) != "10.0.0.1" || v.Instances[0].Ephemeral {
		t.Fatalf("%+v", v)
	}
	c = dial(t, f.grpc).setup()
	answerOf[nacoswire.InstanceResponse](c, nacoswire.TypeInstanceAnswer, ask(nacoswire.DeregisterInstance))
	if got := instances(f.registry().View(database)); got != "" {
		t.Fatal(got)
	}
	answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, ask("nonsense"))
}

// A selector that would show each client a part of a service is refused, and the service is as it was.
func TestSelectors(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	for _, path := range []string{"/v1/ns/service", "/v2/ns/service", "/v3/admin/ns/service"} {
		at := func(selector string) url.Values {
			return params("serviceName", "order", "protectThreshold", "0.5", "selector", selector)
		}
		refused := func(method string) {
			t.Helper()
			f.steps(t,
				step{method, path, at(`{"type":"label","expression":"CONSUMER.label.zone = PROVIDER.label.zone"}`), 501, "services have no selectors"},
				step{method, path, at(`{"type":"other"}`), 400, "not match any type of selector"},
				step{method, path, at(`{"type":`), 400, "selector"},
			)
		}
		refused("POST")
		f.steps(t,
			step{"GET", path, at(""), 404, "not found"},
			step{"POST", path, at(`{"type":"none"}`), 200, "ok"},
		)
		refused("PUT")
		f.steps(t,
			step{"PUT", path, at(`{"type":"none"}`), 200, "ok"},
			step{"GET", path, at(""), 200, `"selector":{"type":"none"}`},
			step{"DELETE", path, at(""), 200, "ok"},
		)
	}
}
