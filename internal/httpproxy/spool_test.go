package httpproxy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// sum is a filter that wants the body whole: it adds its length, its first and last byte, or refuses by what is in it.
type sum struct {
	Limit  int64  `json:"limit"`
	Refuse string `json:"refuse,omitempty"` // bodies with this text
}

func (sum) Validate() error { return nil }

func (f sum) BodyLimit() int64 { return f.Limit }

func (f sum) Request(x *filter.Exchange) filter.Verdict {
	b := x.RequestBody
	if b == nil {
		x.Request.Fields.Set("X-Sum", "none")
		return filter.Continue
	}
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil || int64(len(text)) != b.Size() {
		return x.Respond(500, "cannot-read", err.Error())
	}
	var past [2]byte
	if n, err := b.ReadAt(past[:], b.Size()-1); n != 1 || !errors.Is(err, io.EOF) {
		return x.Respond(500, "reads-past-its-end", "")
	}
	if f.Refuse != "" && strings.Contains(string(text), f.Refuse) {
		return x.Respond(403, "refused", "No.\n")
	}
	x.Request.Fields.Set("X-Sum", fmt.Sprintf("%d %c %c", len(text), text[0], text[len(text)-1]))
	return filter.Continue
}

// summing is a stand whose route "/" wants bodies whole, with a directory for those that are long.
func summing(t testing.TB, f answerFunc, config string, change func(*stand, *Config)) (*stand, *recorder, string) {
	dir := t.TempDir()
	rec := newRecorder(t, f)
	s := newStand(t, func(s *stand, c *Config) {
		withProbe(s, c)
		c.Filters = append(c.Filters, filter.Define("sum", func(f sum, _ filter.Env) (filter.Filter, error) { return f, nil }))
		c.Spill.Dir = dir
		if change != nil {
			change(s, c)
		}
	})
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u", func(r *model.Route) { r.Filters = []model.FilterSpec{{Kind: "sum", Config: json.RawMessage(config)}} })
	s.publish()
	return s, rec, dir
}

// empty fails if a file is left.
func empty(t testing.TB, dir string) {
	t.Helper()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("files are left: %v %v", files, err)
	}
}

func TestWholeBodies(t *testing.T) {
	s, rec, dir := summing(t, echo, `{"limit":1000000}`, nil)
	c := s.dial()
	mid, big := "<"+strings.Repeat("x", 50_000)+">", "<"+strings.Repeat("0123456789", 60_000)+">"
	chunks := func(body string, size int) string {
		var b strings.Builder
		for len(body) > 0 {
			n := min(size, len(body))
			fmt.Fprintf(&b, "%x;a=b\r\n%s\r\n", n, body[:n])
			body = body[n:]
		}
		return b.String() + "0\r\n"
	}
	for what, q := range map[string]struct{ send, body, sum, length string }{
		"sized":                 {post("/", "hello", "Content-Length: 5"), "hello", "5 h o", "5"},
		"gathered":              {post("/", mid, fmt.Sprintf("Content-Length: %d", len(mid))), mid, fmt.Sprintf("%d < >", len(mid)), fmt.Sprint(len(mid))},
		"in a file":             {post("/", big, fmt.Sprintf("Content-Length: %d", len(big))), big, fmt.Sprintf("%d < >", len(big)), fmt.Sprint(len(big))},
		"chunked":               {post("/", chunks("hello", 2)+"\r\n", chunked), "hello", "5 h o", "5"},
		"chunked, in a file":    {post("/", chunks(big, 30_000)+"\r\n", chunked), big, fmt.Sprintf("%d < >", len(big)), fmt.Sprint(len(big))},
		"empty chunked":         {post("/", "0\r\n\r\n", chunked), "", "none", "0"},
		"trailers":              {post("/", chunks("hello", 5)+"X: y\r\n\r\n", "Trailer: X", chunked), "hello", "5 h o", ""},
		"trailers, in a file":   {post("/", chunks(big, 70_000)+"X: y\r\n\r\n", "Trailer: X", chunked), big, fmt.Sprintf("%d < >", len(big)), ""},
		"trailers of nothing":   {post("/", "0\r\nX: y\r\n\r\n", "Trailer: X", chunked), "", "none", ""},
		"none":                  {get("/"), "", "none", ""},
		"length of zero":        {post("/", "", "Content-Length: 0"), "", "none", "0"},
		"as long as is allowed": {post("/", strings.Repeat("x", 1_000_000), "Content-Length: 1000000"), strings.Repeat("x", 1_000_000), "1000000 x x", "1000000"},
	} {
		for range 2 { // so that what is left over would be seen
			e := c.send(q.send).receive("POST").echoed(t)
			if e.Body != q.body || e.Head["x-sum"] != q.sum || e.Head["content-length"] != q.length {
				t.Errorf("%s: %d bytes, %v", what, len(e.Body), e.Head)
			}
			if _, ok := e.Head["trailer X: y"]; ok != strings.HasPrefix(what, "trailers") {
				t.Errorf("%s: %v", what, e.Head)
			}
			if (e.Head["content-length"] == "") != (e.Head["transfer-encoding"] != "" || what == "none") {
				t.Errorf("%s: framed as %v", what, e.Head)
			}
		}
	}
	if n := len(rec.requests()); n != 24 {
		t.Errorf("%d requests", n)
	}
	eventually(t, func() bool { return s.plane.spilled.Load() == 0 })
	empty(t, dir)
}

// TestPolicyOnBodiesHolds: a body that is too long, or refused, never reaches an upstream, however it is framed.
func TestPolicyOnBodiesHolds(t *testing.T) {
	s, rec, dir := summing(t, echo, `{"limit":100000,"refuse":"attack"}`, nil)
	long := strings.Repeat("x", 100_001)
	for what, q := range map[string]struct {
		send, want string
		open       bool
	}{
		"length":                     {post("/", "", "Content-Length: 100001"), "413 body-too-large", false},
		"length, and the body":       {post("/", long, "Content-Length: 100001"), "413 body-too-large", false},
		"length, and an expectation": {post("/", "", "Content-Length: 100001", "Expect: 100-continue"), "413 body-too-large", false},
		"chunks":                     {post("/", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(long), long), chunked), "413 body-too-large", false},
		"many chunks":                {post("/", strings.Repeat("5\r\nhello\r\n", 20_001)+"0\r\n\r\n", chunked), "413 body-too-large", false},
		"chunks without end":         {post("/", strings.Repeat("3e8\r\n"+strings.Repeat("x", 1000)+"\r\n", 200), chunked), "413 body-too-large", false},
		"one chunk without end":      {post("/", "fffffffff\r\n"+long, chunked), "413 body-too-large", false},
		"refused":                    {post("/", "an attack", "Content-Length: 9"), "403 refused", true},
		"refused in chunks":          {post("/", "5\r\nan at\r\n4\r\ntack\r\n0\r\n\r\n", chunked), "403 refused", true},
		"refused at the end":         {post("/", strings.Repeat("x", 90_000)+"attack", "Content-Length: 90006"), "403 refused", true},
		"bad chunk":                  {post("/", "5\r\nhello\r\nzz\r\n", chunked), "400 bad-chunk-size", false},
		"bad chunk, in a file":       {post("/", "15f90\r\n"+strings.Repeat("x", 90_000)+"\r\nzz\r\n", chunked), "400 bad-chunk-size", false},
	} {
		t.Run(what, func(t *testing.T) {
			c := dialTo(t, s.addr("front"))
			go io.WriteString(c.Conn, q.send)
			r := c.receive("POST")
			status, reason, _ := strings.Cut(q.want, " ")
			if !strings.HasPrefix(r.status, "HTTP/1.1 "+status) || r.head["x-paifang-reason"] != reason {
				t.Errorf("%+v", r)
			}
			if !q.open {
				return
			}
			if e := c.send(post("/", "ok", "Content-Length: 2")).receive("POST").echoed(t); e.Body != "ok" {
				t.Errorf("%+v", e)
			}
		})
	}
	if got := rec.requests(); len(got) != 3 || strings.Contains(rec.seen(), "attack") || strings.Contains(rec.seen(), "xxx") {
		t.Errorf("%q", got)
	}
	eventually(t, func() bool { return s.plane.spilled.Load() == 0 })
	empty(t, dir)
}

// narrow lets bodies have so many bytes.
type narrow struct{ most int64 }

func (f narrow) Request(x *filter.Exchange) filter.Verdict {
	x.MaxBody = f.most
	return filter.Continue
}

// TestNarrowerLimitInFront: a body of unknown length that is read whole is held to the limit of a filter in front, too.
func TestNarrowerLimitInFront(t *testing.T) {
	s, rec, dir := summing(t, echo, `{"limit":1000000}`, func(_ *stand, c *Config) {
		c.Filters = append(c.Filters, filter.Define("narrow", func(probe, filter.Env) (filter.Filter, error) { return narrow{5}, nil }))
	})
	s.routes = nil
	s.route("all", "/", "u", func(r *model.Route) {
		r.Filters = []model.FilterSpec{{Kind: "narrow"}, {Kind: "sum", Config: json.RawMessage(`{"limit":1000000}`)}}
	})
	s.publish()
	c := s.dial()
	if e := c.send(post("/", hello, chunked)).receive("POST").echoed(t); e.Body != "hello" {
		t.Errorf("%+v", e)
	}
	for _, body := range []string{"6\r\nhello!\r\n0\r\n\r\n", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"} {
		if r := s.dial().send(post("/", body, chunked)).receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 413") || r.head["x-paifang-reason"] != "body-too-large" {
			t.Errorf("%+v", r)
		}
	}
	if n := len(rec.requests()); n != 1 {
		t.Errorf("%d requests upstream", n)
	}
	empty(t, dir)
}

func TestExpectationOfAWholeBody(t *testing.T) {
	s, _, _ := summing(t, echo, `{"limit":100000}`, nil)
	c := s.dial()
	for _, framing := range []string{"Content-Length: 5", chunked} {
		c.send(post("/", "", "Expect: 100-continue", framing))
		if r := c.receive("POST"); r.status != "HTTP/1.1 100 Continue" {
			t.Fatalf("%+v", r)
		}
		body := "hello"
		if framing == chunked {
			body = hello
		}
		if e := c.send(body).receive("POST").echoed(t); e.Body != "hello" || e.Head["expect"] != "" {
			t.Errorf("%+v", e)
		}
	}
}

// TestFiltersBeforeComeFirst: a filter that refuses before the body is asked for does so without it.
func TestFiltersBeforeComeFirst(t *testing.T) {
	s, rec, _ := summing(t, echo, `{"limit":100000}`, nil)
	s.routes = nil
	s.route("all", "/", "u", probes(`{"name":"a","answer":401}`), func(r *model.Route) {
		r.Filters = append(r.Filters, model.FilterSpec{Kind: "sum", Config: json.RawMessage(`{"limit":100000}`)})
	})
	s.publish()
	c := s.dial().send(post("/", "", "Expect: 100-continue", "Content-Length: 50000"))
	if r := c.receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 401") || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	if rec.seen() != "" {
		t.Errorf("%q", rec.seen())
	}
}

func TestSlowWholeBodies(t *testing.T) {
	s, rec, dir := summing(t, echo, `{"limit":10000000}`, short)
	for i, in := range []string{
		post("/", "hel", "Content-Length: 5"), post("/", "5\r\nhel", chunked), post("/", strings.Repeat("x", 100_000), "Content-Length: 1000000"),
	} {
		c := s.dial().send(in)
		if r := c.receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 408") || s.last(i+1).Reason != "request-timeout" {
			t.Errorf("%+v", r)
		}
		c.closed()
	}
	c := s.dial().send(post("/", strings.Repeat("x", 100_000), "Content-Length: 1000000"))
	c.Close()
	if a := s.last(4); a.Reason != "client-left" || a.Status != 499 {
		t.Errorf("%+v", a)
	}
	if rec.seen() != "" {
		t.Errorf("%.100q", rec.seen())
	}
	eventually(t, func() bool { return s.plane.spilled.Load() == 0 })
	empty(t, dir)
}

// TestSpillIsBounded: all bodies in files together stay within the bound, and a directory that cannot be written to is
// an answer.
func TestSpillIsBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s, _, dir := summing(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err == nil {
			<-release
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}, `{"limit":1000000}`, func(_ *stand, c *Config) { c.Spill.Total = 250_000 })
	body := post("/", strings.Repeat("x", 100_000), "Content-Length: 100000")
	first, second := s.dial().send(body), s.dial().send(body)
	eventually(t, func() bool { return s.plane.spilled.Load() == 200_000 })
	third := s.dial()
	go io.WriteString(third.Conn, body)
	if r := third.receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 503") || r.head["x-paifang-reason"] != string(CodeSpillFull) {
		t.Errorf("%+v", r)
	}
	small := s.dial().send(post("/", strings.Repeat("x", 60_000), "Content-Length: 60000")) // in memory
	close(release)
	for _, c := range []*client{first, second, small} {
		if r := c.receive("POST"); r.body != "ok" {
			t.Errorf("%+v", r)
		}
	}
	eventually(t, func() bool { return s.plane.spilled.Load() == 0 })
	empty(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c := s.dial()
	go io.WriteString(c.Conn, body)
	if r := c.receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 500") || r.head["x-paifang-reason"] != string(CodeSpillFailed) {
		t.Errorf("%+v", r)
	}
}

// TestWholeBodyIsSentAgain: with the body at hand a request that may be repeated is, also from a file; the answer of an
// upstream that does not wait for the end is passed on, and its connection given up.
func TestWholeBodyIsSentAgain(t *testing.T) {
	var mu sync.Mutex
	n := 0
	s, rec, _ := summing(t, func(c net.Conn, r *bufio.Reader) {
		for {
			q, err := readRequest(r)
			if err != nil {
				return
			}
			mu.Lock()
			n++
			die := n == 2
			mu.Unlock()
			if die { // a kept connection dies with a request on it
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d", len(fmt.Sprint(len(q.body))), len(q.body))
		}
	}, `{"limit":10000000}`, nil)
	c := s.dial()
	put := strings.Replace(post("/", strings.Repeat("x", 300_000), "Content-Length: 300000"), "POST", "PUT", 1)
	for range 3 {
		if r := c.send(put).receive("PUT"); r.body != "300000" {
			t.Fatalf("%+v", r)
		}
	}
	if got := len(rec.requests()); got != 4 {
		t.Errorf("%d requests reached the upstream", got)
	}

	s, rec, _ = summing(t, func(c net.Conn, r *bufio.Reader) {
		for l := ""; l != "\r\n"; {
			var err error
			if l, err = r.ReadString('\n'); err != nil {
				return
			}
		}
		io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n")
		time.Sleep(50 * time.Millisecond) // it reads nothing for a while
		io.Copy(io.Discard, r)
	}, `{"limit":100000000}`, nil)
	c = s.dial()
	big := post("/", strings.Repeat("x", 20_000_000), "Content-Length: 20000000")
	for range 2 {
		if r := c.send(big).receive("POST"); r.body != "no\n" || r.head["connection"] != "" {
			t.Fatalf("%+v", r)
		}
	}
	if rec.connections() != 2 {
		t.Errorf("%d connections: one was used again although it had not taken the request", rec.connections())
	}
}

// TestAnswerInTheMidstOfAFile: an endpoint that answers before it has taken a body from a file gets no more of it, and its
// connection is not used again. The next try sends the body from its beginning.
func TestAnswerInTheMidstOfAFile(t *testing.T) {
	var text strings.Builder
	for i := range 2 << 20 {
		fmt.Fprintf(&text, "%08d", i)
	}
	body := text.String() // more than the kernel takes for who does not read
	var asked atomic.Int32
	second, got := make(chan struct{}), make(chan int64, 1)
	serve := func(c net.Conn, r *bufio.Reader) {
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			switch asked.Add(1) {
			case 1:
				io.WriteString(c, "HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nnot")
				<-second
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				n, err := io.Copy(io.Discard, r)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection of a try that was given up is kept")
				}
				got <- n
				return
			case 2:
				close(second)
			}
			all, err := io.ReadAll(q.Body)
			if err != nil {
				return
			}
			answer := fmt.Sprint(string(all) == body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		}
	}
	dir := t.TempDir()
	s := newStand(t, func(_ *stand, c *Config) { c.Spill = Spill{Dir: dir, Total: 64 << 20} })
	s.list("u", newRecorder(t, serve).Addr().String(), newRecorder(t, serve).Addr().String())
	s.over("all", "/", model.Upstream{ID: "u", Ejection: model.Ejection{Off: true}}, func(r *model.Route) {
		f := r.Action.(model.Forward)
		f.Gather = 32 << 20
		f.Retry = model.Retry{On: []model.RetryOn{model.RetryGateway}, NonIdempotent: true, Backoff: quick}
		r.Action = f
	})
	s.publish()
	c := s.dial().send(post("/", body, fmt.Sprintf("Content-Length: %d", len(body))))
	if r := c.receive("POST"); r.status != "HTTP/1.1 200 OK" || string(r.body) != "true" {
		t.Fatalf("%+v", r)
	}
	if n := <-got; n >= int64(len(body)) {
		t.Errorf("an endpoint that had answered was sent all of %d bytes", n)
	}
	if a := s.last(1); a.Tries != 2 {
		t.Errorf("%+v", a)
	}
	if r := c.send(get("/")).receive("GET"); r.status != "HTTP/1.1 200 OK" {
		t.Errorf("the client's connection, after that: %+v", r)
	}
	eventually(t, func() bool { return s.plane.spilled.Load() == 0 })
	empty(t, dir)
}
