package nacosapi

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// Nothing of Nacos' API is forgotten: every call that its servers have is answered, or refused with a reason, or known to be elsewhere.
func TestEveryCallOfHTTP(t *testing.T) {
	const file = "testdata/surface.txt"
	store, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	f := serve(t, Config{Configs: store}, registry.Options{})
	b, err := os.ReadFile(file)
	must(t, err)
	var out bytes.Buffer
	listed := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		line := lines.Text()
		words := strings.Fields(line)
		if len(words) < 2 || words[0] == "#" {
			out.WriteString(line + "\n")
			continue
		}
		path, method := words[0], words[1]
		listed[method+" "+path] = true
		verdict := f.verdict(t, strings.Replace(method, "ANY", "GET", 1), strings.NewReplacer("{", "", "}", "").Replace(path))
		if method == "ANY" && verdict != f.verdict(t, "POST", strings.NewReplacer("{", "", "}", "").Replace(path)) {
			t.Errorf("%s goes otherwise by POST than by GET", path)
		}
		out.WriteString(path + " " + method + " " + verdict + "\n")
		if len(words) != 3 || words[2] != verdict {
			t.Errorf("%s %s is %s, %s says %v", method, path, verdict, file, words[2:])
		}
	}
	if *update {
		must(t, os.WriteFile(file, out.Bytes(), 0o600))
	}
	for _, e := range endpoints() {
		call := cmp.Or(e.method, "ANY") + " " + e.path
		if !listed[call] {
			t.Errorf("%s is none of Nacos'", call)
		}
		for _, v := range e.variants {
			if call := call + "?" + v.name + "=" + v.value; !listed[call] {
				t.Errorf("%s is not in %s", call, file)
			}
		}
	}
}

// verdict makes a call without parameters but those that tell it from others, and tells what becomes of it.
func (f *fixture) verdict(t *testing.T, method, path string) string {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	only, err := url.ParseQuery(query)
	must(t, err)
	status, body := f.curl(t, method, path, only)
	reason := strings.Contains(body, errUnserved.Error())
	switch {
	case status == http.StatusNotImplemented && reason:
		return "refused"
	case status == http.StatusNotImplemented && body == "no such api:"+method+":/nacos"+path:
		return "forgotten"
	case status == http.StatusNotFound && strings.Contains(body, `"error":"Not Found"`):
		return "absent"
	case status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented || reason:
		t.Errorf("%s %s: %d %s", method, path, status, body)
	}
	return "answered"
}

// What no server of Nacos has is answered as these do it.
func TestNoSuchCall(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/v1/ns/coffee", 501, "no such api:GET:/nacos/v1/ns/coffee"},
		{"PATCH", "/v2/ns/service/list", 501, "no such api:PATCH:/nacos/v2/ns/service/list"},
		{"GET", "/v3/admin/ns/coffee", 404, `"status":404,"error":"Not Found","path":"/nacos/v3/admin/ns/coffee"}`},
		{"POST", "/v3/client/ns/instance/list", 405, `"status":405,"error":"Method Not Allowed"`},
		{"PUT", "/v3/admin/ns/ops/switches", 501, `{"code":40001,"message":"nacosapi: switches are fixed: this registry does not do that","data":null}`},
		{"PUT", "/v1/ns/operator/switches", 501, "caused: nacosapi: switches are fixed"},
	} {
		status, body := f.curl(t, c.method, c.path, nil)
		if status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s %s: %d %s, want %d with %s", c.method, c.path, status, body, c.status, c.body)
		}
	}
}

// Every type of request that Java's client 3.1.1 and servers of 3.1.0 know is answered, or refused as an unknown one is.
func TestEveryRequestOfGRPC(t *testing.T) {
	store, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	f := serve(t, Config{Configs: store}, registry.Options{})
	answered := []string{
		"ServerCheckRequest", "HealthCheckRequest", "InstanceRequest", "PersistentInstanceRequest", "BatchInstanceRequest", "ServiceQueryRequest",
		"ServiceListRequest", "SubscribeServiceRequest", "NamingFuzzyWatchRequest", "ConfigPublishRequest", "ConfigQueryRequest",
		"ConfigRemoveRequest", "ConfigBatchListenRequest", "ConfigFuzzyWatchRequest",
	}
	others := []string{
		// Between servers, and of operators.
		"ConfigChangeClusterSyncRequest", "DistroDataRequest", "ServerLoaderInfoRequest", "ServerReloadRequest", "MemberReportRequest",
		// What the table of abilities says no to.
		"LockOperationRequest", "QueryMcpServerRequest", "ReleaseMcpServerRequest", "McpServerEndpointRequest", "QueryAgentCardRequest",
		"ReleaseAgentCardRequest", "AgentEndpointRequest", "BatchAgentEndpointRequest",
		// From server to client, and setup, which belongs to the stream.
		"ConnectionSetupRequest", "SetupAckRequest", "ClientDetectionRequest", "ConnectResetRequest", "NotifySubscriberRequest", "PushAckRequest",
		"NamingFuzzyWatchSyncRequest", "NamingFuzzyWatchChangeNotifyRequest", "ConfigChangeNotifyRequest", "ConfigFuzzyWatchSyncRequest",
		"ConfigFuzzyWatchChangeNotifyRequest", "ClientConfigMetricRequest",
		"NoSuchRequest", "",
	}
	without, c := dial(t, f.grpc), dial(t, f.grpc).setup()
	code := func(c *client, typ string) int {
		t.Helper()
		var a nacoswire.Response
		must(t, json.Unmarshal(c.call(&nacoswire.Payload{Type: typ}).Body, &a))
		return a.ErrorCode
	}
	for _, typ := range answered {
		if got := code(c, typ); got == nacoswire.ErrorNoHandler || got == nacoswire.ErrorUnregistered {
			t.Errorf("%s: %d", typ, got)
		}
		if got := code(without, typ); typ != "ServerCheckRequest" && got != nacoswire.ErrorUnregistered {
			t.Errorf("%s before the setup: %d", typ, got)
		}
	}
	for _, typ := range others {
		for _, who := range []*client{c, without} {
			if got := code(who, typ); got != nacoswire.ErrorNoHandler {
				t.Errorf("%s: %d", typ, got)
			}
		}
	}
}
