package nacosapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

func params(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

func TestV1Instances(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	in := params("serviceName", "order", "ip", "10.0.0.1", "port", "8080", "metadata", `{"version":"v2"}`)
	for _, step := range []struct {
		method, path string
		params       url.Values
		status       int
		body         string
	}{
		{"POST", "/v1/ns/instance", in, 200, "ok"},
		{"GET", "/v1/ns/instance", in, 200, `{"service":"DEFAULT_GROUP@@order","ip":"10.0.0.1","port":8080,"clusterName":"DEFAULT",` +
			`"weight":1,"healthy":true,"instanceId":"10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@order","metadata":{"version":"v2"}}`},
		{"PUT", "/v1/ns/instance/beat", params("serviceName", "DEFAULT_GROUP@@order", "ip", "10.0.0.1", "port", "8080"), 200,
			`{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}`},
		{"PUT", "/v1/ns/instance/beat", params("serviceName", "order", "ip", "10.0.0.2", "port", "8080"), 200,
			`{"clientBeatInterval":5000,"code":20404,"lightBeatEnabled":true}`},
		{"PUT", "/v1/ns/instance/beat", params("serviceName", "order", "beat",
			`{"ip":"10.0.0.2","port":8080,"cluster":"b","metadata":{"preserved.heart.beat.interval":"3000"}}`), 200,
			`{"clientBeatInterval":3000,"code":10200,"lightBeatEnabled":true}`},
		{"GET", "/v1/ns/service/list", params("pageNo", "1", "pageSize", "10"), 200, `{"count":1,"doms":["order"]}`},
		{"GET", "/v1/ns/service/list", params("pageNo", "2", "pageSize", "10"), 200, `{"count":1,"doms":[]}`},
		{"GET", "/v1/ns/service/list", params("pageNo", "1", "pageSize", "10", "groupName", "other"), 200, `{"count":0,"doms":[]}`},
		{"PUT", "/v1/ns/instance", params("serviceName", "order", "ip", "10.0.0.1", "port", "8080", "enabled", "false"), 200, "ok"},
		{"DELETE", "/v1/ns/instance", in, 200, "ok"},
		{"DELETE", "/v1/ns/instance", in, 200, "ok"},
		{"GET", "/v1/ns/instance", in, 404, "no instance 10.0.0.1:8080"},
		{"PUT", "/v1/ns/instance", in, 404, "no instance 10.0.0.1:8080"},
		{"POST", "/v1/ns/instance", params("ip", "10.0.0.1", "port", "80"), 400, "Param 'serviceName' is required."},
		{"POST", "/v1/ns/instance", params("serviceName", "a", "ip", "10.0.0.1", "port", "80000"), 400, "port"},
		{"POST", "/v1/ns/instance", params("serviceName", "a", "ip", "example.org", "port", "80"), 400, "IP address"},
		{"POST", "/v1/ns/instance", params("serviceName", "a", "ip", "127.0.0.1", "port", "80"), 400, "loopback"},
		{"POST", "/v1/ns/instance", params("serviceName", "order", "ip", "10.0.0.1", "port", "80", "ephemeral", "false"), 400, "register persistent instance"},
		{"POST", "/v1/ns/instance", params("serviceName", "a", "ip", "10.0.0.1", "port", "80", "metadata", strings.Repeat("x", 3000)), 400, "metadata"},
		{"PUT", "/v1/ns/instance/beat", params("serviceName", "a", "beat", "{"), 400, "beat"},
		{"GET", "/v1/ns/instance/list", params("serviceName", "a@@b@@c"), 400, "@@"},
		{"GET", "/v1/ns/service/list", nil, 400, "pageNo"},
		{"GET", "/v1/ns/operator/metrics", nil, 200, `{"status":"UP",`},
		{"GET", "/v1/console/server/state", nil, 200, `"standalone_mode":"standalone"`},
		{"GET", "/v1/console/namespaces", nil, 200, `"namespaceShowName":"public"`},
		{"POST", "/v1/auth/login", params("username", "nacos", "password", "nacos"), 200, `"accessToken":"AUTH_DISABLED"`},
		{"POST", "/v1/auth/users/login", params("username", "nacos", "password", "nacos"), 200, `"tokenTtl":18000`},
		{"GET", "/v1/cs/configs", nil, 404, ""},
	} {
		status, body := f.curl(t, step.method, step.path, step.params)
		if status != step.status || !strings.Contains(body, step.body) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", step.method, step.path, step.params.Encode(), status, body, step.status, step.body)
		}
	}
}

func TestV1List(t *testing.T) {
	f := serve(t, Config{}, registry.Options{Unhealthy: 200 * time.Millisecond, Delete: 700 * time.Millisecond})
	list := func(pairs ...string) *nacoswire.ServiceInfo {
		t.Helper()
		status, body := f.curl(t, "GET", "/v1/ns/instance/list", params(append(pairs, "serviceName", "order")...))
		var info nacoswire.ServiceInfo
		if err := json.Unmarshal([]byte(body), &info); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		return &info
	}
	if info := list(); info.Name != "DEFAULT_GROUP@@order" || info.Hosts == nil || len(info.Hosts) != 0 || info.LastRefTime == 0 || !info.Valid {
		t.Fatalf("%+v", info)
	}
	for i, extra := range []url.Values{params("clusterName", "b"), params("enabled", "false"), params("groupName", "other"), nil} {
		q := params("serviceName", "order", "ip", fmt.Sprint("10.0.0.", i+1), "port", "80")
		for k, v := range extra {
			q[k] = v
		}
		f.curl(t, "POST", "/v1/ns/instance", q)
	}
	if got := hosts(list()); got != "10.0.0.1 10.0.0.4" {
		t.Errorf("all: %s", got)
	}
	if got := hosts(list("clusters", "x,b")); got != "10.0.0.1" {
		t.Errorf("cluster b: %s", got)
	}
	if got := hosts(list("groupName", "other")); got != "10.0.0.3" {
		t.Errorf("other group: %s", got)
	}
	if got := hosts(list("namespaceId", "dev")); got != "" {
		t.Errorf("other namespace: %s", got)
	}
	// Without heartbeats: unhealthy and listed, then gone.
	eventually(t, "unhealthy", func() bool { i := list(); return len(i.Hosts) == 2 && !i.Hosts[0].Healthy && !i.Hosts[1].Healthy })
	if got := hosts(list("healthyOnly", "true")); got != "" {
		t.Errorf("healthy only: %s", got)
	}
	eventually(t, "gone", func() bool { return len(list().Hosts) == 0 })
}

func TestV1Forms(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	form := params("serviceName", "order", "ip", "10.0.0.1", "port", "80").Encode()
	for _, method := range []string{"POST", "DELETE"} {
		q, err := http.NewRequest(method, f.base+"/v1/ns/instance", strings.NewReader(form))
		must(t, err)
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
		if status, body := do(t, q); status != 200 || body != "ok" {
			t.Fatalf("%s: %d %s", method, status, body)
		}
		want := map[string]string{"POST": "10.0.0.1", "DELETE": ""}[method]
		if got := instances(f.registry().View(order)); got != want {
			t.Fatalf("after %s: %q", method, got)
		}
	}
}

func TestHTTPRefuses(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	// A page of another site in a browser on this machine.
	q, err := http.NewRequest("POST", f.base+"/v1/ns/instance?"+params("serviceName", "order", "ip", "10.0.0.1", "port", "80").Encode(), nil)
	must(t, err)
	q.Header.Set("Origin", "http://evil.example")
	q.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _ := do(t, q); status != 403 || len(f.registry().Keys()) != 0 {
		t.Errorf("a foreign page registered: %d", status)
	}
	q, err = http.NewRequest("POST", f.base+"/v1/ns/instance", strings.NewReader("metadata="+strings.Repeat("x", maxForm)))
	must(t, err)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, _ := do(t, q); status != 413 {
		t.Errorf("a large form: %d", status)
	}
	q, err = http.NewRequest("GET", f.base+"/v1/ns/instance/list?serviceName=%zz", nil)
	if err == nil {
		if status, _ := do(t, q); status != 400 {
			t.Errorf("a broken query: %d", status)
		}
	}
	f.handle.Stop()
	if status, body := f.curl(t, "GET", "/v1/ns/operator/metrics", nil); status != 503 {
		t.Errorf("without a registry: %d %s", status, body)
	}
	// Garbage does no harm to others.
	for _, garbage := range []string{"\x00\xff\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(f.base, contextPath), "http://"))
		must(t, err)
		_, err = c.Write([]byte(garbage))
		must(t, err)
		c.Close()
	}
	must(t, f.handle.Start(registry.Options{}))
	if status, _ := f.curl(t, "GET", "/v1/ns/operator/metrics", nil); status != 200 {
		t.Errorf("after garbage: %d", status)
	}
}

func TestPage(t *testing.T) {
	names := []string{"a", "b", "c"}
	for _, c := range []struct {
		no, size int
		want     string
	}{
		{1, 2, "[a b]"}, {2, 2, "[c]"}, {3, 2, "[]"}, {1, 1 << 62, "[a b c]"}, {1 << 62, 1 << 62, "[]"}, {0, 1, "[]"}, {1, 0, "[]"}, {-1, -1, "[]"}, {2, 3, "[]"},
		{1<<63 - 1, 1, "[]"}, {2, 1 << 62, "[]"},
	} {
		if got := fmt.Sprint(page(names, c.no, c.size)); got != c.want {
			t.Errorf("page %d of %d: %s, want %s", c.no, c.size, got, c.want)
		}
	}
}

func TestV1PushByUDP(t *testing.T) {
	t.Parallel()
	f := serve(t, Config{}, registry.Options{})
	client, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer client.Close()
	_, port, _ := net.SplitHostPort(client.LocalAddr().String())
	// The address that the request names is not where pushes go.
	f.curl(t, "GET", "/v1/ns/instance/list", params("serviceName", "order", "udpPort", port, "clientIP", "10.9.9.9"))

	next := func(ack bool) (int, nacoswire.ServiceInfo) {
		t.Helper()
		must(t, client.SetReadDeadline(time.Now().Add(5*time.Second)))
		buf := make([]byte, 64<<10)
		n, from, err := client.ReadFromUDP(buf)
		must(t, err)
		size, b := n, buf[:n]
		if b[0] == 0x1f && b[1] == 0x8b {
			z, err := gzip.NewReader(bytes.NewReader(b))
			must(t, err)
			b, err = io.ReadAll(z)
			must(t, err)
		}
		var d nacoswire.Datagram
		must(t, json.Unmarshal(b, &d))
		var info nacoswire.ServiceInfo
		must(t, json.Unmarshal([]byte(d.Data), &info))
		if d.Type != "dom" || d.LastRefTime != info.LastRefTime || info.Name != "DEFAULT_GROUP@@order" {
			t.Fatalf("%+v", d)
		}
		if ack {
			_, err = client.WriteToUDP(fmt.Appendf(nil, `{"type":"push-ack","lastRefTime":"%d","data":""}`, d.LastRefTime), from)
			must(t, err)
		}
		return size, info
	}
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	if _, info := next(true); hosts(&info) != "10.0.0.1" {
		t.Fatalf("%+v", info)
	}
	// Without an acknowledgement it comes again; what changed meanwhile is in it.
	must(t, f.registry().Register(order, instance("10.0.0.2:80")))
	_, first := next(false)
	must(t, f.registry().Register(order, instance("10.0.0.3:80")))
	if _, again := next(true); hosts(&first) != "10.0.0.1 10.0.0.2" || hosts(&again) != "10.0.0.1 10.0.0.2 10.0.0.3" {
		t.Fatalf("%+v, then %+v", first, again)
	}
	for i := range 3 {
		_, err := f.registry().Deregister(order, netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:80", i+1)))
		must(t, err)
	}
	eventually(t, "the empty list is pushed", func() bool { _, info := next(true); return len(info.Hosts) == 0 })
	for i := range 50 {
		must(t, f.registry().Register(order, instance(fmt.Sprintf("10.0.1.%d:80", i))))
	}
	eventually(t, "a long list is pushed compressed", func() bool {
		size, info := next(true)
		return len(info.Hosts) == 50 && size < 4<<10
	})
}

// A client that acknowledges nothing is told three times. What changes after that, while the last one is on its way, comes all the same.
func TestV1PushToTheMute(t *testing.T) {
	t.Parallel()
	f := serve(t, Config{}, registry.Options{})
	client, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer client.Close()
	_, port, _ := net.SplitHostPort(client.LocalAddr().String())
	f.curl(t, "GET", "/v1/ns/instance/list", params("serviceName", "order", "udpPort", port))
	next := func() string {
		t.Helper()
		must(t, client.SetReadDeadline(time.Now().Add(5*time.Second)))
		buf := make([]byte, 4<<10)
		n, err := client.Read(buf)
		must(t, err)
		return string(buf[:n])
	}
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	for range udpTries {
		next()
	}
	must(t, f.registry().Register(order, instance("10.0.0.2:80")))
	if told := next(); !strings.Contains(told, "10.0.0.2") {
		t.Errorf("after the last try: %s", told)
	}
}

func TestV2AndV3Instances(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	in := func(more ...string) url.Values {
		return params(append(more, "serviceName", "order", "ip", "10.0.0.1", "port", "80")...)
	}
	ok := `{"code":0,"message":"success","data":"ok"}`
	for _, step := range []struct {
		method, path string
		params       url.Values
		status       int
		body         string
	}{
		{"POST", "/v2/ns/instance", in("metadata", `{"a":"1"}`), 200, ok},
		{"GET", "/v2/ns/instance", in(), 200, `"data":{"serviceName":"DEFAULT_GROUP@@order","ip":"10.0.0.1"`},
		{"GET", "/v2/ns/instance/list", in(), 200, `"data":{"name":"DEFAULT_GROUP@@order"`},
		{"PUT", "/v2/ns/instance", in("weight", "3"), 200, ok},
		{"PUT", "/v2/ns/instance/beat", in(), 200, `{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}`},
		{"PUT", "/v2/ns/instance/metadata/batch", in("metadata", `{"b":"2"}`), 200, `"data":{"updated":["10.0.0.1:80:unknown:DEFAULT:ephemeral"]}`},
		{"GET", "/v3/client/ns/instance/list", in(), 200, `"weight":3,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@order","metadata":{"a":"1","b":"2"},"instanceHeartBeatInterval":5000`},
		{"DELETE", "/v1/ns/instance/metadata/batch", in("metadata", `{"b":""}`, "instances", `[{"ip":"10.0.0.1","port":80}]`), 200, `{"updated":["10.0.0.1:80:unknown:DEFAULT:ephemeral"]}`},
		{"GET", "/v1/ns/instance", in(), 200, `"metadata":{"a":"1"}`},
		{"GET", "/v1/ns/instance/statuses", in(), 200, `{"ips":["10.0.0.1:80_true"]}`},
		{"GET", "/v2/ns/service/list", params(), 200, `"data":{"count":1,"services":["order"]}`},
		{"GET", "/v2/ns/service", in(), 200, `"clusterMap":{"DEFAULT":`},
		{"GET", "/v1/ns/service", in(), 200, `"namespaceId":"public","groupName":"DEFAULT_GROUP","name":"order"`},
		{"GET", "/v1/ns/service/names", params(), 200, `{"count":1,"services":{"public":["DEFAULT_GROUP@@order"]}}`},
		{"GET", "/v3/admin/ns/service/list", params(), 200, `"pageItems":[{"name":"order","groupName":"DEFAULT_GROUP","clusterCount":1,"ipCount":1,"healthyInstanceCount":1,"triggerFlag":"false"}]`},
		{"PUT", "/v3/admin/ns/instance", in("enabled", "false"), 200, ok},
		{"GET", "/v3/client/ns/instance/list", in(), 200, `"data":[]`},
		{"GET", "/v3/admin/ns/instance/list", in(), 200, `"data":[{"instanceId":"10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@order"`},
		{"POST", "/v3/client/ns/instance", in("heartBeat", "true"), 200, ok},
		{"DELETE", "/v3/client/ns/instance", in(), 200, ok},
		{"POST", "/v3/client/ns/instance", in("heartBeat", "true"), 404, `"code":21003`},
		{"POST", "/v3/client/ns/instance", in(), 200, ok},
		{"POST", "/v2/ns/instance", in("weight", "x"), 400, `"code":20002`},
		{"POST", "/v2/ns/instance", params("ip", "10.0.0.1", "port", "80"), 400, `"code":20002`},
		{"GET", "/v2/ns/service", params("serviceName", "none"), 404, `"code":20004`},
		{"GET", "/v2/cs/config", params("dataId", "a", "group", "g"), 404, `"code":20004`},
		{"GET", "/v1/auth/users", params(), 403, "authentication is switched off"},
	} {
		status, body := f.curl(t, step.method, step.path, step.params)
		if status != step.status || !strings.Contains(body, step.body) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", step.method, step.path, step.params.Encode(), status, body, step.status, step.body)
		}
	}
}
