package builtin

import (
	"testing"

	"paifang/internal/filter"
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
