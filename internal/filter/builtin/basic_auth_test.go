package builtin

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// engine lets filters wait, as the engine does, and counts how often they do.
type engine struct {
	waits int
	over  bool // the client leaves while it waits
}

func (e *engine) Wait(limit time.Duration, f func(context.Context)) bool {
	e.waits++
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if e.over {
		cancel()
	}
	f(ctx)
	return !e.over
}

const bcryptOfSecret = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"

func basic(config string, data map[string]string) model.FilterSpec {
	return model.FilterSpec{Kind: "basic-auth", Config: []byte(config), Secret: "shop/users", Data: model.NewSecretData(data)}
}

func as(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestBasicAuth(t *testing.T) {
	file := map[string]string{"auth": "ann:" + bcryptOfSecret + "\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"}
	for _, c := range []struct {
		config string
		data   map[string]string
	}{
		{`{"realm":"the shop"}`, file},
		{`{"realm":"the shop","format":"map"}`, map[string]string{"ann": bcryptOfSecret, "bob": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"}},
	} {
		p := newPolicy(t, filter.NewShared(), basic(c.config, c.data))
		e := &engine{}
		x := &filter.Exchange{Waiter: e}
		for _, ask := range []struct {
			fields []string
			user   string
		}{
			{nil, ""},
			{[]string{as("ann", "secret")}, "ann"},
			{[]string{as("bob", "secret")}, "bob"},
			{[]string{as("ann", "wrong")}, ""},
			{[]string{as("bob", "wrong")}, ""},
			{[]string{as("eve", "secret")}, ""},
			{[]string{as("ann", "")}, ""},
			{[]string{"Authorization: Basic !!!"}, ""},
			{[]string{"Authorization: Basic YW5u"}, ""},
			{[]string{"Authorization: Bearer YW5uOnNlY3JldA=="}, ""},
			{[]string{as("ann", strings.Repeat("x", 2000))}, ""},
		} {
			p.again(x, "192.0.2.1", "GET /", ask.fields...)
			if ask.user == "" {
				if x.Response.Status != 401 || x.Response.Fields.Get("WWW-Authenticate") != `Basic realm="the shop"` || x.Code != CodeUnauthorized {
					t.Errorf("%v: %+v", ask.fields, x.Response)
				}
				continue
			}
			if x.Response.Status != 0 || x.User != ask.user || x.Request.Fields.Has("Authorization") {
				t.Errorf("%v: %d, user %q", ask.fields, x.Response.Status, x.User)
			}
		}
		before := e.waits
		for range 3 {
			if p.again(x, "192.0.2.1", "GET /", as("ann", "secret")); x.Response.Status != 0 {
				t.Errorf("%+v", x.Response)
			}
		}
		if e.waits != before {
			t.Errorf("a password that was good is verified again: %d times", e.waits-before)
		}
		p.again(x, "192.0.2.1", "GET /", as("eve", "secret"))
		if e.waits != before+1 {
			t.Error("an unknown user is told without the work that a known one costs")
		}
		p.again(x, "192.0.2.1", "GET /", as("bob", "wrong"))
		if e.waits != before+2 {
			t.Error("a user with a fast hash among slow ones is told by the time that he costs")
		}
	}
	keep := newPolicy(t, filter.NewShared(), basic(`{"keep":true}`, file))
	if x := keep.ask("192.0.2.1", "GET /", as("bob", "secret")); !x.Request.Fields.Has("Authorization") {
		t.Error("the field is gone")
	}
	if x := keep.ask("192.0.2.1", "GET /", as("bob", "secret"), as("ann", "wrong")); x.Response.Status != 400 || x.Code != CodeCredentialsTwice {
		t.Errorf("two fields: %d %s", x.Response.Status, x.Code)
	}
	if x := keep.ask("192.0.2.1", "GET /", as("ann", "secret")); x.Response.Status != 500 || x.Code != filter.CodeNoWaiting {
		t.Errorf("without an engine: %+v", x.Response)
	}
}

func TestBasicAuthFailsClosed(t *testing.T) {
	spec := basic(`{}`, nil)
	if code, err := Kinds().Check(spec); code != model.CodeSecretMissing {
		t.Errorf("%q %v", code, err)
	}
	for _, s := range []model.FilterSpec{spec, {Kind: "basic-auth"}, basic(`{}`, map[string]string{"other": "a:b"})} {
		if _, err := Kinds().Bind(&model.Route{ID: "r", Filters: []model.FilterSpec{s}}, filter.NewShared(), clock{}); err == nil {
			t.Errorf("%+v is bound", s)
		}
	}
}

func TestBasicAuthDoesNotAllocate(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), basic(`{}`, map[string]string{"auth": "ann:" + bcryptOfSecret + "\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"}))
	x := &filter.Exchange{Waiter: &engine{}}
	for _, user := range []string{"ann", "bob"} {
		head := []byte("GET / HTTP/1.1\r\nHost: shop.test\r\n" + as(user, "secret") + "\r\n\r\n")
		if n := testing.AllocsPerRun(200, func() {
			x.Reset()
			if _, err := x.Request.Parse(head, nil); err != nil {
				t.Fatal(err)
			}
			if p.chain.Request(x) != filter.Continue {
				t.Fatal("refused", x.Code)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", user, n)
		}
	}
}
