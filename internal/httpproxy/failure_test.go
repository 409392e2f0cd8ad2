package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
)

// refusing is an address where nothing listens.
func refusing(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestRefusedEndpointIsPassedOver(t *testing.T) {
	rec := newRecorder(t, echo)
	s := newStand(t, nil)
	s.list("u", refusing(t), refusing(t), rec.Addr().String())
	s.route("all", "/", "u")
	s.publish()
	c := s.dial()
	for i := range 4 {
		if r := c.send(post("/", "hello", "Content-Length: 5")).receive("POST"); r.echoed(t).Body != "hello" {
			t.Fatalf("request %d: %+v", i, r)
		}
	}
	tried := 0
	for i := range 4 {
		tried += s.last(i + 1).Tries
	}
	if tried > 6 { // each dead endpoint costs one try, once
		t.Errorf("%d tries", tried)
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := newStand(t, nil)
	s.list("dead", refusing(t))
	s.list("empty")
	s.route("dead", "/dead", "dead")
	s.route("empty", "/empty", "empty")
	s.route("unknown", "/unknown", "unknown")
	s.route("none", "/none", "dead", func(r *model.Route) { r.Action = model.Forward{} })
	s.publish()
	c := s.dial()
	for path, want := range map[string]string{
		"/dead": "502 connect-refused", "/empty": "503 no-endpoints", "/unknown": "503 endpoints-unknown", "/none": "503 no-target",
	} {
		r := c.send(get(path)).receive("GET")
		if !strings.HasPrefix(r.status, "HTTP/1.1 "+want[:3]) || r.head["x-paifang-reason"] != want[4:] || strings.Contains(r.body, "127.") {
			t.Errorf("%s: %+v, want %s", path, r, want)
		}
	}
}

func TestUnknownListIsWaitedFor(t *testing.T) {
	rec := newRecorder(t, echo)
	s := newStand(t, nil)
	s.route("all", "/", "u")
	s.publish()
	c := s.dial().send(get("/"))
	time.AfterFunc(20*time.Millisecond, func() { s.list("u", rec.Addr().String()) })
	if r := c.receive("GET"); r.status != "HTTP/1.1 200 OK" {
		t.Errorf("%+v", r)
	}
}

// dying answers n requests on a connection and closes it when the next one arrives.
func dying(n int) answerFunc {
	return func(c net.Conn, r *bufio.Reader) {
		for range n {
			if _, err := readRequest(r); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		readRequest(r)
	}
}

func TestKeptConnectionThatDies(t *testing.T) {
	s, rec := simple(t, dying(1), nil)
	c := s.dial()
	for range 5 {
		if r := c.send(get("/")).receive("GET"); r.body != "ok" {
			t.Fatalf("%+v", r)
		}
	}
	if rec.connections() != 5 {
		t.Errorf("%d connections", rec.connections())
	}
	if a := s.last(5); a.Tries != 1 || a.Resent != 1 {
		t.Errorf("the log tells of %d tries and %d sent again, want 1 and 1", a.Tries, a.Resent)
	}
	// What is not idempotent is not sent twice: it has reached the endpoint.
	r := c.send(post("/", "x", "Content-Length: 1")).receive("POST")
	if !strings.HasPrefix(r.status, "HTTP/1.1 502") || r.head["x-paifang-reason"] != "kept-closed" {
		t.Errorf("%+v", r)
	}
	if a := s.last(6); a.Status != 502 || a.Reason != "kept-closed" || a.Endpoint.String() != rec.Addr().String() || a.Tries != 1 || a.Resent != 0 {
		t.Errorf("%+v", a)
	}
	n := 0
	for _, l := range rec.requests() {
		if strings.HasPrefix(l, "POST") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the request was sent %d times", n)
	}
}

func TestConnectionKnownToBeDeadIsNotUsed(t *testing.T) {
	var served atomic.Int32
	s, rec := simple(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err == nil {
			served.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") // and closes: with no word in the head
		}
	}, nil)
	c := s.dial()
	for i := range 5 {
		eventually(t, func() bool { rec.mu.Lock(); defer rec.mu.Unlock(); return len(rec.open) == 0 }) // the FIN is there
		if r := c.send(post("/", "x", "Content-Length: 1")).receive("POST"); r.body != "ok" {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if served.Load() != 5 {
		t.Errorf("served %d", served.Load())
	}
}

func TestUpstreamFailures(t *testing.T) {
	for what, c := range map[string]struct {
		answer string
		want   string // status and reason, "" if the head is out already
		reason string
	}{
		"reset":            {"", "502", "upstream-reset"},
		"cut in head":      {"HTTP/1.1 200 OK\r\nConte", "502", "upstream-reset"},
		"two framings":     {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "502", "upstream-protocol"},
		"bare LF":          {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "502", "upstream-protocol"},
		"garbage":          {"SSH-2.0-x\r\n", "502", "upstream-protocol"},
		"unasked upgrade":  {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "502", "upgrade-unasked"},
		"too many interim": {strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20), "502", "upstream-protocol"},
		"body on 204":      {"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", "502", "upstream-protocol"},
		"head too large":   {"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 90), "502", "upstream-protocol"},
		"cut in body":      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "", "upstream-reset"},
		"cut in chunks":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", "upstream-reset"},
		"bad chunk":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n", "502", "upstream-protocol"},
	} {
		t.Run(what, func(t *testing.T) {
			s, _ := simple(t, func(cn net.Conn, r *bufio.Reader) {
				if _, err := readRequest(r); err == nil {
					io.WriteString(cn, c.answer)
				}
			}, nil)
			cl := s.dial().send(get("/"))
			r, err := readReply(cl.r, "GET")
			a := s.last(1)
			if a.Reason != c.reason {
				t.Errorf("%+v", a)
			}
			if c.want == "" {
				// The client must not take the part for the whole.
				if err == nil || a.Status != 200 {
					t.Errorf("%+v, %v; %+v", r, err, a)
				}
				return
			}
			if err != nil || !strings.HasPrefix(r.status, "HTTP/1.1 "+c.want) || r.head["x-paifang-reason"] != c.reason {
				t.Errorf("%+v, %v", r, err)
			}
			if a.Endpoint.Port() == 0 || a.Tries != 1 {
				t.Errorf("not attributed: %+v", a)
			}
			// The client's connection goes on.
			cl.send(get("/")).receive("GET")
		})
	}
}

func TestExcessAfterAnAnswerIsNotTheNextAnswer(t *testing.T) {
	s, rec := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), nil)
	for range 4 {
		if r := s.dial().send(get("/")).receive("GET"); r.body != "ok" {
			t.Errorf("%+v", r)
		}
	}
	if rec.connections() != 4 {
		t.Errorf("a poisoned connection was used again: %d connections", rec.connections())
	}
}

// What an endpoint says between two requests is nobody's answer, whatever the next request is.
func TestWordsBetweenRequestsAreNoAnswer(t *testing.T) {
	for what, unasked := range map[string]string{
		"second answer": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
		"idle timeout":  "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			speak, spoken := make(chan struct{}, 5), make(chan struct{}, 5)
			s, rec := simple(t, func(c net.Conn, r *bufio.Reader) {
				for {
					if _, err := readRequest(r); err != nil {
						return
					}
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					<-speak
					io.WriteString(c, unasked)
					spoken <- struct{}{}
				}
			}, nil)
			t.Cleanup(func() { close(speak) })
			for i := range 5 {
				if r := s.dial().send(get("/")).receive("GET"); r.body != "ok" {
					t.Fatalf("request %d was answered with %+v", i, r)
				}
				s.last(i + 1) // the request is over, and its connection put back
				speak <- struct{}{}
				<-spoken
			}
			if n := rec.connections(); n != 5 {
				t.Errorf("%d connections for 5 requests: one was used again", n)
			}
		})
	}
}

func TestEarlyAnswerClosesBothConnections(t *testing.T) {
	s, rec := simple(t, func(c net.Conn, r *bufio.Reader) {
		for {
			l, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if l == "\r\n" {
				break
			}
		}
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n")
		io.Copy(io.Discard, r)
	}, nil)
	c := s.dial()
	c.send(post("/", strings.Repeat("x", 1000), "Content-Length: 10000000"))
	r := c.receive("POST")
	if !strings.HasPrefix(r.status, "HTTP/1.1 413") || r.body != "no\n" || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	c.closed()
	eventually(t, func() bool { rec.mu.Lock(); defer rec.mu.Unlock(); return len(rec.open) == 0 })
}

func TestClientThatLeavesWithinItsBody(t *testing.T) {
	s, rec := simple(t, echo, nil)
	for i, in := range []string{
		post("/", "hel", "Content-Length: 5"),
		post("/", strings.Repeat("x", 1000), "Content-Length: 1000000"),
		post("/", "5\r\nhello\r\n", "Transfer-Encoding: chunked"),
	} {
		c := s.dial().send(in)
		c.Close()
		if a := s.last(i + 1); a.Reason != "client-left" || a.Status != 499 {
			t.Errorf("%+v", a)
		}
	}
	if n := len(rec.requests()); n != 0 {
		t.Errorf("%d requests were completed for an upstream", n)
	}
}

func TestBadChunkInAStream(t *testing.T) {
	s, rec := simple(t, echo, nil)
	c := s.dial().send(post("/", "5\r\nhello\r\n", "Transfer-Encoding: chunked"))
	eventually(t, func() bool { return strings.Contains(rec.seen(), "hello") })
	c.send("zz\r\nGET /smuggled HTTP/1.1\r\nHost: s\r\n\r\n")
	r := c.receive("POST")
	if !strings.HasPrefix(r.status, "HTTP/1.1 400") || r.head["x-paifang-reason"] != "bad-chunk-size" {
		t.Errorf("%+v", r)
	}
	c.closed()
	if len(rec.requests()) != 0 || strings.Contains(rec.seen(), "smuggled") || strings.Contains(rec.seen(), "0\r\n\r\n") {
		t.Errorf("%q", rec.seen())
	}
}

func short(_ *stand, c *Config) {
	c.Timeouts = Timeouts{Handshake: 80 * time.Millisecond, RequestHead: 80 * time.Millisecond, Idle: 80 * time.Millisecond, RequestBody: 80 * time.Millisecond,
		Connect: 80 * time.Millisecond, Response: 80 * time.Millisecond, ResponseBody: 80 * time.Millisecond, Write: 80 * time.Millisecond,
		Upgraded: 80 * time.Millisecond, Drain: time.Second, RetiredStream: 80 * time.Millisecond}
}

// slow answers the head and a part of the body and then nothing more.
func slow(answer string) answerFunc {
	return func(c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err != nil {
			return
		}
		io.WriteString(c, answer)
		io.Copy(io.Discard, r)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		s, _ := simple(t, echo, short)
		c := s.dial()
		c.closed()
		c = s.dial().send(get("/"))
		c.receive("GET")
		c.closed()
		if a := s.last(1); len(s.records) != 1 {
			t.Errorf("an idle connection is logged: %+v %v", a, s.records)
		}
	})
	t.Run("head", func(t *testing.T) {
		s, _ := simple(t, echo, short)
		c := s.dial().send("GET / HTT")
		if r := c.receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 408") || r.head["x-paifang-reason"] != "request-timeout" {
			t.Errorf("%+v", r)
		}
		c.closed()
	})
	t.Run("dripped head", func(t *testing.T) {
		s, _ := simple(t, echo, short)
		c := s.dial()
		began := time.Now()
		for i := 0; time.Since(began) < 5*time.Second; i++ {
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.test\r\nA: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[min(i, 80):min(i, 80)+1]); err != nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a dripping client was served for %v", took)
		}
	})
	t.Run("body", func(t *testing.T) {
		s, rec := simple(t, echo, short)
		for i, in := range []string{post("/", "hel", "Content-Length: 5"), post("/", "5\r\nhel", "Transfer-Encoding: chunked"), post("/", "x", "Content-Length: 1000000")} {
			c := s.dial().send(in)
			if r := c.receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 408") || s.last(i+1).Reason != "request-timeout" {
				t.Errorf("%q: %+v", in, r)
			}
			c.closed()
		}
		if len(rec.requests()) != 0 {
			t.Errorf("%q", rec.requests())
		}
	})
	t.Run("answer", func(t *testing.T) {
		s, rec := simple(t, slow("HTTP/1.1 200"), short)
		c := s.dial()
		for range 2 {
			r := c.send(get("/")).receive("GET")
			if !strings.HasPrefix(r.status, "HTTP/1.1 504") || r.head["x-paifang-reason"] != "upstream-timeout" {
				t.Errorf("%+v", r)
			}
		}
		if a := s.last(1); a.Endpoint.String() != rec.Addr().String() {
			t.Errorf("%+v", a)
		}
	})
	t.Run("answer to a streamed request", func(t *testing.T) {
		s, _ := simple(t, slow(""), short)
		body := strings.Repeat("x", 100_000)
		r := s.dial().send(post("/", body, "Content-Length: 100000")).receive("POST")
		if !strings.HasPrefix(r.status, "HTTP/1.1 504") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("route's own", func(t *testing.T) {
		rec := newRecorder(t, slow(""))
		s := newStand(t, nil)
		s.list("u", rec.Addr().String())
		s.route("all", "/", "u", func(r *model.Route) { r.Timeouts.Response = 50 * time.Millisecond })
		s.publish()
		began := time.Now()
		if r := s.dial().send(get("/")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 504") || time.Since(began) > 5*time.Second {
			t.Errorf("%+v after %v", r, time.Since(began))
		}
	})
	for _, head := range []string{"Content-Length: 10", "Transfer-Encoding: chunked\r\nX: y", "Content-Length: 1000000"} {
		t.Run("body of the answer "+head, func(t *testing.T) {
			s, _ := simple(t, slow("HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n5\r\n"), short)
			c := s.dial().send(get("/"))
			if r, err := readReply(c.r, "GET"); err == nil {
				t.Errorf("%+v", r)
			}
			if a := s.last(1); a.Reason != "upstream-timeout" || a.Status != 200 {
				t.Errorf("%+v", a)
			}
		})
	}
	for _, framing := range []string{"Content-Length: 100000000\r\n", ""} { // spliced, and copied
		t.Run("client that does not read "+framing, func(t *testing.T) {
			s, _ := simple(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := readRequest(r); err != nil {
					return
				}
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\n", framing)
				b := make([]byte, 1<<20)
				for range 100 {
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			}, short)
			s.dial().send(get("/"))
			if a := s.last(1); a.Reason != "client-slow" {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestClientThatLeavesBeforeTheAnswer(t *testing.T) {
	gone := make(chan struct{})
	s, _ := simple(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err == nil {
			io.Copy(io.Discard, r) // until the engine closes
			close(gone)
		}
	}, nil)
	s.dial().send(get("/")).Close()
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Fatal("the upstream request goes on")
	}
	if a := s.last(1); a.Reason != "client-left" || a.Status != 499 || a.Endpoint.Port() == 0 {
		t.Errorf("%+v", a)
	}
}

func TestUpstreamThatTakesNoBody(t *testing.T) {
	t.Parallel()
	s, rec := simple(t, func(c net.Conn, _ *bufio.Reader) {
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		time.Sleep(time.Second) // reads nothing
	}, short)
	c := s.dial()
	size := 64 << 20
	c.send(post("/", "", fmt.Sprintf("Content-Length: %d", size)))
	go io.Copy(c, io.LimitReader(zeros{}, int64(size)))
	r := c.receive("POST")
	if !strings.HasPrefix(r.status, "HTTP/1.1 504") || s.last(1).Reason != "upstream-timeout" || s.last(1).Endpoint.String() != rec.Addr().String() {
		t.Errorf("%+v %+v", r, s.last(1))
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestDrippedBodyIsCut(t *testing.T) {
	s, rec := simple(t, echo, func(s *stand, c *Config) { short(s, c); c.Timeouts.Request = 200 * time.Millisecond })
	c := s.dial().send(post("/", "", "Content-Length: 60000"))
	began := time.Now()
	for time.Since(began) < 10*time.Second {
		if _, err := io.WriteString(c, "x"); err != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if took := time.Since(began); took > 3*time.Second || len(rec.requests()) != 0 {
		t.Errorf("a dripping client was served for %v", took)
	}
}
