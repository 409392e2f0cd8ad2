package http1

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFields(t *testing.T) {
	var f Fields
	f.Add("Accept", " a ")
	f.Add("X-Forwarded-For", "1.1.1.1")
	f.Add("accept", "b")
	f.Add("x_forwarded_for", "6.6.6.6")
	if f.Get("ACCEPT") != "a" || f.Get("none") != "" || !f.Has("x-forwarded-for") || f.Has("x-forwarded") {
		t.Error("lookups are wrong")
	}
	if got := slices.Collect(f.Values("accept")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("values %q", got)
	}
	for range f.Values("accept") {
		break
	}
	if !f.Set("x-forwarded-FOR", "2.2.2.2") || f.Len() != 3 || f.At(1) != (Field{"x-forwarded-FOR", "2.2.2.2"}) {
		t.Errorf("set: %v", f)
	}
	if !f.Set("New", "") || f.At(3) != (Field{"New", ""}) {
		t.Errorf("set of a new one: %v", f)
	}
	for _, bad := range [][2]string{
		{"", "x"}, {"a b", "x"}, {"a:", "x"}, {"a\n", "x"}, {"\xff", "x"},
		{"A", "x\r\nB: y"}, {"A", "x\n"}, {"A", "\x00"}, {"A", "longer than eight\x7f"},
	} {
		if f.Add(bad[0], bad[1]) || f.Set(bad[0], bad[1]) || f.Len() != 4 {
			t.Errorf("%q: %q was taken", bad[0], bad[1])
		}
	}
	if !f.Del("accept") || f.Del("accept") || f.Len() != 2 {
		t.Errorf("del: %v", f)
	}
	f.DelFunc(func(n string) bool { return strings.HasPrefix(strings.ToLower(n), "x-") })
	if f.Len() != 1 || f.At(0).Name != "New" {
		t.Errorf("delfunc: %v", f)
	}
	var g Fields
	g.CopyFrom(&f)
	f.Reset()
	if f.Len() != 0 || g.Len() != 1 {
		t.Error("a copy is not its own list")
	}
	if EqualFold("^", "~") || EqualFold("@", "`") || !EqualFold("aZ-", "Az-") {
		t.Error("case folding is wrong")
	}
}

func TestConnectionNames(t *testing.T) {
	in := "GET / HTTP/1.1\r\nHost: s\r\nConnection: close, X-Mine, Host, content-type\r\nX-MINE: 1\r\nconnection: x-real-ip,AUTHORIZATION,,x-forwarded-for\r\n" +
		"X-Real-IP: 1\r\nAuthorization: 2\r\nX-Forwarded-For: 3\r\nContent-Type: t\r\nTE: trailers\r\nTrailer: X-Sum\r\nUpgrade: x\r\n" +
		"Proxy-Connection: close\r\nProxy-Authorization: p\r\nKeep-Alive: 5\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
	r, _, err := parseRequest(t, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "GET / HTTP/1.1\r\nHost: s\r\nX-Real-IP: 1\r\nAuthorization: 2\r\nX-Forwarded-For: 3\r\nContent-Type: t\r\nTrailer: X-Sum\r\nContent-Length: 3\r\n\r\n"
	if got := string(AppendRequest(nil, r, Persist)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if r.KeepAlive || r.Fields.Get("x-mine") != "1" {
		t.Error("what is not forwarded must still be there to match on")
	}
	for i := range r.Fields.Len() {
		if f := r.Fields.At(i); r.Fields.Forwarded(i) != strings.Contains(want, f.Name+": "+f.Value) && f.Name != "Host" && f.Name != "Content-Length" {
			t.Errorf("%v: forwarded %v", f, r.Fields.Forwarded(i))
		}
	}
	// A filter cannot make a second framing or Host.
	r.Fields.Set("Transfer-Encoding", "chunked")
	r.Fields.Add("content-length", "77")
	r.Fields.Add("HOST", "evil")
	if got := string(AppendRequest(nil, r, Persist)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSent(t *testing.T) {
	var r Request
	in := "GET / HTTP/1.1\r\nHost: s\r\nConnection: X-Mine\r\nX-Mine: 1\r\nX-Mine: 2\r\nX-Other: 3\r\nX-Other: 4\r\nTE: trailers\r\n\r\n"
	if _, err := r.Parse([]byte(in), nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"x-mine": "", "X-Other": "3 4", "host": "s", "te": "trailers", "none": ""} {
		if got := strings.Join(slices.Collect(r.Fields.Sent(name)), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for range r.Fields.Sent("X-Other") {
		break
	}
	if r.Fields.Add("X-Mine", "ours"); strings.Join(slices.Collect(r.Fields.Sent("X-Mine")), " ") != "ours" {
		t.Error("what is added afterwards does not go on")
	}
}

func TestChangedRequest(t *testing.T) {
	r, _, err := parseRequest(t, "GET /api/a%20b?x=1 HTTP/1.1\r\nHost: s\r\n\r\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/v2/./a%20b":     "/v2/a%20b",
		"/a b?c#d\xc3":    "/a%20b%3Fc%23d%C3",
		"//x//%7e/../%zz": "",
		"x":               "",
		"":                "",
		"/a\r\nHost: x":   "",
		"/a\\b":           "",
		"/%00":            "",
		"/a/..;/b":        "",
	} {
		was := r.Path
		err := r.SetPath(path)
		if want == "" && (err == nil || r.Path != was) || want != "" && (err != nil || r.Path != want) {
			t.Errorf("%q: %q, %v", path, r.Path, err)
		}
		if p, perr := NormalPath(path); p != want || (perr == nil) != (want != "") {
			t.Errorf("NormalPath(%q) = %q, %v", path, p, perr)
		}
	}
	_ = r.SetPath("/n")
	if r.SetQuery("a b") == nil || r.SetQuery("a\r\n") == nil || r.SetQuery("a=%20") != nil {
		t.Error("queries are not checked")
	}
	if r.SetAuthority("x y") == nil || r.SetAuthority("Other.test:81") != nil {
		t.Error("authorities are not checked")
	}
	r.Body, r.ContentLength, r.Upgrade = ChunkedBody, -1, "websocket"
	want := "GET /n?a=%20 HTTP/1.1\r\nHost: other.test:81\r\nTransfer-Encoding: chunked\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
	if got := string(AppendRequest(nil, r, Upgrading)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if _ = r.SetQuery(""); r.HasQuery {
		t.Error("an empty query leaves its question mark")
	}
}

func TestParameter(t *testing.T) {
	var mem Arena
	for _, c := range []struct {
		q, name, want string
		ok            bool
	}{
		{"a=1&b=2&a=3", "a", "1", true},
		{"a=1&b=2", "b", "2", true},
		{"&&x", "x", "", true},
		{"a=b=c", "a", "b=c", true},
		{"%61b=x%20y+z", "ab", "x y z", true},
		{"a=%zz%4", "a", "%zz%4", true},
		{"ab=1", "a", "", false},
		{"a=1", "ab", "", false},
		{"", "a", "", false},
		{"=1", "", "1", true},
	} {
		if v, ok := Parameter(c.q, c.name, 0, &mem); v != c.want || ok != c.ok {
			t.Errorf("%q in %q: %q, %v", c.name, c.q, v, ok)
		}
	}
}

func TestArena(t *testing.T) {
	var mem Arena
	var made []string
	for i := range 300 {
		made = append(made, mem.Join("n", strings.Repeat("x", i), "-"))
	}
	for i, s := range made {
		if s != "n"+strings.Repeat("x", i)+"-" {
			t.Fatalf("string %d was overwritten: %q", i, s)
		}
	}
	if mem.Join() != "" || mem.Join("", "") != "" {
		t.Error("nothing is not empty")
	}
	mem.Join(strings.Repeat("x", 2*maxKeptScratch))
	if mem.Reset(); cap(mem.buf) > maxKeptScratch {
		t.Errorf("%d bytes kept", cap(mem.buf))
	}
}

// What is put into a query is read back, and what is taken out is gone; the rest stays as it was written.
func TestQueryEdit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &Request{RawQuery: rapid.StringMatching(`([ab%=+]|%61|&|%zz)*`).Draw(t, "query")}
		name, value := rapid.SampledFrom([]string{"a", "b", "c d", "&="}).Draw(t, "name"), rapid.String().Draw(t, "value")
		before := r.RawQuery
		r.AddParameter(name, value)
		if !strings.HasPrefix(r.RawQuery, before) {
			t.Fatalf("%q became %q", before, r.RawQuery)
		}
		last := ""
		for i := 0; ; i++ {
			v, ok := Parameter(r.RawQuery, name, i, &r.Mem)
			if !ok {
				break
			}
			last = v
		}
		if last != value {
			t.Fatalf("%q: the last %q is %q, want %q", r.RawQuery, name, last, value)
		}
		if err := new(Request).SetQuery(r.RawQuery[len(before):]); err != nil {
			t.Fatalf("%q cannot be sent", r.RawQuery)
		}
		r.DropParameter(name)
		if _, ok := Parameter(r.RawQuery, name, 0, &r.Mem); ok || r.HasQuery != (r.RawQuery != "") {
			t.Fatalf("%q still has %q", r.RawQuery, name)
		}
	})
}
