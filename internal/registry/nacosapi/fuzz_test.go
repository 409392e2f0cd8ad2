package nacosapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// quiet is a server without sockets.
func quiet(f *testing.F) (*Server, context.Context) {
	var h registry.Handle
	if err := h.Start(registry.Options{MaxServices: 100, MaxInstances: 100}); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(h.Stop)
	store, err := config.Open(f.Context(), storage.NewMemory(), config.Options{MaxItems: 100})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(store.Close)
	s := New(Config{Configs: store}, &h)
	r, _ := h.Current()
	owner, err := r.Connect()
	if err != nil {
		f.Fatal(err)
	}
	c := &connection{id: "1", client: "10.9.9.9:1"}
	x := newSession(c, r, owner, store)
	c.session.Store(x)
	f.Cleanup(x.end)
	return s, context.WithValue(f.Context(), connectionKey{}, c)
}

// Whatever a client sends, it is answered: with a message that it can read, and that says yes or no.
func FuzzRequest(f *testing.F) {
	s, ctx := quiet(f)
	for typ, m := range map[string]any{
		nacoswire.TypeServerCheck:      nacoswire.Request{},
		nacoswire.TypeHealthCheck:      nacoswire.Request{RequestID: "1"},
		nacoswire.TypeInstance:         nacoswire.InstanceRequest{ServiceRef: ref("order"), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance("10.0.0.1", 80)},
		nacoswire.TypePersistent:       nacoswire.InstanceRequest{ServiceRef: ref("database"), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance("10.0.0.1", 80)},
		nacoswire.TypeBatchInstance:    nacoswire.BatchInstanceRequest{ServiceRef: ref("order"), Type: nacoswire.BatchRegisterInstance, Instances: []nacoswire.Instance{nacoswire.NewInstance("10.0.0.1", 80)}},
		nacoswire.TypeServiceQuery:     nacoswire.ServiceQueryRequest{ServiceRef: ref("order"), Cluster: "a,b", HealthyOnly: true},
		nacoswire.TypeServiceList:      nacoswire.ServiceListRequest{ServiceRef: ref(""), PageNo: 1 << 40, PageSize: 1 << 40},
		nacoswire.TypeSubscribeService: nacoswire.SubscribeServiceRequest{ServiceRef: ref("order"), Subscribe: true},
		nacoswire.TypeFuzzyWatch:       nacoswire.FuzzyWatchRequest{Pattern: "public>>*>>*", WatchType: nacoswire.FuzzyWatch, Received: []string{"a@@b@@c", "x"}},
		nacoswire.TypeConfigFuzzyWatch: nacoswire.FuzzyWatchRequest{Pattern: "public>>*>>*", WatchType: nacoswire.FuzzyWatch, Received: []string{"a+b+c", "x"}},
		nacoswire.TypeConfigPublish:    nacoswire.ConfigPublishRequest{ConfigRef: nacoswire.ConfigRef{DataID: "a", Group: "g"}, Content: "1", Addition: map[string]string{"type": "yaml"}},
		nacoswire.TypeConfigQuery:      nacoswire.ConfigQueryRequest{ConfigRef: nacoswire.ConfigRef{DataID: "a", Group: "g"}},
		nacoswire.TypeConfigRemove:     nacoswire.ConfigQueryRequest{ConfigRef: nacoswire.ConfigRef{DataID: "a", Group: "g"}},
		nacoswire.TypeConfigListen:     nacoswire.ConfigListenRequest{Listen: true, Contexts: []nacoswire.ConfigSeen{{ConfigRef: nacoswire.ConfigRef{DataID: "a", Group: "g"}, MD5: "x"}}},
		"NoSuchRequest":                nil,
	} {
		b, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(typ, b)
	}
	f.Add(nacoswire.TypeInstance, []byte(`{"instance":{"metadata":{"a":{}}}}`))
	f.Add(nacoswire.TypeInstance, []byte(`{"namespace":7}`))
	f.Add(nacoswire.TypeConfigListen, []byte(`{"listen":true,"configListenContexts":[null,{}]}`))
	f.Fuzz(func(t *testing.T, typ string, body []byte) {
		p, err := s.request(ctx, &nacoswire.Payload{Type: typ, Body: body})
		if err != nil || p == nil {
			t.Fatalf("no answer: %v", err)
		}
		r, err := nacoswire.Decode[nacoswire.Response](p)
		if err != nil {
			t.Fatalf("the answer cannot be read: %v", err)
		}
		if (r.ResultCode == nacoswire.ResultOK) != r.Success || r.Success == (r.ErrorCode != 0) {
			t.Fatalf("the answer says neither yes nor no: %+v", r)
		}
	})
}

// Whatever a request of HTTP names, it is answered without a panic, and never as if the server were at fault.
func FuzzHTTP(f *testing.F) {
	s, _ := quiet(f)
	f.Add("POST", "/v1/ns/instance", "serviceName=a&ip=10.0.0.1&port=80&weight=NaN")
	f.Add("PUT", "/v1/ns/instance/beat", `serviceName=a&beat={"ip":"10.0.0.1","port":80}`)
	f.Add("PUT", "/v1/ns/instance/metadata/batch", `serviceName=a&metadata={"a":"b"}&instances=[{}]`)
	f.Add("GET", "/v1/ns/service/list", "pageNo=9223372036854775807&pageSize=9223372036854775807")
	f.Add("GET", "/v2/ns/service/list", "pageNo=-1&pageSize=0")
	f.Add("PUT", "/v1/ns/cluster", `serviceName=a&clusterName=b&healthChecker={"type":"HTTP","headers":"a:b|c"}&useInstancePort4Check=false&checkPort=0`)
	f.Add("POST", "/v1/cs/configs", "dataId=a&group=g&content=1&casMd5=x")
	f.Add("GET", "/v1/cs/configs", "search=blur&dataId=*&group=&pageNo=99999999999&pageSize=500")
	f.Add("GET", "/v3/admin/cs/history", "dataId=a&groupName=g&nid=%00")
	f.Add("POST", "/v1/cs/configs/listener", "Listening-Configs=a%02g%02%01b%02g%02x%02dev%01")
	f.Add("GET", "/v1/ns/coffee", "")
	f.Add("GET", "/v3/admin/ns/client/publish/list", "clientId=%00")
	f.Add("GET", "/v1/ns/catalog/services", "withInstances=true&pageNo=-1&pageSize=9223372036854775807")
	f.Add("DELETE", "/v3/admin/cs/config/batch", "ids=,1,-1,x")
	f.Add("PUT", "/v3/admin/ns/health/instance", "serviceName=a&ip=::1&port=1&healthy=1")
	f.Add("GET", "/v3/admin/cs/listener", "ip=[::1]:1&all=true")
	f.Add("POST", "/v1/console/namespaces", "customNamespaceId=a&namespaceName=b")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		req, err := http.NewRequest(method, "http://registry.test/", nil)
		if err != nil {
			t.Skip() // no client can send it
		}
		req.URL.Path, req.URL.RawQuery, req.RemoteAddr = contextPath+path, query, "10.9.9.9:1"
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, req)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented { // which is how Nacos says that there is no such call
			t.Fatalf("%s %s?%s: %d %s", method, path, query, w.Code, w.Body)
		}
	})
}
