package nacosapi

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// Clients are told to connect elsewhere: some of them by an operator, and all of them before the server ends.
func TestConnectReset(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	a, b := dial(t, f.grpc).setup(), dial(t, f.grpc).setup()
	get := func(path string) (int, string) {
		t.Helper()
		path, query, _ := strings.Cut(path, "?")
		q, err := url.ParseQuery(query)
		must(t, err)
		return f.curl(t, "GET", path, q)
	}
	var list map[string]peerInfo
	_, body := get("/v2/core/loader/current")
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 2 {
		t.Fatalf("%s: %v", body, err)
	}
	for id, p := range list {
		if id == "" || p.Meta.ID != id || p.Meta.IP != "127.0.0.1" {
			t.Errorf("%s: %+v", id, p)
		}
	}
	oldest := slices.MinFunc(slices.Collect(maps.Values(list)), func(a, b peerInfo) int { return a.Meta.Created.Compare(b.Meta.Created) }).Meta.ID
	if status, body := get("/v2/core/loader/reloadClient?connectionId=nobody"); status != 404 {
		t.Errorf("%d %s", status, body)
	}
	for _, bad := range []string{"/v2/core/loader/reloadCurrent", "/v2/core/loader/reloadCurrent?count=1&redirectAddress=a:b:c"} {
		if status, body := get(bad); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	if status, body := get("/v2/core/loader/reloadCurrent?count=2"); status != 200 || body != "success" {
		t.Errorf("%d %s", status, body)
	}
	get("/v2/core/loader/reloadClient?redirectAddress=10.0.0.9:8848&connectionId=" + oldest)
	q := reset(t, a)
	if q.ServerIP != "10.0.0.9" || q.ServerPort != "8848" || q.ConnectionID != oldest {
		t.Errorf("%+v", q)
	}
	drained := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { f.Drain(ctx); close(drained) }()
	for _, c := range []*client{a, b} {
		if q := reset(t, c); q.ServerIP != "" {
			t.Errorf("%+v", q)
		}
	}
	select {
	case <-drained:
		t.Error("it does not wait for its clients")
	default:
	}
	must(t, a.conn.Close())
	must(t, b.conn.Close())
	<-drained
	if ctx.Err() != nil {
		t.Error("it did not see them go")
	}
	late := dial(t, f.grpc)
	late.open(nil)
	if p := late.next(); p != nil {
		t.Errorf("a client is let in: %s", p.Type)
	}
}

// What a client has registered is listed until it has connected again, as it was told to, and registered there.
func TestMovesListed(t *testing.T) {
	f := serve(t, Config{}, registry.Options{})
	key := registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"}
	listed := func() int { return len(f.registry().View(key).Instances) }
	before := dial(t, f.grpc).setup()
	before.register("order", "10.0.0.1")
	if n := listed(); n != 1 {
		t.Fatal(n)
	}
	f.curl(t, "GET", "/v2/core/loader/reloadCurrent", url.Values{"count": {"0"}})
	reset(t, before)
	must(t, before.conn.Close())
	eventually(t, "its connection has ended", func() bool { return len(f.sessions.list()) == 0 })
	if n := listed(); n != 1 {
		t.Errorf("%d instances while its client is on its way", n)
	}
	after := dial(t, f.grpc).setup()
	after.register("order", "10.0.0.1")
	must(t, after.conn.Close())
	eventually(t, "one that ends without being told is gone", func() bool { return listed() == 0 })
}

// reset waits for the message that sends a client away.
func reset(t *testing.T, c *client) (q nacoswire.ConnectResetRequest) {
	t.Helper()
	p := c.next()
	if p.Type != nacoswire.TypeConnectReset {
		t.Fatalf("it is told %s", p.Type)
	}
	q, err := nacoswire.Decode[nacoswire.ConnectResetRequest](p)
	must(t, err)
	return q
}
