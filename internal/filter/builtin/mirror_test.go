package builtin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// mirrored is a target of copies, which keeps what it was sent.
type mirrored struct {
	*httptest.Server
	mu     sync.Mutex
	copies []string // line, Host, body
	heads  []http.Header
	hold   chan struct{} // until it is closed, nobody is answered
}

func newMirrored(t *testing.T, holds bool) *mirrored {
	t.Helper()
	m := &mirrored{hold: make(chan struct{})}
	if !holds {
		close(m.hold)
	}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		m.mu.Lock()
		m.copies = append(m.copies, fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Host, body))
		m.heads = append(m.heads, r.Header)
		m.mu.Unlock()
		select {
		case <-m.hold:
		case <-r.Context().Done():
		}
		w.Header().Set("Set-Cookie", "inside=1")
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mirrored) got() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.copies...)
}

// until polls until something holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// mirrorStand is one mirror filter between a client and what the engine does.
type mirrorStand struct {
	*policy
	shared *filter.Shared
}

func newMirrorStand(t *testing.T, config string) *mirrorStand {
	t.Helper()
	s := &mirrorStand{shared: filter.NewShared()}
	s.policy = newPolicy(t, s.shared, specOf("mirror", config))
	return s
}

// send is one request whose body comes in parts. whole: it is sent on.
func (s *mirrorStand) send(x *filter.Exchange, line string, whole bool, parts []string, fields ...string) {
	s.t.Helper()
	if s.again(x, "192.0.2.1", line, fields...); x.Response.Status != 0 {
		s.t.Fatalf("answered %d %s", x.Response.Status, x.Code)
	}
	for _, p := range parts {
		part := []byte(p)
		x.TapPart(part)
		clear(part) // the engine uses it again
	}
	if whole {
		x.TapEnd()
	}
	x.Reset()
}

// results is what became of all copies.
func (s *mirrorStand) results() (out [filter.CopyResults]uint64, held int64) {
	for _, c := range s.shared.Copies() {
		held += c.Held
		for i, n := range c.Results {
			out[i] += n
		}
	}
	return out, held
}

// becomes waits for a number of copies to have a result.
func (s *mirrorStand) becomes(r filter.CopyResult, n uint64) {
	s.t.Helper()
	until(s.t, fmt.Sprintf("%d copies %s", n, r), func() bool {
		got, _ := s.results()
		return got[r] >= n
	})
	if got, _ := s.results(); got[r] != n {
		s.t.Errorf("%s: %d copies, want %d", r, got[r], n)
	}
}

func TestMirror(t *testing.T) {
	one, two := newMirrored(t, false), newMirrored(t, false)
	s := newMirrorStand(t, `{"loopback":true,"credentials":true,"targets":[{"url":"`+one.URL+`"},{"url":"`+two.URL+`/of/{host}?{header.X-Part}={escaped-uri}","host":"{authority}"}]}`)
	x := &filter.Exchange{}
	s.send(x, "POST /a/../b%20c?d=e", true, []string{"some", "", "thing"}, "Content-Length: 9", "X-Part: p", "Cookie: c=1", "Authorization: Bearer t", "Connection: X-Hop", "X-Hop: 1", "X-Paifang-Mirrored: forged", "Content-Type: text/plain")
	s.becomes(filter.CopyAnswered, 2)
	host := strings.TrimPrefix(one.URL, "http://")
	if got := one.got(); len(got) != 1 || got[0] != "POST /b%20c?d=e "+host+" something" {
		t.Errorf("%q", got)
	}
	if got := two.got(); len(got) != 1 || got[0] != "POST /of/shop.test?p=%2Fb%2520c%3Fd%3De shop.test:8080 something" {
		t.Errorf("%q", got)
	}
	h := one.heads[0]
	if fmt.Sprint(h["X-Paifang-Mirrored"]) != "[shop.test:8080]" || h.Get("Cookie") != "c=1" || h.Get("Authorization") != "Bearer t" || h.Get("Content-Type") != "text/plain" || h.Get("Content-Length") != "9" {
		t.Errorf("%v", h)
	}
	for _, name := range []string{"X-Hop", "User-Agent", "Accept-Encoding"} {
		if _, has := h[name]; has {
			t.Errorf("a copy has %s: %q", name, h[name])
		}
	}
	s.send(x, "GET /", true, nil, "User-Agent: own", "Accept-Encoding: br")
	s.becomes(filter.CopyAnswered, 4)
	if h := one.heads[1]; h.Get("User-Agent") != "own" || h.Get("Accept-Encoding") != "br" || h.Get("Content-Length") != "" || h.Get("Transfer-Encoding") != "" {
		t.Errorf("%v", h)
	}
	s.send(x, "GET /", true, nil, "Connection: Upgrade", "Upgrade: tunnel")
	if got := len(one.got()); got != 2 {
		t.Errorf("an upgrade has a copy: %d", got)
	}
	if x.Response.Fields.Has("Set-Cookie") {
		t.Error("an answer to a copy shows")
	}
}

// TestMirrorWithoutCredentials: what a client shows to the upstream, copies have only where that is said.
func TestMirrorWithoutCredentials(t *testing.T) {
	one := newMirrored(t, false)
	s := newMirrorStand(t, `{"loopback":true,"targets":[{"url":"`+one.URL+`"}]}`)
	x := &filter.Exchange{}
	s.send(x, "GET /", true, nil, "Cookie: c=1", "authorization: Bearer t", "X-Other: o")
	s.becomes(filter.CopyAnswered, 1)
	if h := one.heads[0]; h.Get("Cookie") != "" || h.Get("Authorization") != "" || h.Get("X-Other") != "o" {
		t.Errorf("%v", h)
	}
}

func TestMirrorWithoutBody(t *testing.T) {
	to := newMirrored(t, false)
	s := newMirrorStand(t, `{"loopback":true,"withoutBody":true,"maxBody":3,"targets":[{"url":"`+to.URL+`"}]}`)
	s.send(&filter.Exchange{}, "PUT /a", true, []string{"some", "thing"}, "Content-Length: 9")
	s.becomes(filter.CopyAnswered, 1)
	if got := to.got(); got[0] != "PUT /a "+strings.TrimPrefix(to.URL, "http://")+" " {
		t.Errorf("%q", got)
	}
}

// A path that a filter has made cannot become a part of the host.
func TestMirrorKeepsHost(t *testing.T) {
	x := &filter.Exchange{}
	x.Request.Path, x.Request.RawQuery, x.Request.HasQuery = "0@evil.test", "a", true
	for in, want := range map[string]string{"http://a.test": "http://a.test/0@evil.test?a", "http://a.test{path}": "http://a.test/0@evil.test", "http://a.test/{uri}": "http://a.test//0@evil.test?a"} {
		to, err := (&MirrorTarget{URL: in}).service()
		if got := to.address(x); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}

// A body that a filter before had read whole is there at once.
func TestMirrorOfReadBody(t *testing.T) {
	to := newMirrored(t, false)
	s := newMirrorStand(t, `{"loopback":true,"maxBody":9,"targets":[{"url":"`+to.URL+`"}]}`)
	x := &filter.Exchange{}
	for _, body := range []string{"something", "something longer"} {
		x.Reset()
		if _, err := x.Request.Parse([]byte("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		x.RequestBody = strings.NewReader(body)
		s.chain.Request(x)
		x.TapEnd()
	}
	x.Reset()
	s.becomes(filter.CopyAnswered, 1)
	s.becomes(filter.CopyTooLarge, 1)
	if got := to.got(); !strings.HasSuffix(got[0], " something") {
		t.Errorf("%q", got)
	}
}

func TestMirrorPercent(t *testing.T) {
	chance := rand.New(rand.NewPCG(7, 11)).Float64
	counts := [3]*mirrorCounts{{target: "a"}, {target: "b"}, {target: "c"}}
	f := &mirror{chance: chance, maxBody: 100, memory: &mirrorMemory{most: 1 << 20}}
	for i, percent := range []float64{2.5, 60, 0} {
		c := Mirror{Timeout: 1, InFlight: 1, Queue: 1}
		to, err := parseService("http://127.0.0.1:1/")
		if err != nil {
			t.Fatal(err)
		}
		sender := newMirrorSender(&c, newMirrorService(&c), counts[i])
		t.Cleanup(func() { sender.Close() })
		f.targets = append(f.targets, mirrorTarget{url: to, percent: percent, sender: sender})
	}
	x := &filter.Exchange{}
	const requests = 20_000
	for range requests {
		x.Reset()
		if _, err := x.Request.Parse([]byte("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		f.Request(x) // and is not sent on: each copy is counted as unsent
	}
	x.Reset()
	for i, want := range []struct{ n, within uint64 }{{500, 110}, {12_000, 350}, {0, 0}} { // five times the standard deviation
		if n := counts[i].CopyCount().Results[filter.CopyUnsent]; n+want.within < want.n || n > want.n+want.within {
			t.Errorf("target %d: %d of %d, want %d, within %d", i, n, requests, want.n, want.within)
		}
	}
	if used := f.memory.used.Load(); used != 0 {
		t.Errorf("%d bytes are taken", used)
	}
}

// A target that hangs has as many copies as it may, others wait, and the rest is dropped; nobody waits for that.
func TestMirrorHangs(t *testing.T) {
	to := newMirrored(t, true)
	s := newMirrorStand(t, `{"loopback":true,"inFlight":2,"queue":3,"timeout":"60s","targets":[{"url":"`+to.URL+`"}]}`)
	x := &filter.Exchange{}
	began := time.Now()
	for range 2000 {
		s.send(x, "POST /", true, []string{"x"}, "Content-Length: 1")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("2000 requests took %v beside a mirror that hangs", took)
	}
	s.becomes(filter.CopyQueueFull, 1995)
	if _, held := s.results(); held != 5 {
		t.Errorf("%d copies are held, want 5", held)
	}
	until(t, "two copies", func() bool { return len(to.got()) == 2 })
	close(to.hold)
	s.becomes(filter.CopyAnswered, 5)
	if _, held := s.results(); held != 0 || len(to.got()) != 5 {
		t.Errorf("%d are held, %d were got", held, len(to.got()))
	}
}

func TestMirrorEnds(t *testing.T) {
	to := newMirrored(t, true)
	shared := filter.NewShared()
	spec := specOf("mirror", `{"loopback":true,"inFlight":1,"timeout":"60s","targets":[{"url":"`+to.URL+`"}]}`)
	s := &mirrorStand{policy: newPolicy(t, shared, spec), shared: shared}
	next := newPolicy(t, shared, specOf("mirror", strings.Replace(string(spec.Config), "60s", "50s", 1))) // of the next generation
	for range 3 {
		s.send(&filter.Exchange{}, "GET /", true, nil)
	}
	until(t, "a copy", func() bool { return len(to.got()) == 1 })
	began := time.Now()
	if err := s.chain.Close(); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("closed after %v: %v", time.Since(began), err)
	}
	s.becomes(filter.CopyEnded, 3)
	s.policy = next
	s.send(&filter.Exchange{}, "GET /", true, nil)
	until(t, "another copy", func() bool { return len(to.got()) == 2 })
	if got := shared.Copies(); len(got) != 1 || got[0].Target != to.URL || got[0].Held != 1 {
		t.Errorf("%+v", got)
	}
	next.chain.Close()
	if shared.Len() != 0 {
		t.Errorf("%d are left", shared.Len())
	}
}

func TestMirrorAway(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and hangs up
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	slow := newMirrored(t, true)
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	unknown.StartTLS()
	defer unknown.Close()
	for _, c := range []struct {
		config string
		want   filter.CopyResult
	}{
		{`{"loopback":true,"targets":[{"url":"` + gone.URL + `"}]}`, filter.CopyFailed},
		{`{"loopback":true,"targets":[{"url":"http://` + l.Addr().String() + `"}]}`, filter.CopyFailed},
		{`{"targets":[{"url":"` + slow.URL + `"}]}`, filter.CopyFailed}, // an address that may not be sent anything
		{`{"loopback":true,"targets":[{"url":"https://` + slow.Listener.Addr().String() + `"}]}`, filter.CopyFailed},
		{`{"loopback":true,"targets":[{"url":"` + unknown.URL + `"}]}`, filter.CopyFailed}, // nobody vouches for it
		{`{"targets":[{"url":"http://169.254.169.254/"}]}`, filter.CopyFailed},
		{`{"loopback":true,"timeout":"50ms","targets":[{"url":"` + slow.URL + `"}]}`, filter.CopyLate},
	} {
		s := newMirrorStand(t, c.config)
		s.send(&filter.Exchange{}, "GET /", true, nil)
		s.becomes(c.want, 1)
	}
}

func TestMirrorGivesUp(t *testing.T) {
	to := newMirrored(t, false)
	s := newMirrorStand(t, `{"loopback":true,"maxBody":10,"targets":[{"url":"`+to.URL+`"}]}`)
	x := &filter.Exchange{}
	s.send(x, "POST /", true, nil, "Content-Length: 11")
	s.send(x, "POST /", true, []string{"12345", "67890", "1"}, "Transfer-Encoding: chunked")
	s.becomes(filter.CopyTooLarge, 2)
	s.send(x, "POST /", true, []string{"12345", "67890"}, "Transfer-Encoding: chunked")
	s.becomes(filter.CopyAnswered, 1)
	s.send(x, "POST /", false, []string{"12345"}, "Content-Length: 10")
	s.send(x, "POST /", true, []string{"12345"}, "Content-Length: 10") // had a body that went elsewhere before
	s.send(x, "GET /", false, nil)
	s.becomes(filter.CopyUnsent, 3)
	if n := len(to.got()); n != 1 {
		t.Errorf("%d copies", n)
	}
}

func TestMirrorMemory(t *testing.T) {
	to := newMirrored(t, true)
	counts := &mirrorCounts{target: to.URL}
	url, err := parseService(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &Mirror{Timeout: Duration(time.Minute), InFlight: 1, Queue: 100, Loopback: true}
	sender := newMirrorSender(c, newMirrorService(c), counts)
	defer sender.Close()
	f := &mirror{chance: rand.Float64, maxBody: 1000, memory: &mirrorMemory{most: 1000}, targets: []mirrorTarget{{url: url, percent: 100, sender: sender}}}
	x := &filter.Exchange{}
	for range 10 {
		x.Reset()
		if _, err := x.Request.Parse([]byte("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 200\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		f.Request(x)
		x.TapPart(make([]byte, 200))
		x.TapEnd()
	}
	x.Reset()
	got := counts.CopyCount()
	if got.Held != 4 || got.Results[filter.CopyMemoryFull] != 6 {
		t.Errorf("%+v", got)
	}
	close(to.hold)
	until(t, "all memory", func() bool { return f.memory.used.Load() == 0 })
	if n := counts.CopyCount().Results[filter.CopyAnswered]; n != 4 {
		t.Errorf("%d are answered", n)
	}
}

// Many requests and their end at the same time: for the race detector.
func TestMirrorBusy(t *testing.T) {
	to := newMirrored(t, false)
	s := newMirrorStand(t, `{"loopback":true,"inFlight":4,"queue":8,"targets":[{"url":"`+to.URL+`"},{"url":"`+to.URL+`/b","percent":50}]}`)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			x := &filter.Exchange{}
			for ctx.Err() == nil {
				s.send(x, "POST /", true, []string{"some", "thing"}, "Content-Length: 9")
			}
		})
	}
	clients.Wait()
	until(t, "no copy is held", func() bool { _, held := s.results(); return held == 0 })
	for _, c := range to.got() {
		if !strings.HasSuffix(c, " something") {
			t.Fatalf("a copy is %q", c)
		}
	}
}

func TestMirrorConfig(t *testing.T) {
	for _, bad := range []string{
		`{}`, `{"targets":[]}`, `{"targets":[{}]}`, `{"targets":[{"url":"ftp://a"}]}`, `{"targets":[{"url":"http://{header.X}/"}]}`, `{"targets":[{"url":"http://a.test#b"}]}`,
		`{"targets":[{"url":"http://u@a.test/"}]}`, `{"targets":[{"url":"http://a{id}{uri}"}]}`, `{"targets":[{"url":"http://{uri}"}]}`, `{"targets":[{"url":"http://a","percent":101}]}`, `{"targets":[{"url":"http://a","percent":-1}]}`, `{"targets":[{"url":"http://a"}],"percent":100.5}`,
		`{"targets":[{"url":"http://a","host":"a/b"}]}`, `{"targets":[{"url":"http://a","host":"{x}"}]}`, `{"targets":[{"url":"http://a"}],"maxBody":16777217}`,
		`{"targets":[{"url":"http://a"}],"timeout":"61s"}`, `{"targets":[{"url":"http://a"}],"inFlight":1025}`, `{"targets":[{"url":"http://a"}],"queue":10001}`,
		`{"targets":[` + strings.Repeat(`{"url":"http://a"},`, 8) + `{"url":"http://a"}]}`,
	} {
		if _, err := Kinds().Check(specOf("mirror", bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	for n, taken := range map[int]bool{0: false, 1: true, 8: true, 9: false} {
		s := specOf("mirror", `{"percent":10}`)
		s.Upstreams = make([]model.UpstreamID, n)
		if _, err := Kinds().Check(s); (err == nil) != taken {
			t.Errorf("%d upstreams: %v", n, err)
		}
	}
	for _, good := range []string{`{"targets":[{"url":"http://a"}]}`, `{"targets":[{"url":"http://a{uri}"}]}`, `{"targets":[{"url":"https://{host}.shadow.test:8443/x?{uri}","host":"{authority}","percent":0}]}`} {
		if _, err := Kinds().Check(specOf("mirror", good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
