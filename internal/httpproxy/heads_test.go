package httpproxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// withHeads bounds long heads so that two of 12 KB have no room together.
func withHeads(body time.Duration) func(*stand, *Config) {
	return func(_ *stand, c *Config) { c.Heads, c.Timeouts.RequestBody = 24_000, body }
}

var longField = "x-padding: " + strings.Repeat("y", 12_000)

func posting(fields ...string) []string {
	return append([]string{":method: POST", ":scheme: http", ":authority: shop.test", ":path: /"}, fields...)
}

func TestLongHeadsHaveABudget(t *testing.T) {
	s, _ := simple(t, echo, withHeads(time.Minute))
	c := s.dial2()
	c.headers(1, false, posting(longField)...)
	eventually(t, func() bool { return s.plane.heads.used.Load() > 12_000 })
	c.headers(3, true, posting(longField)...)
	if a := c.answers(1)[3]; a == nil || a.status != "503" || a.head["x-paifang-reason"] != "heads-full" {
		t.Errorf("a second long head: %+v", a)
	}
	if r := s.last(1); r.Status != 503 || r.Reason != "heads-full" {
		t.Errorf("the log has %+v", r)
	}
	c.headers(5, true)
	if a := c.answers(1)[5]; a == nil || a.status != "200" {
		t.Errorf("a usual head: %+v", a)
	}
	c.must(c.WriteData(1, true, []byte("done")))
	if a := c.answers(1)[1]; a == nil || a.status != "200" {
		t.Errorf("the first long head: %+v", a)
	}
	eventually(t, func() bool { return s.plane.heads.used.Load() == 0 })
	c.headers(7, true, posting(longField)...)
	if a := c.answers(1)[7]; a == nil || a.status != "200" {
		t.Errorf("a long head when there is room again: %+v", a)
	}
}

func TestLongHeadsOfHTTP1HaveABudget(t *testing.T) {
	s, _ := simple(t, echo, withHeads(time.Minute))
	head := "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Padding: " + strings.Repeat("y", 12_000)
	first := s.dial().send(head)
	eventually(t, func() bool { return s.plane.heads.used.Load() == mediumBlock })
	if r := s.dial().send(head + "\r\n\r\n").receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 503") || r.head["x-paifang-reason"] != "heads-full" {
		t.Errorf("a second long head: %+v", r)
	}
	if r := s.dial().send(get("/")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
		t.Errorf("a usual head: %+v", r)
	}
	if r := first.send("\r\n\r\n").receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
		t.Errorf("the first: %+v", r)
	}
	eventually(t, func() bool { return s.plane.heads.used.Load() == 0 })
	for i := range 3 { // also on the connection that had one, and kept
		if r := first.send(head + fmt.Sprintf("\r\nX-Round: %d\r\n\r\n", i)).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
			t.Errorf("round %d: %+v", i, r)
		}
	}
	first.Close()
	eventually(t, func() bool { return s.plane.heads.used.Load() == 0 })
}

// A head counts the block that it is in, however often it has grown.
func TestLongHeadsCountOnce(t *testing.T) {
	for padding, want := range map[int]int64{5_000: longBlock, 9_000: mediumBlock, 20_000: largeBlock} {
		s, _ := simple(t, echo, func(_ *stand, c *Config) { c.Heads = largeBlock })
		head := "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Padding: " + strings.Repeat("y", padding)
		c := s.dial().send(head)
		eventually(t, func() bool { return s.plane.heads.used.Load() == want })
		if r := c.send("\r\n\r\n").receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
			t.Errorf("%d bytes: %+v", padding, r)
		}
	}
}

// TestLongHeadsMustGoOn: while the budget is half used, who has a long head and sends nothing is ended after a twelfth of the time.
func TestLongHeadsMustGoOn(t *testing.T) {
	t.Parallel()
	s, _ := simple(t, echo, withHeads(6*time.Second))
	c := s.dial2()
	c.headers(1, false, posting(longField)...)
	c.headers(3, false, posting()...)
	began := time.Now()
	a := c.answers(1)[1]
	if a == nil || a.status != "408" {
		t.Errorf("%+v", a)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	eventually(t, func() bool { return s.plane.heads.used.Load() == 0 })
	c.must(c.WriteData(3, true, nil))
	if a := c.answers(1)[3]; a == nil || a.status != "200" {
		t.Errorf("a usual head that waited as long: %+v", a)
	}
}
