package nacosapi

import (
	"encoding/json"
	"strings"
	"testing"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// guarded is a server whose users are an administrator, and ann, who may read in "dev" and write in "test".
func guarded(t *testing.T) *fixture {
	t.Helper()
	ctx, kv := t.Context(), storage.NewMemory()
	var password string
	a, err := auth.Open(ctx, kv, auth.Options{Cost: 4, First: func(_, p string) error { password = p; return nil }})
	must(t, err)
	t.Cleanup(a.Close)
	must(t, a.SetPassword(ctx, auth.FirstUser, "the administrator's"))
	if password == "" {
		t.Fatal("the first user has no password")
	}
	must(t, a.CreateUser(ctx, "ann", "ann's password"))
	must(t, a.GiveRole(ctx, "ann", "DEVELOPER"))
	must(t, a.Permit(ctx, auth.Permission{Role: "DEVELOPER", Namespace: "dev", Actions: "r"}))
	must(t, a.Permit(ctx, auth.Permission{Role: "DEVELOPER", Namespace: "test", Actions: "rw"}))
	s, err := config.Open(ctx, kv, config.Options{})
	must(t, err)
	t.Cleanup(s.Close)
	return serve(t, Config{Auth: a, Configs: s}, registry.Options{})
}

func (f *fixture) login(t *testing.T, user, password string) string {
	t.Helper()
	_, body := f.curl(t, "POST", "/v1/auth/users/login", params("username", user, "password", password))
	var l login
	must(t, json.Unmarshal([]byte(body), &l))
	if l.AccessToken == "" || l.TokenTTL != 18_000 {
		t.Fatalf("login of %s: %s", user, body)
	}
	return l.AccessToken
}

func TestAccessByHTTP(t *testing.T) {
	f := guarded(t)
	ann, root := f.login(t, "ann", "ann's password"), f.login(t, "nacos", "the administrator's")
	for _, c := range []struct {
		method, path string
		params       []string
		status       int
	}{
		{"POST", "/v1/auth/login", []string{"username", "ann", "password", "wrong"}, 403},
		{"POST", "/v3/auth/user/login", []string{"username", "ann", "password", "ann's password"}, 200},
		{"GET", "/v1/ns/operator/metrics", nil, 200},
		{"GET", "/v1/console/server/state", nil, 200},
		{"GET", "/v1/ns/instance/list", []string{"serviceName", "order"}, 403},
		{"GET", "/v1/ns/instance/list", []string{"serviceName", "order", "accessToken", "nonsense"}, 403},
		{"GET", "/v1/ns/instance/list", []string{"serviceName", "order", "accessToken", ann}, 403}, // not in the public namespace
		{"GET", "/v1/ns/instance/list", []string{"serviceName", "order", "accessToken", ann, "namespaceId", "dev"}, 200},
		{"POST", "/v1/ns/instance", []string{"serviceName", "order", "ip", "10.0.0.1", "port", "80", "accessToken", ann, "namespaceId", "dev"}, 403},
		{"POST", "/v1/ns/instance", []string{"serviceName", "order", "ip", "10.0.0.1", "port", "80", "accessToken", ann, "namespaceId", "test"}, 200},
		{"POST", "/v1/ns/instance", []string{"serviceName", "order", "ip", "10.0.0.1", "port", "80", "username", "ann", "password", "ann's password", "namespaceId", "test"}, 200},
		{"POST", "/v1/ns/instance", []string{"serviceName", "order", "ip", "10.0.0.1", "port", "80", "username", "ann", "password", "else", "namespaceId", "test"}, 403},
		// The namespace that is asked about is the one that counts, whatever else is named.
		{"GET", "/v1/cs/configs", []string{"dataId", "a", "group", "g", "tenant", "prod", "namespaceId", "dev", "accessToken", ann}, 403},
		{"GET", "/v2/cs/config", []string{"dataId", "a", "group", "g", "tenant", "dev", "namespaceId", "prod", "accessToken", ann}, 403},
		{"GET", "/v1/cs/configs", []string{"dataId", "a", "group", "g", "tenant", "dev", "accessToken", ann}, 404},
		{"POST", "/v1/cs/configs", []string{"dataId", "a", "group", "g", "tenant", "dev", "content", "1", "accessToken", ann}, 403},
		{"POST", "/v1/cs/configs/listener", []string{"Listening-Configs", "a\x02g\x02\x02prod\x01", "accessToken", ann}, 403},
		{"POST", "/v1/cs/configs/listener", []string{"Listening-Configs", "a\x02g\x02\x02dev\x01", "accessToken", ann}, 200},
		{"GET", "/v1/auth/users", []string{"accessToken", ann}, 403},
		{"GET", "/v1/auth/users", []string{"accessToken", root}, 200},
		{"POST", "/v1/auth/users", []string{"username", "bob", "password", "bob's password", "accessToken", ann}, 403},
		{"POST", "/v1/auth/users", []string{"username", "bob", "password", "bob's password", "accessToken", root}, 200},
		{"POST", "/v3/auth/role", []string{"username", "bob", "role", "OPS", "accessToken", root}, 200},
		{"POST", "/v3/auth/permission", []string{"role", "OPS", "resource", "prod:*:*", "action", "rw", "accessToken", root}, 200},
		{"PUT", "/v1/auth/users", []string{"username", "bob", "newPassword", "ann was here", "accessToken", ann}, 403},
		{"PUT", "/v1/auth/users", []string{"username", "ann", "newPassword", "ann's new password", "accessToken", ann}, 200},
		{"GET", "/v1/ns/instance/list", []string{"serviceName", "order", "accessToken", ann, "namespaceId", "dev"}, 403}, // the old token
		{"GET", "/v1/ns/instance/list", []string{"serviceName", "order", "username", "ann", "password", "ann's password", "namespaceId", "dev"}, 403},
	} {
		if status, body := f.curl(t, c.method, c.path, params(c.params...)); status != c.status {
			t.Errorf("%s %s %v: %d %s, want %d", c.method, c.path, c.params, status, body, c.status)
		}
	}
	bob := f.login(t, "bob", "bob's password")
	if status, body := f.curl(t, "POST", "/v1/cs/configs", params("dataId", "a", "group", "g", "tenant", "prod", "content", "1", "accessToken", bob)); status != 200 {
		t.Error(status, body)
	}
	// By number they are taken away in any namespace, where that is allowed.
	its := func(token string) (int, string) {
		return f.curl(t, "GET", "/v3/admin/cs/config", params("dataId", "a", "groupName", "g", "namespaceId", "prod", "accessToken", token))
	}
	_, body := its(bob)
	_, rest, _ := strings.Cut(body, `"id":"`)
	number, _, _ := strings.Cut(rest, `"`)
	ann = f.login(t, "ann", "ann's new password")
	if status, body := f.curl(t, "DELETE", "/v3/admin/cs/config/batch", params("ids", number, "accessToken", ann)); status != 403 {
		t.Error(status, body)
	}
	if status, body := its(bob); status != 200 {
		t.Error(status, body)
	}
	if status, body := f.curl(t, "DELETE", "/v3/admin/cs/config/batch", params("ids", number, "accessToken", bob)); status != 200 {
		t.Error(status, body)
	}
	if status, body := its(bob); status != 404 {
		t.Error(status, body)
	}
	if _, body := f.curl(t, "GET", "/v3/auth/permission/list", params("accessToken", root)); !strings.Contains(body, `{"role":"OPS","resource":"prod:*:*","action":"rw"}`) {
		t.Error(body)
	}
}

func TestAccessByGRPC(t *testing.T) {
	f := guarded(t)
	token := f.login(t, "ann", "ann's password")
	c := dial(t, f.grpc).setup()
	ask := func(typ string, m any, token string) nacoswire.Response {
		t.Helper()
		p, err := nacoswire.NewPayload(typ, m)
		must(t, err)
		p.Headers = map[string]string{"accessToken": token}
		r, err := nacoswire.Decode[nacoswire.Response](c.call(p))
		must(t, err)
		return r
	}
	in := func(namespace string) nacoswire.ServiceRef {
		return nacoswire.ServiceRef{Namespace: namespace, GroupName: "DEFAULT_GROUP", ServiceName: "order"}
	}
	register := func(namespace string) nacoswire.InstanceRequest {
		return nacoswire.InstanceRequest{ServiceRef: in(namespace), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance("10.0.0.1", 80)}
	}
	conf := func(tenant string) nacoswire.ConfigRef {
		return nacoswire.ConfigRef{DataID: "a", Group: "g", Tenant: tenant}
	}
	for i, step := range []struct {
		typ   string
		m     any
		token string
		code  int
	}{
		{nacoswire.TypeHealthCheck, nacoswire.Request{}, "", 0},
		{nacoswire.TypeInstance, register("test"), "", 403},
		{nacoswire.TypeInstance, register("test"), "nonsense", 403},
		{nacoswire.TypeInstance, register("dev"), token, 403},
		{nacoswire.TypeInstance, register("test"), token, 0},
		{nacoswire.TypeBatchInstance, nacoswire.BatchInstanceRequest{ServiceRef: in("dev"), Type: nacoswire.BatchRegisterInstance}, token, 403},
		{nacoswire.TypePersistent, register("dev"), token, 403},
		{nacoswire.TypeServiceQuery, nacoswire.ServiceQueryRequest{ServiceRef: in("dev")}, token, 0},
		{nacoswire.TypeServiceQuery, nacoswire.ServiceQueryRequest{ServiceRef: in("")}, token, 403},
		{nacoswire.TypeServiceList, nacoswire.ServiceListRequest{ServiceRef: in("prod"), PageNo: 1, PageSize: 1}, token, 403},
		{nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{ServiceRef: in("prod"), Subscribe: true}, token, 403},
		{nacoswire.TypeSubscribeService, nacoswire.SubscribeServiceRequest{ServiceRef: in("dev"), Subscribe: true}, token, 0},
		{nacoswire.TypeFuzzyWatch, nacoswire.FuzzyWatchRequest{Namespace: "dev", Pattern: "prod>>*>>*", WatchType: nacoswire.FuzzyWatch}, token, 403},
		{nacoswire.TypeConfigPublish, nacoswire.ConfigPublishRequest{ConfigRef: conf("dev"), Content: "1"}, token, 403},
		{nacoswire.TypeConfigPublish, nacoswire.ConfigPublishRequest{ConfigRef: conf("test"), Content: "1"}, token, 0},
		{nacoswire.TypeConfigQuery, nacoswire.ConfigQueryRequest{ConfigRef: conf("test")}, token, 0},
		{nacoswire.TypeConfigQuery, nacoswire.ConfigQueryRequest{ConfigRef: conf("")}, token, 403},
		{nacoswire.TypeConfigRemove, nacoswire.ConfigQueryRequest{ConfigRef: conf("dev")}, token, 403},
		{nacoswire.TypeConfigListen, nacoswire.ConfigListenRequest{Listen: true, Contexts: []nacoswire.ConfigSeen{{ConfigRef: conf("dev")}, {ConfigRef: conf("prod")}}}, token, 403},
		{nacoswire.TypeConfigListen, nacoswire.ConfigListenRequest{Listen: true, Contexts: []nacoswire.ConfigSeen{{ConfigRef: conf("dev")}}}, token, 0},
	} {
		if r := ask(step.typ, step.m, step.token); r.ErrorCode != step.code || r.Success != (step.code == 0) {
			t.Errorf("step %d: %s: %+v, want %d", i, step.typ, r, step.code)
		}
	}
}
