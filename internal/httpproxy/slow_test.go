package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"paifang/internal/listener"
	"paifang/internal/model"
)

// drip sends text byte by byte, one each 5 ms, until the other side ends it, and returns how long that took.
func drip(t *testing.T, c net.Conn, text string) time.Duration {
	t.Helper()
	began := time.Now()
	for i := 0; time.Since(began) < 10*time.Second; i++ {
		if _, err := io.WriteString(c, text[i%len(text):i%len(text)+1]); err != nil {
			return time.Since(began)
		}
		time.Sleep(5 * time.Millisecond) // the pace of the client, not a wait
	}
	t.Error("it goes on for ever")
	return time.Since(began)
}

// TestSlowClients: in every phase a client that drips is cut after a time that its dripping does not extend, and nothing
// of it is ever completed for an upstream.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	quick := func(s *stand, c *Config) {
		short(s, c)
		c.Timeouts.RequestBody, c.Timeouts.Request = 5*time.Second, 150*time.Millisecond
	}
	for what, c := range map[string]struct {
		first, rest string
		listener    model.ListenerID
	}{
		"head":                   {"", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 20), "front"},
		"field of a head":        {"GET / HTTP/1.1\r\nHost: shop.test\r\nA: ", "a", "front"},
		"head of a second one":   {get("/warm"), "GET / HTTP/1.1\r\nA: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "front"},
		"small body":             {post("/", "", "Content-Length: 60000"), "x", "front"},
		"large body":             {post("/", "", "Content-Length: 6000000"), "x", "front"},
		"chunks of a byte":       {post("/", "", chunked), "1\r\nx\r\n", "front"},
		"size of a chunk":        {post("/", "5\r\nhello\r\n", chunked), "0", "front"},
		"extension of a chunk":   {post("/", "5\r\nhello\r\n5;", chunked), "a", "front"},
		"trailers":               {post("/", "5\r\nhello\r\n0\r\n", chunked), "A: b\r\n", "front"},
		"body after expectation": {post("/", "", "Expect: 100-continue", "Content-Length: 6000000"), "x", "front"},
		"body nobody wants":      {"POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 6000000\r\n\r\n", "x", "front"},
		"handshake":              {"", "\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03" + strings.Repeat("\x00", 200), "tls"},
		"handshake in records":   {"", "\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x01\x00", "tls"},
	} {
		t.Run(what, func(t *testing.T) {
			rec := newRecorder(t, echo)
			s := newStand(t, func(s *stand, c *Config) { quick(s, c); withTLS(s, c) })
			s.list("u", rec.Addr().String())
			s.route("all", "/", "u", func(r *model.Route) { r.Hosts = []model.Host{"shop.test"} })
			s.publish()
			cl := dialTo(t, s.addr(c.listener)).send(c.first)
			done := make(chan struct{})
			go func() { // what is answered is read, so that nothing but the client's own pace holds it up
				defer close(done)
				io.Copy(io.Discard, cl.Conn)
			}()
			if took := drip(t, cl.Conn, c.rest); took > 4*time.Second {
				t.Errorf("it was served for %v", took)
			}
			cl.Close()
			<-done
			s.finish(t, rec)
			for _, l := range rec.requests() {
				if !strings.Contains(l, "/warm") {
					t.Errorf("completed: %q", l)
				}
			}
		})
	}
}

// TestSteadyUploadIsNotCut: a body that takes longer than Timeouts.Request goes on as long as it flows.
func TestSteadyUploadIsNotCut(t *testing.T) {
	s, _ := simple(t, echo, func(_ *stand, c *Config) { c.Timeouts.Request = 50 * time.Millisecond })
	const parts, size = 30, 10_000
	c := s.dial().send(post("/", "", fmt.Sprintf("Content-Length: %d", parts*size)))
	began := time.Now()
	for range parts {
		c.send(strings.Repeat("x", size))
		time.Sleep(10 * time.Millisecond) // the pace of the client, not a wait
	}
	if e := c.receive("POST").echoed(t); len(e.Body) != parts*size {
		t.Errorf("%d bytes", len(e.Body))
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Fatalf("it took only %v", took)
	}
}

// TestSlowReaderIsCut: a client that takes its answer in drips is cut when it does not take a part in time, in clear text
// (copied and spliced) and over TLS, and its upstream is set free.
func TestSlowReaderIsCut(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		framing  string
		listener model.ListenerID
	}{"chunked": {"", "front"}, "sized": {"Content-Length: 100000000\r\n", "front"}, "TLS": {"Content-Length: 100000000\r\n", "tls"}} {
		t.Run(what, func(t *testing.T) {
			s, rec := simple(t, func(cn net.Conn, r *bufio.Reader) {
				if _, err := readRequest(r); err != nil {
					return
				}
				fmt.Fprintf(cn, "HTTP/1.1 200 OK\r\n%s\r\n", c.framing)
				b := make([]byte, 1<<20)
				for range 100 {
					if _, err := cn.Write(b); err != nil {
						return
					}
				}
			}, func(s *stand, cfg *Config) {
				withTLS(s, cfg)
				s.certs = []model.Certificate{certificate(t, "shop", "shop.test")}
				short(s, cfg)
				cfg.Timeouts.Handshake = 5 * time.Second
			})
			var cl *client
			if c.listener == "tls" {
				cl = s.secure("shop.test")
			} else {
				cl = s.dial()
				_ = cl.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
			}
			cl.send(get("/"))
			began := time.Now()
			b := make([]byte, 512)
			for time.Since(began) < 10*time.Second {
				if _, err := cl.Read(b); err != nil {
					break
				}
				s.mu.Lock()
				over := len(s.records) > 0
				s.mu.Unlock()
				if over {
					break
				}
				time.Sleep(2 * time.Millisecond) // the pace of the client, not a wait
			}
			if a := s.last(1); a.Reason != "client-slow" {
				t.Errorf("%+v", a)
			}
			eventually(t, func() bool { rec.mu.Lock(); defer rec.mu.Unlock(); return len(rec.open) == 0 })
		})
	}
}

// TestSteadyReaderIsNotCut: a client that takes the least part in time is never asked for one that it does not take in time.
func TestSteadyReaderIsNotCut(t *testing.T) {
	const most = time.Minute
	largest := int64(0)
	for perSecond := int64(leastSplice)/60 + 1; perSecond < 1<<30; perSecond += perSecond/10 + 1 {
		step := int64(leastSplice)
		for range 20 {
			took := time.Duration(float64(step) / float64(perSecond) * float64(time.Second))
			if took > most {
				t.Fatalf("%d bytes a second: a part of %d bytes takes %v", perSecond, step, took)
			}
			step = nextSplice(step, took, most)
			largest = max(largest, step)
		}
	}
	if largest != mostSplice {
		t.Errorf("a quick client takes %d bytes at a time, want %d", largest, mostSplice)
	}
	if n := nextSplice(mostSplice, most/2, most); n != leastSplice {
		t.Errorf("a client that has become slow is asked for %d bytes", n)
	}
}

// TestSlowProxyHeader: who must begin with a PROXY header has a bounded time for it.
func TestSlowProxyHeader(t *testing.T) {
	s, rec := simple(t, echo, func(s *stand, c *Config) {
		s.sockets = listener.NewSet(listener.Config{HeaderTimeout: 100 * time.Millisecond, DrainDelay: 10 * time.Millisecond})
		c.Listeners = s.sockets
		s.listeners[0].Trust.ProxyFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	c := s.dial()
	if took := drip(t, c.Conn, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x0f\xff"+strings.Repeat("x", 4000)); took > 3*time.Second {
		t.Errorf("it was served for %v", took)
	}
	c.Close()
	s.finish(t, rec)
	if rec.seen() != "" {
		t.Errorf("%q", rec.seen())
	}
}

// TestBackPressure: nobody's bytes are taken for granted: when one side stops taking, the other is soon stopped too.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	const most = 96 << 20 // what the sockets of four ends may hold: of each a Linux lets up to 32 MB come, and 4 MB wait to leave
	pour := func(c net.Conn) (n int64) {
		block := make([]byte, 256<<10)
		for {
			_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			m, err := c.Write(block)
			if n += int64(m); err != nil || n > 200<<20 {
				return n
			}
		}
	}
	t.Run("upload", func(t *testing.T) {
		release := make(chan struct{})
		s, _ := simple(t, func(c net.Conn, _ *bufio.Reader) { <-release }, nil)
		t.Cleanup(func() { close(release) }) // before the upstream ends
		c := s.dial().send(post("/", "", "Content-Length: 1000000000"))
		if n := pour(c.Conn); n > most {
			t.Errorf("%d bytes were taken that nobody read", n)
		}
		c.Close()
	})
	for _, framing := range []string{"Content-Length: 1000000000\r\n", ""} {
		t.Run("download "+framing, func(t *testing.T) {
			poured := make(chan int64, 1)
			s, _ := simple(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := readRequest(r); err == nil {
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\n", framing)
					poured <- pour(c)
				}
			}, nil)
			c := s.dial().send(get("/"))
			if n := <-poured; n > most {
				t.Errorf("%d bytes were taken that nobody read", n)
			}
			c.Close()
		})
	}
}

// TestPartBlock: who sends little of a body at a time has a small block, who fills that a large one, and a block has room for what is asked.
func TestPartBlock(t *testing.T) {
	w := &work{}
	w.c = &conn{plane: &Plane{blocks: newBlocks()}}
	for _, c := range []struct {
		filled bool
		want   int
	}{{false, smallBlock}, {true, largeBlock}, {false, largeBlock}} {
		if w.filled = c.filled; len(w.partBlock()) != c.want {
			t.Errorf("filled %v: %d bytes, want %d", c.filled, len(w.block), c.want)
		}
	}
	w.block = nil
	for _, n := range []int{1, tinyBlock, gatherBelow} {
		if got := len(w.bodyBlock(n)); got < n || got > 5*n && n > 1 {
			t.Errorf("%d bytes for %d", got, n)
		}
	}
}
