package builtin

import (
	"testing"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// What stands behind the body must not say of a request what these filters say.
var (
	_ filter.FieldOwner = (*tellOrigin)(nil)
	_ filter.FieldOwner = tellFailure{}
)

func TestTellOrigin(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("tell-origin",
		`{"scheme":["X-Scheme"],"forwardedFor":["X-Original-Forwarded-For"],"forwardedHost":["X-Original-Forwarded-Host"],"keepID":true}`))
	x := &filter.Exchange{}
	head := "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nX-Scheme: http\r\nX-Original-Forwarded-Host: evil\r\nX-Request-ID: ours\r\n\r\n"
	if _, err := x.Request.Parse([]byte(head), nil); err != nil {
		t.Fatal(err)
	}
	x.Claimed = filter.Claims{ForwardedFor: "10.1.2.3", RequestID: "theirs"}
	p.chain.Request(x)
	for name, want := range map[string]string{"X-Scheme": "https", "X-Original-Forwarded-For": "10.1.2.3", "X-Original-Forwarded-Host": "", "X-Request-ID": "theirs"} {
		if got := x.Request.Fields.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if x.ID != "theirs" {
		t.Errorf("the ID is %q", x.ID)
	}
	x.Claimed.RequestID = "no token"
	x.Request.Fields.Set("X-Request-ID", "ours")
	p.chain.Request(x)
	if got := x.Request.Fields.Get("X-Request-ID"); got != "ours" {
		t.Errorf("an ID that is none was kept: %q", got)
	}
	p = newPolicy(t, filter.NewShared(), specOf("tell-origin", `{"noID":true}`))
	for claimed, want := range map[string]string{"": "", "theirs": "theirs"} {
		x.Claimed.RequestID = claimed
		x.Request.Fields.Set("X-Request-ID", "ours")
		p.chain.Request(x)
		if got := x.Request.Fields.Get("X-Request-ID"); got != want {
			t.Errorf("with noID, of a client that said %q: %q", claimed, got)
		}
	}
	for _, bad := range []string{`{}`, `{"scheme":["no name"]}`, `{"forwardedFor":["Content-Length"]}`, `{"forwardedHost":["Host"]}`} {
		if _, err := Kinds().Check(specOf("tell-origin", bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestTellPrefix: what was taken off the front of the path is told, behind what there is, and nothing where it does not end as it did.
func TestTellPrefix(t *testing.T) {
	route, err := snapshot.NewRoute(&model.Route{ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ asked, now, have, want string }{
		{"/api/x", "/x", "", "/api"},
		{"/api/x/", "/x", "", "/api"},
		{"/api", "/", "", "/api"},
		{"/api/x", "/x", "/shop", "/shop,/api"},
		{"/api/x", "/v2/x", "", ""},
		{"/api/x", "/api/x", "/shop", "/shop"},
		{"/ab", "/b", "", ""},
		{"//evil.test/x", "/x", "", ""}, // would lead there
	} {
		p := newPolicy(t, filter.NewShared(), specOf("tell-origin", `{"prefix":["X-Forwarded-Prefix","X-Script-Name"]}`))
		x := &filter.Exchange{}
		x.Request.Path = c.asked
		x.Bind(route)
		x.Request.Path = c.now
		x.Request.Fields.Set("X-Forwarded-Prefix", c.have)
		x.Request.Fields.Set("X-Script-Name", "/evil")
		p.chain.Request(x)
		for _, name := range []string{"X-Forwarded-Prefix", "X-Script-Name"} {
			if got := x.Request.Fields.Get(name); got != c.want {
				t.Errorf("%s of %s, which was %s: %q, want %q", name, c.now, c.asked, got, c.want)
			}
		}
	}
}
