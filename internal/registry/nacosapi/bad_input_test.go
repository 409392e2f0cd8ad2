package nacosapi

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// logbook keeps what a server logs.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines are those with a text in them.
func (l *logbook) lines(with string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, with) {
			out = append(out, line)
		}
	}
	return out
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// raw sends bytes as they are.
type raw struct{ out []byte }

func (r raw) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(r.out)}, nil
}
func (r raw) Unmarshal(d mem.BufferSlice, v any) error { return nacoswire.Codec{}.Unmarshal(d, v) }
func (raw) Name() string                               { return nacoswire.Codec{}.Name() }

var _ encoding.CodecV2 = raw{}

// What cannot be read is answered: in the words of Nacos where its own layer reads it, by gRPC where that does. A flood of it is a line a
// second in the log, with the number of those that were left out.
func TestMalformedPayloads(t *testing.T) {
	var log logbook
	f := serve(t, Config{Log: log.logger()}, registry.Options{})
	c := dial(t, f.grpc).setup()
	c.register("order", "10.0.0.1")
	began := time.Now()
	for range 50 {
		for _, body := range []string{"{", "[]", `"text"`, "\xff\xfe", `{"requestId":{}}`, `{"instance":[]}`, `{"instance":{"ip":7}}`, strings.Repeat("[", 5000)} {
			a := answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, c.call(&nacoswire.Payload{Type: nacoswire.TypeInstance, Body: []byte(body)}))
			if a.ErrorCode != nacoswire.ErrorUnparsable || a.ResultCode != nacoswire.ResultFail || a.Success || a.Message == "" {
				t.Fatalf("%.20q: %+v", body, a)
			}
		}
	}
	for _, garbage := range []string{"\xff\xff\xff\xff", "\x12\x7f", "\x12\x05\x1a\x03"} {
		err := c.conn.Invoke(c.ctx, nacoswire.FullRequestMethod, &nacoswire.Payload{}, new(nacoswire.Payload), grpc.ForceCodecV2(raw{[]byte(garbage)}))
		if status.Code(err) != codes.Internal {
			t.Errorf("%q: %v", garbage, err)
		}
	}
	// On the stream it is passed over, and the connection stays.
	for _, typ := range []string{nacoswire.TypeNotifyAnswer, nacoswire.TypeInstance, "", strings.Repeat("x", 10_000)} {
		must(t, c.SendMsg(&nacoswire.Payload{Type: typ, Body: []byte("{")}))
	}
	c.request(nacoswire.TypeHealthCheck, nacoswire.Request{})
	if got := instances(f.registry().View(order)); got != "10.0.0.1" {
		t.Errorf("after all that: %q", got)
	}
	if n, most := len(log.lines("WARN")), 2+int(time.Since(began)/time.Second); n < 1 || n > most {
		t.Errorf("%d lines in the log, want 1 to %d", n, most)
	}
	// HTTP: what is no form, and what stands in parameters.
	for _, c := range []struct{ method, path, query, body string }{
		{"PUT", "/v1/ns/instance/beat", "serviceName=order&beat=%7B", ""},
		{"PUT", "/v1/ns/instance/beat", "serviceName=order&beat=%7B%22port%22%3A%22x%22%7D", ""},
		{"POST", "/v1/ns/instance", "serviceName=order&ip=10.0.0.1&port=80&metadata=%7B%22a%22%3A%7B%7D%7D", ""},
		{"POST", "/v1/ns/instance", "serviceName=order&ip=10.0.0.1&port=eighty", ""},
		{"POST", "/v1/ns/instance", "serviceName=order&ip=10.0.0.1&port=80&weight=heavy", ""},
		{"POST", "/v1/ns/instance", "serviceName=order&ip=localhost&port=80", ""},
		{"PUT", "/v1/ns/instance/metadata/batch", "serviceName=order&metadata=1", ""},
		{"PUT", "/v1/ns/cluster", "serviceName=order&clusterName=a&healthChecker=x", ""},
		{"POST", "/v1/ns/instance", "", "serviceName=%zz"},
		{"POST", "/v1/ns/instance", "", "a;b"},
		{"POST", "/v1/cs/configs/listener", "Listening-Configs=x", ""},
	} {
		q, err := http.NewRequest(c.method, f.base+c.path+"?"+c.query, strings.NewReader(c.body))
		must(t, err)
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		want := 400
		if strings.Contains(c.path, "/cs/") { // there are none
			want = 404
		}
		if status, body := do(t, q); status != want || !strings.HasPrefix(body, "caused: ") {
			t.Errorf("%s %s?%s %s: %d %s", c.method, c.path, c.query, c.body, status, body)
		}
	}
}

// A body, a message, metadata, a name that is too large is refused, and costs no more than was read of it.
func TestOversized(t *testing.T) {
	var log logbook
	store, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	f := serve(t, Config{Log: log.logger(), Configs: store}, registry.Options{MaxInstances: 3})
	post := func(path string, form url.Values) (int, string) {
		q, err := http.NewRequest("POST", f.base+path, strings.NewReader(form.Encode()))
		must(t, err)
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return do(t, q)
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	meta := func(n int) string { return `{"a":"` + long(n) + `"}` }
	in := func(more ...string) url.Values {
		return params(append(more, "serviceName", "order", "ip", "10.0.0.1", "port", "80")...)
	}
	for _, c := range []struct {
		path   string
		form   url.Values
		status int
		says   string
	}{
		{"/v1/ns/instance", in("metadata", meta(17<<10)), 400, "metadata"},
		{"/v1/ns/instance", in("metadata", meta(maxForm)), 413, "caused: "},
		{"/v1/ns/instance", in("clusterName", long(65)), 400, "cluster"},
		{"/v1/ns/instance", params("serviceName", long(513), "ip", "10.0.0.1", "port", "80"), 400, "service"},
		{"/v1/ns/instance", params("serviceName", "a", "groupName", long(129), "ip", "10.0.0.1", "port", "80"), 400, "group"},
		{"/v1/ns/instance", params("serviceName", "a", "namespaceId", long(129), "ip", "10.0.0.1", "port", "80"), 400, "namespace"},
		{"/v1/ns/instance", in("weight", "10001"), 400, "weight"},
		{"/v2/ns/instance", in("metadata", meta(maxForm)), 413, `"code":5034`},
		{"/v1/cs/configs", params("dataId", "a", "group", "g", "content", long(900<<10+1)), 413, "caused: "},
		{"/v1/cs/configs", params("dataId", "a", "group", "g", "content", long(maxConfig)), 413, "caused: "},
		{"/v3/admin/cs/config", params("dataId", long(257), "groupName", "g", "content", "1"), 400, `"code":20002`},
	} {
		if status, body := post(c.path, c.form); status != c.status || !strings.Contains(body, c.says) || len(body) > 2000 {
			t.Errorf("%s %.60s: %d %.300s, want %d with %s", c.path, c.form.Encode(), status, body, c.status, c.says)
		}
	}
	// A head of HTTP.
	n, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(f.base, "http://"), contextPath))
	must(t, err)
	defer n.Close()
	_, err = io.WriteString(n, "GET /nacos/v1/ns/instance/list?serviceName="+long(40<<10)+" HTTP/1.1\r\n")
	must(t, err)
	answer := make([]byte, 12)
	if _, err := io.ReadFull(n, answer); err != nil || string(answer) != "HTTP/1.1 431" {
		t.Errorf("a long head: %q %v", answer, err)
	}
	c := dial(t, f.grpc).setup()
	big := nacoswire.NewInstance("10.0.0.1", 80)
	big.Metadata = nacoswire.Metadata{"a": long(17 << 10)}
	many := nacoswire.BatchInstanceRequest{ServiceRef: ref("order"), Type: nacoswire.BatchRegisterInstance}
	for i := range 4 {
		many.Instances = append(many.Instances, nacoswire.NewInstance(fmt.Sprint("10.0.0.", i), 80))
	}
	for _, s := range []struct {
		typ    string
		m      any
		answer string
		code   int
	}{
		{nacoswire.TypeInstance, nacoswire.InstanceRequest{ServiceRef: ref("order"), Type: nacoswire.RegisterInstance, Instance: big}, nacoswire.TypeErrorAnswer, nacoswire.ErrorInvalidParam},
		{nacoswire.TypeInstance, nacoswire.InstanceRequest{ServiceRef: ref(long(513)), Type: nacoswire.RegisterInstance, Instance: nacoswire.NewInstance("10.0.0.1", 80)}, nacoswire.TypeErrorAnswer, nacoswire.ErrorInvalidParam},
		{nacoswire.TypeBatchInstance, many, nacoswire.TypeErrorAnswer, nacoswire.ErrorOverLimit},
		{nacoswire.TypeConfigPublish, nacoswire.ConfigPublishRequest{ConfigRef: nacoswire.ConfigRef{DataID: "a", Group: "g"}, Content: long(900<<10 + 1)}, nacoswire.TypeConfigPublishAnswer, nacoswire.ErrorOverLimit},
	} {
		a := answerOf[nacoswire.Response](c, s.answer, c.request(s.typ, s.m))
		if a.ErrorCode != s.code || a.Success || len(a.Message) > 2000 {
			t.Errorf("%s: %d %.300s, want %d", s.typ, a.ErrorCode, a.Message, s.code)
		}
	}
	err = c.conn.Invoke(c.ctx, nacoswire.FullRequestMethod, &nacoswire.Payload{Type: nacoswire.TypeInstance, Body: make([]byte, maxMessage+1)}, new(nacoswire.Payload))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large message: %v", err)
	}
	eventually(t, "the log has a line of a second", func() bool { return len(log.lines("WARN")) > 0 })
	if keys := f.registry().Keys(); len(keys) != 0 {
		t.Errorf("what was refused left %v", keys)
	}
	for i := range 4 {
		at := params("serviceName", "order", "ip", fmt.Sprint("10.0.0.", i+1), "port", "80")
		want := map[bool]int{true: 200, false: 413}[i < 3]
		if status, body := post("/v2/ns/instance", at); status != want || i == 3 && !strings.Contains(body, `"code":5034`) {
			t.Errorf("instance %d of 3: %d %s", i+1, status, body)
		}
	}
}

func TestInvalidNames(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	c := dial(t, f.grpc).setup()
	for _, bad := range []struct{ namespace, group, service, cluster string }{
		{"public", "g", "a b", "c"}, {"public", "g", "a@@b@@c", "c"}, {"public", "g", "订单", "c"}, {"public", "g", "a\x00b", "c"}, {"public", "g", "a\nb", "c"},
		{"public", "a b", "s", "c"}, {"public", "g@@h", "s", "c"}, {"public", "g/h", "s", "c"}, {"../etc", "g", "s", "c"}, {"a b", "g", "s", "c"},
		{"public", "g", "s", "a b"}, {"public", "g", "s", "a,b"}, {"public", "g", "s", "a#b"},
	} {
		in := nacoswire.NewInstance("10.0.0.1", 80)
		in.ClusterName = bad.cluster
		q := nacoswire.InstanceRequest{ServiceRef: nacoswire.ServiceRef{Namespace: bad.namespace, GroupName: bad.group, ServiceName: bad.service}, Type: nacoswire.RegisterInstance, Instance: in}
		if a := answerOf[nacoswire.Response](c, nacoswire.TypeErrorAnswer, c.request(nacoswire.TypeInstance, q)); a.ErrorCode != nacoswire.ErrorInvalidParam {
			t.Errorf("gRPC, %q: %+v", bad, a)
		}
		form := params("namespaceId", bad.namespace, "groupName", bad.group, "serviceName", bad.service, "clusterName", bad.cluster, "ip", "10.0.0.1", "port", "80")
		if status, body := f.curl(t, "POST", "/v1/ns/instance", form); status != 400 || !strings.HasPrefix(body, "caused: ") {
			t.Errorf("v1, %q: %d %s", bad, status, body)
		}
		if status, body := f.curl(t, "POST", "/v3/client/ns/instance", form); status != 400 || !strings.Contains(body, `"code":20002`) {
			t.Errorf("v3, %q: %d %s", bad, status, body)
		}
	}
	if keys := f.registry().Keys(); len(keys) != 0 {
		t.Errorf("there are %v", keys)
	}
}
