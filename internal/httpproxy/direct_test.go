//go:build unix

package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An end that comes together with a request causes no event of its own, and is seen all the same, at once.
func TestEndThatComesWithARequest(t *testing.T) {
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), nil)
	began := time.Now()
	for range 20 {
		c, err := net.Dial("tcp", s.addr("front"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // idle ones end after 75 s
		if _, err := io.WriteString(c, get("/")); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(b), "\r\n\r\nok") || strings.Count(string(b), "HTTP/1.1") != 1 {
			t.Fatalf("%q, %v", b, err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 ends were seen after %v", took)
	}
}

// A request with a body is served outside the call that waits. What has come meanwhile is answered, though no event tells
// of it once the next call has begun.
func TestRequestsBehindABody(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	s, _ := simple(t, func(c net.Conn, r *bufio.Reader) {
		asked <- true
		<-answer
		echo(c, r)
	}, nil)
	c := s.dial().send(post("/body", "hi", "Content-Length: 2") + get("/01"))
	<-asked
	c.send(get("/02"))
	close(answer)
	for i, want := range []string{"POST /body HTTP/1.1", "GET /01 HTTP/1.1", "GET /02 HTTP/1.1"} {
		if r := c.receive("GET"); !strings.Contains(r.body, want) {
			t.Fatalf("answer %d: %+v", i, r)
		}
	}
}

// Requests behind one another that fill the buffer to its last byte, and go on behind it, are all answered in their order,
// although no event tells of those that were there when the first were read.
func TestRequestsThatFillTheBuffer(t *testing.T) {
	s, _ := simple(t, echo, nil)
	for _, size := range []int{smallBlock, smallBlock / 2, smallBlock / 4, 3 * smallBlock / 4} {
		var all strings.Builder
		const n = 24
		for i := range n {
			head := get(fmt.Sprintf("/%02d", i), "X-Fill: ")
			all.WriteString(strings.Replace(head, "X-Fill: ", "X-Fill: "+strings.Repeat("x", size-len(head)), 1))
		}
		c, err := net.Dial("tcp", s.addr("front"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, all.String()); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		for i := range n {
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%d bytes each: answer %d: %v", size, i, err)
			}
			if b, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(b), fmt.Sprintf(`"GET /%02d HTTP/1.1"`, i)) {
				t.Fatalf("%d bytes each: answer %d: %s, %v", size, i, b, err)
			}
		}
	}
}
