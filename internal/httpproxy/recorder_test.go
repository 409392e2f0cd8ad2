package httpproxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is an upstream that keeps every byte it is sent and answers as it is told.
type recorder struct {
	net.Listener
	mu    sync.Mutex
	bytes []string // per connection
	wg    sync.WaitGroup
	open  map[net.Conn]bool
}

// answerFunc serves one connection: read from r, write to c.
type answerFunc func(c net.Conn, r *bufio.Reader)

func newRecorder(t testing.TB, f answerFunc) *recorder {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Listener: ln, open: map[net.Conn]bool{}}
	rec.serve(f)
	t.Cleanup(rec.stop)
	return rec
}

func (r *recorder) serve(f answerFunc) {
	r.wg.Go(func() {
		for {
			c, err := r.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			i := len(r.bytes)
			r.bytes = append(r.bytes, "")
			r.open[c] = true
			r.mu.Unlock()
			r.wg.Go(func() {
				defer func() {
					c.Close()
					r.mu.Lock()
					delete(r.open, c)
					r.mu.Unlock()
				}()
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				f(c, bufio.NewReader(io.TeeReader(c, recorderWriter{r, i})))
			})
		}
	})
}

func (r *recorder) stop() {
	r.Close()
	r.mu.Lock()
	for c := range r.open {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

type recorderWriter struct {
	r *recorder
	i int
}

func (w recorderWriter) Write(p []byte) (int, error) {
	w.r.mu.Lock()
	w.r.bytes[w.i] += string(p)
	w.r.mu.Unlock()
	return len(p), nil
}

// seen is everything that was received, connections in their order.
func (r *recorder) seen() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.bytes, "")
}

func (r *recorder) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bytes)
}

// requests parses what was received and returns the request lines: what a server behind would have served.
func (r *recorder) requests() []string {
	var out []string
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bytes {
		br := bufio.NewReader(strings.NewReader(b))
		for {
			q, err := readRequest(br)
			if err != nil {
				break
			}
			out = append(out, q.line)
		}
	}
	return out
}

// since returns the requests that came after those, whichever connections they took.
func (r *recorder) since(before []string) []string {
	now := r.requests()
	for _, old := range before {
		i := slices.Index(now, old)
		now = slices.Delete(now, i, i+1)
	}
	return now
}

// request is one that an upstream received.
type request struct {
	line, body string
	head       map[string]string
}

// readRequest reads a request the plain way.
func readRequest(r *bufio.Reader) (q request, err error) {
	q.head = map[string]string{}
	read := func() string {
		if err != nil {
			return ""
		}
		var l string
		l, err = r.ReadString('\n')
		return strings.TrimRight(l, "\r\n")
	}
	q.line = read()
	for l := read(); l != "" && err == nil; l = read() {
		k, v, _ := strings.Cut(l, ": ")
		k = strings.ToLower(k)
		if old, ok := q.head[k]; ok {
			v = old + "|" + v
		}
		q.head[k] = v
	}
	if err != nil {
		return q, err
	}
	if q.head["transfer-encoding"] != "" {
		for {
			var n int
			if _, serr := fmt.Sscanf(read(), "%x", &n); serr != nil || err != nil {
				return q, fmt.Errorf("chunk: %v %v", serr, err)
			}
			if n == 0 {
				for l := read(); l != "" && err == nil; l = read() {
					q.head["trailer "+l] = ""
				}
				return q, err
			}
			b := make([]byte, n+2)
			if _, err := io.ReadFull(r, b); err != nil {
				return q, err
			}
			q.body += string(b[:n])
		}
	}
	var n int
	fmt.Sscan(q.head["content-length"], &n)
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	q.body = string(b)
	return q, err
}

// echo answers every request with its line, head and body as JSON.
func echo(c net.Conn, r *bufio.Reader) {
	for {
		q, err := readRequest(r)
		if err != nil {
			return
		}
		b, _ := json.Marshal(map[string]any{"line": q.line, "head": q.head, "body": q.body})
		if strings.HasPrefix(q.line, "HEAD") {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(b))
			continue
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	}
}

// saying answers every request with the same bytes.
func saying(text string) answerFunc {
	return func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}
