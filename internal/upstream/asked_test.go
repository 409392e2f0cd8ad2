package upstream

import (
	"testing"

	"paifang/internal/model"
)

// TestSpokenToAsAsked: an endpoint has two ways, which share its limits and the cookies of its clients, and are observed apart.
func TestSpokenToAsAsked(t *testing.T) {
	table := newTable(t, Config{})
	up := upstreamOf(orders)
	up.TLS = model.UpstreamTLS{Mode: model.TLSAsAsked, SkipVerify: true}
	up.Affinity.Mode = model.Persistent
	up.Limits.EndpointConnections = 1
	h := table.Acquire(up)
	listed := at("127.0.0.1:1")
	listed.Secure = true // counts for nothing here
	table.give("a", orders, listed)

	clear, secure := h.For(false), h.For(true)
	if clear != h || secure == h {
		t.Fatalf("clear text has its own handle, TLS has %p of %p", secure, h)
	}
	one, two := pick(t, clear), pick(t, secure)
	if one.TLS() || !two.TLS() {
		t.Errorf("TLS is spoken: %v in clear text, %v over TLS", one.TLS(), two.TLS())
	}
	if one.Mark() != two.Mark() || clear.Tag() != secure.Tag() {
		t.Error("a cookie of the one is of no use for the other")
	}
	held, err := clear.Pick(Hint{})
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, secure, ErrConnectionLimit)
	held.Done(Abandoned)
	two.live.note(true, CodeTLS)
	if !clear.Up() || secure.Up() {
		t.Errorf("up: %v in clear text, %v over TLS, where no TLS is spoken", clear.Up(), secure.Up())
	}
	if found, ok := table.Find(up.ID); !ok || found != h {
		t.Error("whoever looks for the upstream finds the way of TLS")
	}
	if u := table.Usage(); len(u) != 1 || u[0].Endpoints != 1 {
		t.Errorf("usage %+v", u)
	}
	h.Release()
	if left := table.Upstreams(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	plain := table.Acquire(upstreamOf(orders))
	defer plain.Release()
	if plain.For(true) != plain {
		t.Error("an upstream that says nothing of it has two ways")
	}
}
