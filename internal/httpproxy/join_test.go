package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestHeadBeforeTheBody has answers leave with a head that fits in front of where their body was read, with one that does
// not, and with bodies that come in one piece and in more.
func TestHeadBeforeTheBody(t *testing.T) {
	sizes := []int{1, 100, 10 << 10, joinBelow, joinBelow + 1, 60 << 10, 64 << 10, 70 << 10, 300 << 10}
	body := func(n int) string { return strings.Repeat("0123456789abcdef", n/16+1)[:n] }
	rec := newRecorder(t, func(c net.Conn, r *bufio.Reader) {
		for {
			q, err := readRequest(r)
			if err != nil {
				return
			}
			target := strings.Fields(q.line)[1]
			n, err := strconv.Atoi(target[strings.LastIndexByte(target, '/')+1:])
			if err != nil {
				return
			}
			if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Up: a\r\n\r\n%s", n, body(n)); err != nil {
				return
			}
		}
	})
	s := newStand(t, withProbe)
	s.list("u", rec.Addr().String())
	s.route("plain", "/", "u")
	name := strings.Repeat("n", answerRoom)
	s.route("more", "/more", "u", probes(`{"name":"`+name+`"}`))
	s.publish()
	conn, err := net.Dial("tcp", s.addr("front"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, prefix := range []string{"/", "/more/"} {
		for _, n := range sizes {
			if _, err := io.WriteString(conn, get(fmt.Sprintf("%s%d", prefix, n))); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%s%d: %v", prefix, n, err)
			}
			got, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			back := answer.Header.Get("X-Back")
			if err != nil || string(got) != body(n) || answer.Header.Get("X-Up") != "a" || (back == name) != (prefix == "/more/") {
				t.Errorf("%s%d: %d bytes, %v, %v", prefix, n, len(got), answer.Header, err)
			}
		}
	}
}
