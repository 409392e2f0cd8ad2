package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNoRequestIsSmuggled sends requests that are changed at random, several on a connection, and compares what a plain
// server behind parsed from the recorded bytes with what the engine says it has forwarded.
func TestNoRequestIsSmuggled(t *testing.T) {
	s, rec := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), func(_ *stand, c *Config) {
		c.Timeouts.Idle, c.Timeouts.RequestHead, c.Timeouts.RequestBody = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	})
	seeds := []string{
		post("/a", "5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
		post("/b", "GET /inner HTTP/1.1\r\nHost: s\r\n\r\n", "Content-Length: 33"),
		post("/c", "4;x=\"y\"\r\nabcd\r\n0\r\nX: y\r\n\r\n", "Transfer-Encoding: chunked", "Trailer: X"),
		get("/d?x=1", "Connection: close, X-A", "X-A: b"),
		"GET http://shop.test/e HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n",
	}
	pieces := []string{"\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", "\x00", ",", ";", ":", "0", "1", "chunked", "Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n",
		"Content-Length: 5\r\n", "Transfer-Encoding: identity\r\n", "Host: other\r\n", "GET /inner HTTP/1.1\r\nHost: s\r\n\r\n", "\x0b", "+", "0x", "\xff", "HTTP/1.0", "x"}
	rounds := 600
	if testing.Short() {
		rounds = 100
	}
	slots := make(chan struct{}, 32)
	var clients sync.WaitGroup
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		var in strings.Builder
		for range 3 {
			b := seeds[random.IntN(len(seeds))]
			for range random.IntN(3) {
				i := random.IntN(len(b))
				j := i + random.IntN(min(4, len(b)-i)+1)
				b = b[:i] + pieces[random.IntN(len(pieces))] + b[j:]
			}
			in.WriteString(b)
		}
		slots <- struct{}{}
		clients.Go(func() {
			defer func() { <-slots }()
			c, err := net.DialTimeout("tcp", s.addr("front"), 5*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(c, in.String()); err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, bufio.NewReader(c)) // until the engine closes
		})
	}
	clients.Wait()
	eventually(t, func() bool {
		for _, l := range s.plane.Listeners() {
			if l.Open > 0 {
				return false
			}
		}
		return true
	})
	forwarded := map[string]int{}
	s.mu.Lock()
	for _, a := range s.records {
		if a.Status == 200 {
			forwarded[a.Method+" "+a.Path]++
		}
	}
	s.mu.Unlock()
	got := map[string]int{}
	for _, l := range rec.requests() {
		f := strings.Fields(l)
		path, _, _ := strings.Cut(f[1], "?")
		got[f[0]+" "+path]++
	}
	if len(forwarded) < 5 {
		t.Errorf("hardly anything was forwarded: %v", forwarded)
	}
	if fmt.Sprint(forwarded) != fmt.Sprint(got) {
		t.Errorf("forwarded %v\nseen behind %v", forwarded, got)
	}
}
