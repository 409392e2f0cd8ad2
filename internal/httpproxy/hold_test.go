package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"paifang/internal/filter"
)

// bounded is a filter that allows so many bytes of body, and holds something for the exchange.
type bounded struct {
	max  int64
	held *atomic.Int64
}

func (b bounded) Request(x *filter.Exchange) filter.Verdict {
	x.MaxBody = b.max
	b.held.Add(1)
	x.Hold(b, 1)
	return filter.Continue
}

func (b bounded) Release(_ *filter.Exchange, token uint64) { b.held.Add(-int64(token)) }

// withBounded puts it into the catalog as "waits".
func withBounded(b bounded) func(*stand, *Config) {
	return func(_ *stand, c *Config) {
		c.Filters = filter.Catalog{filter.Define("waits", func(probe, filter.Env) (filter.Filter, error) { return b, nil })}
	}
}

func TestBodyWithoutLengthIsHeldToItsLimit(t *testing.T) {
	rec := newRecorder(t, echo)
	var held atomic.Int64
	s := newStand(t, withBounded(bounded{10, &held}))
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u", withWaits)
	s.publish()
	chunked := func(parts ...string) string {
		out := "POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n"
		for _, p := range parts {
			out += fmt.Sprintf("%x\r\n%s\r\n", len(p), p)
		}
		return out
	}
	if r := s.dial().send(chunked("0123456789") + "0\r\n\r\n").receive("POST"); r.echoed(t).Body != "0123456789" {
		t.Errorf("%+v", r)
	}
	if r := s.dial().send(chunked("0123456789a")).receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 413") || r.head["x-paifang-reason"] != "body-too-large" {
		t.Errorf("at once: %+v", r)
	}
	c := s.dial().send(chunked("01234567"))
	eventually(t, func() bool { return strings.HasSuffix(rec.seen(), "01234567\r\n") })
	if r := c.send("3\r\n89a\r\n").receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 413") {
		t.Errorf("later: %+v", r)
	}
	for _, n := range []int{10, 11, 100_000} {
		req, err := http.NewRequest("POST", "http://"+s.addr("front")+"/", io.NopCloser(strings.NewReader(strings.Repeat("x", n))))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http2Client(t, s.addr("front")).Do(req)
		if err != nil {
			t.Fatal(n, err)
		}
		resp.Body.Close()
		if want := map[bool]int{true: 200, false: 413}[n == 10]; resp.StatusCode != want {
			t.Errorf("HTTP/2, %d bytes: %d, want %d", n, resp.StatusCode, want)
		}
	}
	eventually(t, func() bool { return held.Load() == 0 })
}

// TestHeldUntilTheEnd: what a filter holds is given back when the answer is over and not when it begins, and also for a client
// that leaves.
func TestHeldUntilTheEnd(t *testing.T) {
	more := make(chan struct{})
	rec := newRecorder(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
		<-more
		_, _ = io.WriteString(c, "b")
	})
	var held atomic.Int64
	s := newStand(t, withBounded(bounded{0, &held}))
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u", withWaits)
	s.publish()
	c := s.dial().send(get("/"))
	if _, err := c.r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if n := held.Load(); n != 1 {
		t.Errorf("%d held while the answer is sent", n)
	}
	close(more)
	eventually(t, func() bool { return held.Load() == 0 })
	s.dial().send(get("/")).Close()
	eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.records) == 2 && held.Load() == 0 })
}
