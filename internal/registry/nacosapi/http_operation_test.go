package nacosapi

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// step is a call and what it is answered with.
type step struct {
	method, path string
	params       url.Values
	status       int
	body         string
}

func (f *fixture) steps(t *testing.T, steps ...step) {
	t.Helper()
	for _, s := range steps {
		status, body := f.curl(t, s.method, s.path, s.params)
		if status != s.status || !strings.Contains(body, s.body) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", s.method, s.path, s.params.Encode(), status, body, s.status, s.body)
		}
	}
}

// Who is connected, who registered and who is told, by all versions of the API.
func TestClientsAndSubscribers(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc).setup()
	id := answerOf[nacoswire.ServerCheckResponse](c, nacoswire.TypeServerCheckAnswer, c.request(nacoswire.TypeServerCheck, nacoswire.Request{})).ConnectionID
	c.register("order", "10.0.0.1")
	c.subscribe("")
	f.curl(t, "POST", "/v1/ns/instance", params("serviceName", "order", "ip", "10.0.0.2", "port", "80"))
	f.curl(t, "POST", "/v1/ns/instance", params("serviceName", "database", "ip", "10.0.0.3", "port", "80", "ephemeral", "false"))
	push, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer push.Close()
	_, port, _ := net.SplitHostPort(push.LocalAddr().String())
	f.curl(t, "GET", "/v1/ns/instance/list", params("serviceName", "order", "udpPort", port, "clusters", "DEFAULT"))

	order, at := params("serviceName", "order"), func(id string) url.Values { return params("clientId", id) }
	byUDP := fmt.Sprintf(`{"addrStr":"127.0.0.1","agent":"","app":"","ip":"127.0.0.1","port":%s,"namespaceId":"public","serviceName":"DEFAULT_GROUP@@order","cluster":"DEFAULT"}`, port)
	f.steps(t,
		step{"GET", "/v1/ns/service/subscribers", order, 200, byUDP},
		step{"GET", "/v1/ns/service/subscribers", order, 200, `"agent":"test"`},
		step{"GET", "/v1/ns/service/subscribers", params("serviceName", "order", "pageSize", "1"), 200, `"count":2`},
		step{"GET", "/v1/ns/service/subscribers", params("serviceName", "none"), 200, `{"subscribers":[],"count":0}`},
		step{"GET", "/v3/admin/ns/service/subscribers", order, 200, `"totalCount":2,"pageNumber":1,"pagesAvailable":1,"pageItems":[{"namespaceId":"public","groupName":"DEFAULT_GROUP","serviceName":"order","ip":"127.0.0.1"`},
		step{"GET", "/v3/admin/ns/client/list", nil, 200, `["10.0.0.2:80#true","10.0.0.3:80#false","` + id + `"]`},
		step{"GET", "/v2/ns/client/list", nil, 200, id},
		step{"GET", "/v3/admin/ns/client", at(id), 200, `"clientType":"connection","connectType":"GRPC","version":"test","clientIp":"127.0.0.1"`},
		step{"GET", "/v3/admin/ns/client", at("10.0.0.2:80#true"), 200, `"ephemeral":true`},
		step{"GET", "/v2/ns/client", at("10.0.0.3:80#false"), 200, `"clientType":"ipPort"`},
		step{"GET", "/v3/admin/ns/client", at("nobody"), 404, "clientId [ nobody ] not exist"},
		step{"GET", "/v3/admin/ns/client", nil, 400, "Param 'clientId' is required"},
		step{"GET", "/v3/admin/ns/client/publish/list", at(id), 200, `[{"namespaceId":"public","groupName":"DEFAULT_GROUP","serviceName":"order","publisherInfo":{"clientId":"` + id + `","ip":"10.0.0.1","port":80,"clusterName":"DEFAULT"}}]`},
		step{"GET", "/v2/ns/client/publish/list", at("10.0.0.2:80#true"), 200, `[{"namespace":"public","group":"DEFAULT_GROUP","serviceName":"order","registeredInstance":{"ip":"10.0.0.2","port":80,"cluster":"DEFAULT"}}]`},
		step{"GET", "/v3/admin/ns/client/subscribe/list", at(id), 200, `"serviceName":"order","subscriberInfo":{"clientId":"` + id + `","appName":"","agent":"test","address":"127.0.0.1:`},
		step{"GET", "/v2/ns/client/subscribe/list", at(id), 200, `"serviceName":"order","subscriberInfo":{"app":"","agent":"test","addr":"127.0.0.1:`},
		step{"GET", "/v2/ns/client/subscribe/list", at("10.0.0.2:80#true"), 200, `"data":[]`},
		step{"GET", "/v3/admin/ns/client/service/publisher/list", order, 200, `[{"clientId":"` + id + `","ip":"10.0.0.1","port":80,"clusterName":"DEFAULT"},{"clientId":"10.0.0.2:80#true"`},
		step{"GET", "/v2/ns/client/service/publisher/list", params("serviceName", "order", "ip", "10.0.0.2", "port", "80"), 200, `"data":[{"ip":"10.0.0.2","port":80,"cluster":"DEFAULT","clientId":"10.0.0.2:80#true"}]`},
		step{"GET", "/v3/admin/ns/client/service/subscriber/list", order, 200, `{"clientId":"` + id + `","appName":"","agent":"test","address":"127.0.0.1:`},
		step{"GET", "/v2/ns/client/service/subscriber/list", params("serviceName", "order", "port", port), 200, `"addr":"127.0.0.1:` + port + `"}]`},
	)
}

func TestCatalog(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	must(t, f.registry().CreateService(registry.Key{Namespace: "public", Group: "other", Service: "empty"}, registry.Settings{ProtectThreshold: 0.5}))
	f.curl(t, "PUT", "/v1/ns/instance", params("serviceName", "order", "ip", "10.0.0.1", "port", "80", "enabled", "false"))
	f.steps(t,
		step{"GET", "/v1/ns/catalog/services", nil, 200, `{"count":2,"serviceList":[{"name":"order","groupName":"DEFAULT_GROUP","clusterCount":1,"ipCount":1,"healthyInstanceCount":1,"triggerFlag":"false"},{"name":"empty","groupName":"other"`},
		step{"GET", "/v1/ns/catalog/services", params("serviceNameParam", "rde"), 200, `{"count":1,`},
		step{"GET", "/v1/ns/catalog/services", params("groupNameParam", "othe"), 200, `{"count":1,`},
		step{"GET", "/v1/ns/catalog/services", params("hasIpCount", "true"), 200, `{"count":1,`},
		step{"GET", "/v1/ns/catalog/services", params("pageNo", "2", "pageSize", "1"), 200, `{"count":2,"serviceList":[{"name":"empty"`},
		step{"GET", "/v1/ns/catalog/services", params("withInstances", "true"), 200, `[{"serviceName":"order","groupName":"DEFAULT_GROUP","clusterMap":{"DEFAULT":{"hosts":[{"instanceId":"10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@order"`},
		step{"GET", "/v3/admin/ns/service/list", params("withInstances", "true", "ignoreEmptyService", "true"), 200, `"totalCount":1,"pageNumber":1,"pagesAvailable":1,"pageItems":[{"serviceName":"order"`},
		step{"GET", "/v1/ns/catalog/service", params("serviceName", "other@@empty"), 200, `{"service":{"name":"empty","groupName":"other","protectThreshold":0.5,"selector":{"type":"none"},"metadata":{}},"clusters":[]}`},
		step{"GET", "/v1/ns/catalog/service", params("serviceName", "order"), 200, `"clusters":[{"name":"DEFAULT","healthChecker":{"type":"TCP"},"metadata":{},"serviceName":"DEFAULT_GROUP@@order","defaultPort":80,"defaultCheckPort":80,"useIPPort4Check":true}]`},
		step{"GET", "/v1/ns/catalog/service", params("serviceName", "none"), 404, "not found"},
		step{"GET", "/v1/ns/catalog/instances", params("serviceName", "order", "clusterName", "DEFAULT", "pageNo", "1", "pageSize", "10"), 200, `"enabled":false`},
		step{"GET", "/v2/ns/catalog/instances", params("serviceName", "order"), 200, `"count":1}}`},
		step{"GET", "/v1/ns/catalog/instances", params("serviceName", "order", "clusterName", "none"), 404, "cluster none is not found!"},
		step{"GET", "/v1/ns/catalog/instances", params("serviceName", "none"), 404, "not found"},
	)
}

func TestOperation(t *testing.T) {
	store, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	f := serve(t, Config{Configs: store}, registry.Options{})
	http := strings.TrimSuffix(strings.TrimPrefix(f.base, "http://"), contextPath)
	database := func(more ...string) url.Values {
		return params(append(more, "serviceName", "database", "ip", "10.0.0.3", "port", "80")...)
	}
	f.steps(t,
		step{"GET", "/v1/ns/ops/metrics", nil, 200, `"status":"UP"`},
		step{"GET", "/v1/ns/operator/switches", nil, 200, `"clientBeatInterval":5000,"defaultCacheMillis":10000`},
		step{"GET", "/v3/admin/ns/ops/switches", nil, 200, `"data":{"name":`},
		step{"GET", "/v1/ns/health/server", nil, 200, `{"msg":"Hello! I am Nacos-Naming and healthy!`},
		step{"GET", "/v3/admin/ns/health/checkers", nil, 200, `"HTTP":{"type":"HTTP"}`},
		step{"GET", "/v1/ns/service/selector/types", nil, 200, `{"code":200,"message":"success","data":["none"]}`},
		step{"GET", "/v3/admin/core/cluster/node/self", nil, 200, `"address":"` + http + `"`},
		step{"GET", "/v2/core/cluster/node/list", params("state", "up"), 200, `"data":[{"ip":"127.0.0.1"`},
		step{"GET", "/v2/core/cluster/node/list", params("state", "down"), 200, `"data":[]`},
		step{"GET", "/v1/core/cluster/simple/nodes", nil, 200, `"data":["` + http + `"]`},
		step{"GET", "/v3/admin/core/state", nil, 200, `"data":{"version":`},

		// How a persistent instance is, where nobody asks it.
		step{"POST", "/v1/ns/instance", database("ephemeral", "false"), 200, "ok"},
		step{"PUT", "/v1/ns/health/instance", database("healthy", "false"), 400, "health check is still working"},
		step{"PUT", "/v1/ns/cluster", params("serviceName", "database", "clusterName", "DEFAULT", "healthChecker", `{"type":"NONE"}`), 200, "ok"},
		step{"PUT", "/v1/ns/health", database("healthy", "false"), 200, "ok"},
		step{"GET", "/v1/ns/instance", database(), 200, `"healthy":false`},
		step{"PUT", "/v3/admin/ns/health/instance", database("healthy", "true"), 200, `"data":"ok"`},
		step{"GET", "/v1/ns/instance", database(), 200, `"healthy":true`},
		step{"PUT", "/v3/admin/ns/health/instance", database("healthy", "well"), 400, "Param 'healthy' is required"},
		step{"PUT", "/v3/admin/ns/health/instance", params("serviceName", "database", "ip", "10.0.0.9", "port", "80", "healthy", "true"), 404, "no persistent instance"},
		step{"PUT", "/v3/admin/ns/health/instance", params("serviceName", "database", "ip", "x", "port", "80", "healthy", "true"), 400, "want an IP address"},

		step{"POST", "/v3/admin/core/namespace", params("namespaceId", "dev", "namespaceName", "Development"), 200, `"data":true`},
		step{"POST", "/v2/console/namespace", params("namespaceId", "dev", "namespaceName", "again"), 409, `"code":20005`},
		step{"GET", "/v3/admin/core/namespace", params("namespaceId", "dev"), 200, `"namespace":"dev","namespaceShowName":"Development"`},
		step{"PUT", "/v3/admin/core/namespace", params("namespaceId", "dev", "namespaceName", "Dev"), 200, `"data":true`},
		step{"GET", "/v2/console/namespace/list", nil, 200, `"namespaceShowName":"Dev"`},
		step{"GET", "/v3/admin/core/namespace/check", params("namespaceId", "dev"), 200, `"data":1`},
		step{"DELETE", "/v2/console/namespace", params("namespaceId", "dev"), 200, `"data":true`},
		step{"GET", "/v3/admin/core/namespace/check", params("namespaceId", "dev"), 200, `"data":0`},
		step{"GET", "/v3/admin/core/namespace", params("namespaceId", "dev"), 404, "namespaceId [ dev ] not exist"},
		step{"POST", "/v3/admin/core/namespace", params("namespaceName", "unnamed"), 200, `"data":true`},
		step{"GET", "/v3/admin/core/namespace/list", nil, 200, `"namespaceShowName":"unnamed"`},

		step{"POST", "/v3/admin/cs/config", params("dataId", "a.yaml", "groupName", "g", "content", "1"), 200, `"data":true`},
		step{"POST", "/v3/admin/cs/config", params("dataId", "b.yaml", "groupName", "g", "content", "1"), 200, `"data":true`},
		step{"GET", "/v3/admin/cs/history/configs", nil, 200, `"groupName":"g","dataId":"b.yaml"`},
		step{"GET", "/v1/cs/history/configs", nil, 200, `"dataId":"a.yaml","group":"g"`},
		step{"GET", "/v2/cs/config/searchDetail", params("search", "blur", "dataId", "a*", "group", ""), 200, `"totalCount":1`},
	)
	v1 := "/v1/console/namespaces"
	f.steps(t,
		step{"POST", v1, params("customNamespaceId", "ops", "namespaceName", "Operations"), 200, "true"},
		step{"POST", v1, params("customNamespaceId", "ops", "namespaceName", "again"), 200, "false"},
		step{"POST", v1, params("customNamespaceId", "a/b", "namespaceName", "bad"), 200, "false"},
		step{"POST", v1, params("customNamespaceId", "bad", "namespaceName", "a*b"), 200, "false"},
		step{"POST", v1, params("customNamespaceId", ""), 400, "Param 'namespaceName' is required"},
		step{"POST", v1, params("customNamespaceId", "", "namespaceName", "of no ID"), 200, "true"},
		step{"GET", v1, params("show", "all", "namespaceId", "ops"), 200, `{"namespace":"ops","namespaceShowName":"Operations"`},
		step{"GET", v1, params("show", "all", "namespaceId", "none"), 404, "not exist"},
		step{"GET", v1, params("checkNamespaceIdExist", "true", "customNamespaceId", "ops"), 200, "true"},
		step{"GET", v1, params("checkNamespaceIdExist", "true", "customNamespaceId", "none"), 200, "false"},
		step{"GET", v1, params("checkNamespaceIdExist", "true", "customNamespaceId", ""), 200, "false"},
	)
	_, body := f.curl(t, "GET", v1, nil)
	if !regexp.MustCompile(`"namespace":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","namespaceShowName":"of no ID"`).MatchString(body) {
		t.Error(body)
	}
	_, body = f.curl(t, "GET", "/v3/admin/cs/config", params("dataId", "a.yaml", "groupName", "g"))
	number := regexp.MustCompile(`"id":"(\d+)"`).FindStringSubmatch(body)
	if number == nil {
		t.Fatal(body)
	}
	c := dial(t, f.grpc).setup()
	c.request(nacoswire.TypeConfigListen, nacoswire.ConfigListenRequest{Listen: true, Contexts: []nacoswire.ConfigSeen{{ConfigRef: nacoswire.ConfigRef{DataID: "a.yaml", Group: "g"}, MD5: "abc"}}})
	f.steps(t,
		step{"GET", "/v3/admin/cs/config/listener", params("dataId", "a.yaml", "groupName", "g"), 200, `{"queryType":"config","listenersStatus":{"127.0.0.1":"abc"}}`},
		step{"GET", "/v3/admin/cs/listener", params("ip", "127.0.0.1"), 200, `{"queryType":"ip","listenersStatus":{"a.yaml+g+public":"abc"}}`},
		step{"GET", "/v3/admin/cs/listener", params("ip", "127.0.0.1", "namespaceId", "dev"), 200, `"listenersStatus":{}`},
		step{"GET", "/v1/cs/configs/listener", params("dataId", "a.yaml", "group", "g"), 200, `{"collectStatus":200,"lisentersGroupkeyStatus":{"127.0.0.1":"abc"}}`},
		step{"GET", "/v1/cs/listener", params("ip", "127.0.0.9"), 200, `"lisentersGroupkeyStatus":{}`},
		step{"DELETE", "/v3/admin/cs/config/batch", params("ids", "99999"), 200, `"data":true`},
		step{"DELETE", "/v1/cs/configs", params("delType", "ids", "ids", number[1]+",99999"), 200, `{"code":200,"message":"","data":true}`},
		step{"GET", "/v3/admin/cs/config", params("dataId", "a.yaml", "groupName", "g"), 404, `"code":20004`},
		step{"GET", "/v3/admin/cs/config", params("dataId", "b.yaml", "groupName", "g"), 200, `"dataId":"b.yaml"`},
	)
}

// What the maintainer client of Nacos 3 reads: the names that it knows things by.
func TestMaintainerNames(t *testing.T) {
	f, store := configs(t)
	dial(t, f.grpc).setup()
	for _, content := range []string{"1", "2"} {
		if status, body := f.curl(t, "POST", "/v3/admin/cs/config", params("dataId", "a.yaml", "groupName", "g", "content", content, "srcUser", "ann")); status != 200 {
			t.Fatal(status, body)
		}
	}
	item, _, err := store.Get(t.Context(), config.ID{Namespace: "public", Group: "g", Name: "a.yaml"})
	must(t, err)
	named := []string{"dataId", "a.yaml", "groupName", "g"}
	f.steps(t,
		step{"POST", "/v3/admin/ns/service", params("serviceName", "order", "protectThreshold", "0.5"), 200, `"data":"ok"`},
		step{"PUT", "/v3/admin/ns/cluster", params("serviceName", "order", "clusterName", "EAST", "checkPort", "80", "healthChecker", `{"type":"NONE"}`), 200, `"data":"ok"`},
		step{"POST", "/v3/admin/ns/instance", params("serviceName", "order", "ip", "10.0.0.1", "port", "80", "clusterName", "EAST", "ephemeral", "false"), 200, `"data":"ok"`},
		step{"GET", "/v3/admin/ns/service", params("serviceName", "order"), 200, `"namespaceId":"public"`},
		step{"GET", "/v3/admin/ns/service", params("serviceName", "order"), 200, `"clusterName":"EAST","healthyCheckPort":80,"useInstancePortForCheck":true`},
		step{"PUT", "/v3/admin/ns/cluster", params("serviceName", "order", "clusterName", "EAST", "checkPort", "8081", "useInstancePort4Check", "false", "metadata", `{"zone":"east"}`,
			"healthChecker", `{"type":"HTTP","path":"/health","headers":"A:b|Host:order.test","expectedResponseCode":204}`), 200, `"data":"ok"`},
		step{"GET", "/v3/admin/ns/service", params("serviceName", "order"), 200,
			`"healthChecker":{"type":"HTTP","path":"/health","headers":"A:b|Host:order.test","expectedResponseCode":204},"metadata":{"zone":"east"},"clusterName":"EAST","healthyCheckPort":8081,"useInstancePortForCheck":false`},
		step{"GET", "/v1/ns/service", params("serviceName", "order"), 200,
			`"clusters":[{"name":"EAST","healthChecker":{"type":"HTTP","path":"/health","headers":"A:b|Host:order.test","expectedResponseCode":204},"metadata":{"zone":"east"}}]`},
		step{"GET", "/v1/ns/catalog/service", params("serviceName", "order"), 200, `"metadata":{"zone":"east"},"serviceName":"DEFAULT_GROUP@@order","defaultPort":80,"defaultCheckPort":8081,"useIPPort4Check":false`},
		step{"PUT", "/v1/ns/cluster", params("serviceName", "order", "clusterName", "EAST", "checkPort", "8082", "useInstancePort4Check", "true", "healthChecker", `{"type":"TCP"}`), 200, "ok"},
		step{"GET", "/v1/ns/catalog/service", params("serviceName", "order"), 200, `"healthChecker":{"type":"TCP"},"metadata":{},"serviceName":"DEFAULT_GROUP@@order","defaultPort":80,"defaultCheckPort":8082,"useIPPort4Check":true`},
		step{"PUT", "/v1/ns/cluster", params("serviceName", "order", "clusterName", "EAST", "useInstancePort4Check", "false", "healthChecker", `{"type":"TCP"}`), 400, "checkPort"},
		step{"GET", "/v3/admin/core/loader/current", nil, 200, `"metaInfo":{"connectionId":"`},
		step{"GET", "/v3/admin/cs/config", params(named...), 200, `"createUser":"ann"`},
		step{"GET", "/v3/admin/cs/history/list", params(named...), 200, `"namespaceId":"public","groupName":"g","dataId":"a.yaml"`},
		step{"GET", "/v3/admin/cs/history", params(append(named, "nid", "1")...), 200, `"srcUser":"ann","opType":"I","publishType":"formal"`},
		step{"GET", "/v3/admin/cs/history/previous", params(append(named, "id", strconv.FormatInt(item.Revision, 10))...), 200, `"content":"1"`},
		step{"GET", "/v3/admin/cs/history/previous", params(append(named, "id", "99999")...), 404, `"code":20004`},
	)
}
