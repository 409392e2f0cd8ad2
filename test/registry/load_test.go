package registry

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// backend answers with its address and the number that it was asked for.
type backend struct{ addr string }

func newBackend(t *testing.T) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	b := &backend{l.Addr().String()}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s", b.addr, r.URL.Path)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return b
}

// load is clients with a connection each that send numbered requests one after the other and never repeat one.
type load struct {
	to, path string
	pause    time.Duration // of a client after a request
	next     atomic.Int64
	stop     chan struct{}
	work     sync.WaitGroup

	mu     sync.Mutex
	failed []string
	by     map[string]int // who answered how many
}

const clients = 32

func begin(to, path string) *load { return beginSlowly(to, path, 0) }

// beginSlowly leaves room on the machine to others.
func beginSlowly(to, path string, pause time.Duration) *load {
	l := &load{to: to, path: path, pause: pause, stop: make(chan struct{}), by: map[string]int{}}
	for range clients {
		l.work.Go(l.client)
	}
	return l
}

// end stops it after what is in flight.
func (l *load) end() (asked int64, failed []string, by map[string]int) {
	close(l.stop)
	l.work.Wait()
	return l.next.Load(), l.failed, l.by
}

func (l *load) client() {
	by := map[string]int{}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for who, n := range by {
			l.by[who] += n
		}
	}()
	var c net.Conn
	var r *bufio.Reader
	for {
		select {
		case <-l.stop:
			if c != nil {
				c.Close()
			}
			return
		default:
		}
		n := l.next.Add(1)
		who, last, err := "", false, error(nil)
		if c == nil {
			if c, err = net.DialTimeout("tcp", l.to, 5*time.Second); err == nil {
				r = bufio.NewReader(c)
			}
		}
		if err == nil {
			who, last, err = l.ask(c, r, n)
		}
		if err != nil {
			l.mu.Lock()
			l.failed = append(l.failed, fmt.Sprintf("%s #%d: %v", time.Now().Format("15:04:05.000"), n, err))
			l.mu.Unlock()
		}
		by[who]++
		time.Sleep(l.pause)
		if c != nil && (last || err != nil) {
			c.Close()
			c = nil
		}
	}
}

func connect(t *testing.T, to string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.DialTimeout("tcp", to, 5*time.Second)
	must(t, err)
	return c, bufio.NewReader(c)
}

func (l *load) ask(c net.Conn, r *bufio.Reader, n int64) (who string, last bool, err error) {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	path := fmt.Sprintf("%s%d", l.path, n)
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: gateway.test\r\n\r\n", path); err != nil {
		return "", true, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", true, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", true, err
	}
	who, got, _ := strings.Cut(string(body), " ")
	if resp.StatusCode != 200 || got != path {
		return "", resp.Close, fmt.Errorf("%s %s: %.200s", resp.Status, resp.Header.Get("X-Paifang-Reason"), body)
	}
	return who, resp.Close, nil
}
