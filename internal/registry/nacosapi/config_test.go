package nacosapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// configs is a server that keeps configurations.
func configs(t *testing.T) (*fixture, *config.Store) {
	t.Helper()
	s, err := config.Open(t.Context(), storage.NewMemory(), config.Options{})
	must(t, err)
	t.Cleanup(s.Close)
	return serve(t, Config{Configs: s}, registry.Options{}), s
}

func TestConfigsByGRPC(t *testing.T) {
	f, _ := configs(t)
	c, other := dial(t, f.grpc).setup(), dial(t, f.grpc).setup()
	ref := nacoswire.ConfigRef{DataID: "order.yaml", Group: "DEFAULT_GROUP"}
	query := func() nacoswire.ConfigQueryResponse {
		t.Helper()
		return answerOf[nacoswire.ConfigQueryResponse](c, nacoswire.TypeConfigQueryAnswer, c.request(nacoswire.TypeConfigQuery, nacoswire.ConfigQueryRequest{ConfigRef: ref}))
	}
	publish := func(content, cas string) nacoswire.Response {
		t.Helper()
		return answerOf[nacoswire.Response](other, nacoswire.TypeConfigPublishAnswer, other.request(nacoswire.TypeConfigPublish,
			nacoswire.ConfigPublishRequest{ConfigRef: ref, Content: content, CASMD5: cas, Addition: map[string]string{"type": "yaml"}}))
	}
	if a := query(); a.Success || a.ErrorCode != nacoswire.ErrorConfigUnknown {
		t.Fatalf("%+v", a)
	}
	listen := func(md5 string) []nacoswire.ConfigRef {
		t.Helper()
		return answerOf[nacoswire.ConfigListenResponse](c, nacoswire.TypeConfigListenAnswer, c.request(nacoswire.TypeConfigListen,
			nacoswire.ConfigListenRequest{Listen: true, Contexts: []nacoswire.ConfigSeen{{ConfigRef: ref, MD5: md5}}})).Changed
	}
	if got := listen(""); len(got) != 0 {
		t.Fatalf("nothing is there, and %v has changed", got)
	}
	notified := func() {
		t.Helper()
		p := c.next()
		q, err := nacoswire.Decode[nacoswire.ConfigChangeRequest](p)
		must(t, err)
		if p.Type != nacoswire.TypeConfigChange || q.ConfigRef != ref {
			t.Fatalf("%s %+v", p.Type, q)
		}
		c.send(nacoswire.TypeConfigChangeAnswer, nacoswire.OK(q.RequestID))
	}
	if a := publish("a: 1", ""); !a.Success {
		t.Fatalf("%+v", a)
	}
	notified()
	first := query()
	if first.Content != "a: 1" || first.ContentType != "yaml" || first.MD5 != config.MD5("a: 1") || first.LastModified == 0 {
		t.Fatalf("%+v", first)
	}
	if got := listen("old"); len(got) != 1 || got[0] != ref {
		t.Fatalf("%v", got)
	}
	if got := listen(first.MD5); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	if a := publish("a: 2", config.MD5("else")); a.Success {
		t.Fatalf("another's MD5 passed: %+v", a)
	}
	if a := publish("a: 2", first.MD5); !a.Success {
		t.Fatalf("%+v", a)
	}
	notified()
	if a := answerOf[nacoswire.Response](other, nacoswire.TypeConfigRemoveAnswer, other.request(nacoswire.TypeConfigRemove, nacoswire.ConfigQueryRequest{ConfigRef: ref})); !a.Success {
		t.Fatalf("%+v", a)
	}
	notified()
	if a := query(); a.ErrorCode != nacoswire.ErrorConfigUnknown {
		t.Fatalf("%+v", a)
	}
	// Who no longer listens is left alone.
	c.request(nacoswire.TypeConfigListen, nacoswire.ConfigListenRequest{Contexts: []nacoswire.ConfigSeen{{ConfigRef: ref}}})
	publish("a: 3", "")
	c.subscribe("")
	must(t, f.registry().Register(order, instance("10.0.0.1:80")))
	if got := hosts(c.push()); got != "10.0.0.1" {
		t.Fatal(got)
	}
	ref.DataID = "no/slash"
	if a := publish("a", ""); a.ErrorCode != nacoswire.ErrorInvalidParam {
		t.Fatalf("%+v", a)
	}
}

func TestConfigsByHTTP(t *testing.T) {
	f, _ := configs(t)
	id := []string{"dataId", "order.yaml", "group", "DEFAULT_GROUP"}
	with := func(more ...string) url.Values { return params(append(more, id...)...) }
	id3 := []string{"dataId", "order.yaml", "groupName", "DEFAULT_GROUP", "namespaceId", "public"}
	with3 := func(more ...string) url.Values { return params(append(more, id3...)...) }
	md5 := config.MD5("a: 1")
	for _, step := range []struct {
		method, path string
		params       url.Values
		status       int
		body         string
	}{
		{"GET", "/v1/cs/configs", with(), 404, "config data not exist"},
		{"GET", "/v2/cs/config", with(), 404, `"code":20004`},
		{"GET", "/v3/client/cs/config", with3(), 404, `"code":20004`},
		{"POST", "/v1/cs/configs", with("content", "a: 1", "casMd5", md5), 409, "changed by somebody else"}, // nothing is there to be changed
		{"POST", "/v1/cs/configs", with("content", "a: 1", "type", "yaml"), 200, "true"},
		{"GET", "/v1/cs/configs", with(), 200, "a: 1"},
		{"GET", "/v1/cs/configs", with("show", "all"), 200, `"tenant":"","content":"a: 1","md5":"` + md5},
		{"GET", "/v1/cs/configs", params("search", "blur", "dataId", "ord*", "group", "", "pageNo", "1", "pageSize", "10"), 200, `{"totalCount":1,"pageNumber":1,"pagesAvailable":1,"pageItems":[{"id":`},
		{"GET", "/v2/cs/config", with(), 200, `{"code":0,"message":"success","data":"a: 1"}`},
		{"GET", "/v3/client/cs/config", with3(), 200, `"content":"a: 1","md5":"` + md5},
		{"GET", "/v3/admin/cs/config", with3(), 200, `"namespaceId":"public","groupName":"DEFAULT_GROUP","dataId":"order.yaml"`},
		{"POST", "/v1/cs/configs", with("content", "a: 2", "casMd5", "x"), 409, "changed by somebody else"},
		{"POST", "/v1/cs/configs", with("content", "a: 2", "casMd5", md5), 200, "true"},
		{"POST", "/v3/admin/cs/config", with3("content", "a: 3"), 200, `{"code":0,"message":"success","data":true}`},
		{"GET", "/v3/admin/cs/config/list", params("pageNo", "1", "pageSize", "10"), 200, `"dataId":"order.yaml"`},
		{"GET", "/v1/cs/history", with("search", "accurate", "pageNo", "1", "pageSize", "2"), 200, `{"totalCount":3,"pageNumber":1,"pagesAvailable":2,`},
		{"GET", "/v1/cs/history", with("nid", "1"), 200, `"content":"a: 1"`},
		{"GET", "/v1/cs/history", with("nid", "2"), 200, `"content":"a: 1"`},
		{"GET", "/v1/cs/history", with("nid", "3"), 200, `"content":"a: 2"`},
		{"GET", "/v1/cs/history/previous", with("id", "3"), 200, `"id":"3","lastId":-1`}, // the number of the configuration, too
		{"GET", "/v1/cs/history/previous", with("id", "4"), 404, "not found"},
		{"GET", "/v1/cs/history", with("nid", "9"), 404, "not found"},
		{"DELETE", "/v1/cs/configs", with(), 200, "true"},
		{"DELETE", "/v2/cs/config", with(), 200, `"data":true`},
		{"POST", "/v1/cs/configs", with(), 400, "Param 'content' is required"},
		{"POST", "/v1/cs/configs", params("content", "a"), 400, "Param 'dataId' is required"},
		{"POST", "/v1/cs/configs", params("content", "a", "dataId", "a b", "group", "g"), 400, "only letters"},
		{"POST", "/v1/cs/configs/listener", params("Listening-Configs", "nonsense"), 400, "Listening-Configs"},
	} {
		status, body := f.curl(t, step.method, step.path, step.params)
		if status != step.status || !strings.Contains(body, step.body) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", step.method, step.path, step.params.Encode(), status, body, step.status, step.body)
		}
	}
	big := url.Values{"content": {strings.Repeat("x", 1<<20)}, "dataId": {"big"}, "group": {"g"}}
	q, err := http.NewRequest("POST", f.base+"/v1/cs/configs", strings.NewReader(big.Encode()))
	must(t, err)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, body := do(t, q); status != 413 || !strings.Contains(body, "at most") {
		t.Errorf("%d %.200s", status, body)
	}
}

// What is meant for some readers alone is refused, or all of them would have it; so is taking away what is for some.
func TestConfigsForSome(t *testing.T) {
	f, store := configs(t)
	id := config.ID{Namespace: "public", Group: "DEFAULT_GROUP", Name: "order.yaml"}
	_, err := store.Publish(t.Context(), config.Item{ID: id, Content: "a: 1"}, "")
	must(t, err)
	for _, c := range []struct{ path, group string }{{"/v1/cs/configs", "group"}, {"/v2/cs/config", "group"}, {"/v3/admin/cs/config", "groupName"}} {
		named := []string{"dataId", id.Name, c.group, id.Group}
		for _, header := range []string{"10.0.0.1", ""} {
			form := params(append(named, "content", "a: 2")...)
			if header == "" {
				form.Set("tag", "canary")
			}
			q, err := http.NewRequest("POST", f.base+c.path+"?"+form.Encode(), nil)
			must(t, err)
			q.Header.Set("betaIps", header)
			if status, body := do(t, q); status != 501 || !strings.Contains(body, "no beta") {
				t.Errorf("POST %s betaIps %q: %d %s", c.path, header, status, body)
			}
		}
		for _, call := range [][]string{{"DELETE", "tag", "canary"}, {"DELETE", "beta", "true"}, {"GET", "beta", "true"}} {
			status, body := f.curl(t, call[0], c.path, params(append(named, call[1:]...)...))
			if status != 501 || !strings.Contains(body, "no beta") || strings.Contains(body, "a: 1") {
				t.Errorf("%v %s: %d %s", call, c.path, status, body)
			}
		}
	}
	for _, path := range []string{"/v1/cs/configs", "/v2/cs/config"} {
		if status, body := f.curl(t, "GET", path, params("dataId", id.Name, "group", id.Group, "tag", "canary")); status != 404 || !strings.Contains(body, "config data not exist") {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
	}
	g := dial(t, f.grpc).setup()
	ref := nacoswire.ConfigRef{DataID: id.Name, Group: id.Group}
	a := answerOf[nacoswire.ConfigQueryResponse](g, nacoswire.TypeConfigQueryAnswer, g.request(nacoswire.TypeConfigQuery, nacoswire.ConfigQueryRequest{ConfigRef: ref, Tag: "canary"}))
	if a.ErrorCode != nacoswire.ErrorConfigUnknown || a.Content != "" {
		t.Errorf("%+v", a)
	}
	for _, more := range []map[string]string{{"betaIps": "10.0.0.1"}, {"tag": "canary"}} {
		p := g.request(nacoswire.TypeConfigPublish, nacoswire.ConfigPublishRequest{ConfigRef: ref, Content: "a: 2", Addition: more})
		if a, err := nacoswire.Decode[nacoswire.Response](p); err != nil || a.Success || !strings.Contains(a.Message, "no beta") {
			t.Errorf("%v: %+v %v", more, a, err)
		}
	}
	p := g.request(nacoswire.TypeConfigRemove, nacoswire.ConfigQueryRequest{ConfigRef: ref, Tag: "canary"})
	if a, err := nacoswire.Decode[nacoswire.Response](p); err != nil || a.Success || !strings.Contains(a.Message, "no beta") {
		t.Errorf("%+v %v", a, err)
	}
	if item, _, err := store.Get(t.Context(), id); err != nil || item.Content != "a: 1" {
		t.Errorf("it has become %+v, %v", item, err)
	}
}

func TestLongPoll(t *testing.T) {
	f, store := configs(t)
	poll := func(md5, wait string) (time.Duration, string) {
		t.Helper()
		form := url.Values{"Listening-Configs": {"a\x02g\x02" + md5 + "\x02dev\x01b\x02g\x02\x01"}}
		q, err := http.NewRequest("POST", f.base+"/v1/cs/configs/listener", strings.NewReader(form.Encode()))
		must(t, err)
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
		if wait != "" {
			q.Header.Set("Long-Pulling-Timeout", wait)
		}
		began := time.Now()
		status, body := do(t, q)
		if status != 200 {
			t.Fatal(status, body)
		}
		text, err := url.QueryUnescape(body)
		must(t, err)
		return time.Since(began), text
	}
	changed := "a\x02g\x02dev\x01"
	if _, got := poll("other", "30000"); got != changed { // another than there is
		t.Fatalf("%q", got)
	}
	if _, got := poll("", ""); got != "" { // asked once
		t.Fatalf("%q", got)
	}
	if took, got := poll("", "1000"); got != "" || took < 400*time.Millisecond {
		t.Fatalf("%q after %v", got, took)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(50 * time.Millisecond) // so that the poll hangs
		_, err := store.Publish(t.Context(), config.Item{ID: config.ID{Namespace: "dev", Group: "g", Name: "a"}, Content: "1"}, "")
		if err != nil {
			t.Error(err)
		}
	}()
	if took, got := poll("", "30000"); got != changed || took > 10*time.Second {
		t.Fatalf("%q after %v", got, took)
	}
	<-done
	// A long poll does not hold up the end of the server: the fixture closes within its time while this one hangs.
	go func() {
		form := url.Values{"Listening-Configs": {"b\x02g\x02\x01"}}
		q, _ := http.NewRequest("POST", f.base+"/v1/cs/configs/listener", strings.NewReader(form.Encode()))
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Long-Pulling-Timeout", "30000")
		if p, err := http.DefaultClient.Do(q); err == nil {
			p.Body.Close()
		}
	}()
}

// A page of large configurations is refused with what to do, and a smaller one is not: it would be in memory as a whole.
func TestSearchIsBounded(t *testing.T) {
	f, store := configs(t)
	large := strings.Repeat("x", 900<<10)
	const many = maxFound/(900<<10) + 1
	for i := range many {
		id := config.ID{Namespace: "public", Group: "g", Name: fmt.Sprint("large-", i)}
		_, err := store.Publish(t.Context(), config.Item{ID: id, Content: large}, "")
		must(t, err)
	}
	search := func(size string) (int, string) {
		return f.curl(t, "GET", "/v1/cs/configs", params("search", "blur", "dataId", "large-*", "group", "g", "pageNo", "1", "pageSize", size))
	}
	if status, body := search("500"); status != http.StatusBadRequest || !strings.Contains(body, "ask for fewer of them with pageSize") {
		t.Errorf("%d: %.200s", status, body)
	}
	if status, body := search("20"); status != http.StatusOK || strings.Count(body, `"dataId":"large-`) != 20 {
		t.Errorf("%d: %.200s", status, body)
	}
}
