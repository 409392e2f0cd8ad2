package system

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// connections is how many a load keeps open.
const connections = 64

// outcome is what became of one request of a load.
type outcome struct {
	N        int64
	Conn     int64 // on which connection
	Nth      int   // request of that connection
	Start    time.Time
	End      time.Time
	Status   int    // 0: no answer
	Reason   string // X-Paifang-Reason
	Pod      string
	Node     string // the listener that carried it
	Err      string
	LastCall bool // the answer announced the end of the connection
}

func (o outcome) failed() bool { return o.Err != "" || o.Status != 200 }

func (o outcome) String() string {
	return fmt.Sprintf("#%d (request %d of connection %d): status %d %s %s, pod %s", o.N, o.Nth, o.Conn, o.Status, o.Reason, o.Err, o.Pod)
}

// load is 64 clients with a connection each that send numbered requests one after the other and never retry.
type load struct {
	t      testing.TB
	to     string // address:port
	host   string
	prefix string // of the path; the number follows
	pause  time.Duration
	short  bool        // a connection per request
	post   bool        // with a short body: what must not be sent twice
	users  int         // default connections
	secure *tls.Config // of HTTP/1.1 over TLS; the name of the server is host

	// http2 has requests made in HTTP/2, by so many clients for each connection. A client that was made to try again counts as
	// failed.
	http2 func() *http.Transport

	next  atomic.Int64
	conns atomic.Int64
	stop  chan struct{}
	wg    sync.WaitGroup
	ended []func()

	mu       sync.Mutex
	outcomes []outcome
	refused  []string // connections that could not be made
	closed   int      // connections that were closed while idle
}

// begin starts a load. Requests take about two milliseconds on the pods' side, so that there are always some in flight.
func begin(t testing.TB, to, host, prefix string, change ...func(*load)) *load {
	l := &load{t: t, to: to, host: host, prefix: prefix, pause: 2 * time.Millisecond, stop: make(chan struct{})}
	for _, f := range change {
		f(l)
	}
	if l.users == 0 {
		l.users = connections
	}
	client := l.client
	if l.http2 != nil {
		client = l.sharing()
	}
	for range l.users {
		l.wg.Go(client)
	}
	t.Cleanup(func() { l.end() })
	return l
}

// end stops the load after what is in flight, and returns all outcomes in the order of their numbers.
func (l *load) end() []outcome {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wg.Wait()
	for _, f := range l.ended {
		f()
	}
	sort.Slice(l.outcomes, func(i, j int) bool { return l.outcomes[i].N < l.outcomes[j].N })
	return l.outcomes
}

func (l *load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// client keeps one connection open and asks on it.
func (l *load) client() {
	var mine []outcome
	defer func() {
		l.mu.Lock()
		l.outcomes = append(l.outcomes, mine...)
		l.mu.Unlock()
	}()
	for !l.stopped() {
		c, err := l.dial()
		if err != nil {
			l.mu.Lock()
			l.refused = append(l.refused, err.Error())
			l.mu.Unlock()
			l.wait(20 * time.Millisecond)
			continue
		}
		mine = append(mine, l.converse(c)...)
		_ = c.Close()
	}
}

// dial makes a connection, and has its handshake of TLS done.
func (l *load) dial() (net.Conn, error) {
	c, err := net.DialTimeout("tcp", l.to, 5*time.Second)
	if err != nil || l.secure == nil {
		return c, err
	}
	own := l.secure.Clone()
	own.ServerName = l.host
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	over := tls.Client(c, own)
	if err := over.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return over, nil
}

func (l *load) wait(d time.Duration) {
	select {
	case <-l.stop:
	case <-time.After(d):
	}
}

// converse asks on one connection until it ends.
func (l *load) converse(c net.Conn) (out []outcome) {
	id, r := l.conns.Add(1), bufio.NewReader(c)
	for nth := 1; !l.stopped(); nth++ {
		if nth > 1 && idleClosed(c) {
			l.mu.Lock()
			l.closed++
			l.mu.Unlock()
			return out
		}
		o := l.ask(c, r)
		o.Conn, o.Nth = id, nth
		out = append(out, o)
		if o.Err != "" || o.LastCall || l.short {
			return out
		}
		l.wait(l.pause)
	}
	return out
}

// idleClosed tells whether the other side has closed a connection on which nothing is asked. A client does well to look
// before it asks again.
func idleClosed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Microsecond))
	_, err := c.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func (l *load) ask(c net.Conn, r *bufio.Reader) (o outcome) {
	o.N, o.Start = l.next.Add(1), time.Now()
	defer func() { o.End = time.Now() }()
	_ = c.SetDeadline(o.Start.Add(10 * time.Second))
	text := "GET %s%d HTTP/1.1\r\nHost: %s\r\n\r\n"
	if l.post {
		text = "POST %s%d HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\n\r\nbody"
	}
	if _, err := fmt.Fprintf(c, text, l.prefix, o.N, l.host); err != nil {
		o.Err = "write: " + err.Error()
		return o
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		o.Err = "read: " + err.Error()
		return o
	}
	l.answered(&o, res)
	return o
}

// answered notes the answer to a request.
func (l *load) answered(o *outcome, res *http.Response) {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		o.Err = "body: " + err.Error()
	}
	o.Status, o.Reason, o.LastCall = res.StatusCode, res.Header.Get("X-Paifang-Reason"), res.Close
	if res.StatusCode == 200 {
		// "pod number node": the counting pod answers with the number it saw.
		f := strings.Fields(string(body))
		switch {
		case len(f) == 3 && f[1] == fmt.Sprint(o.N):
			o.Pod, o.Node = f[0], f[2]
		case len(body) > 0 && body[0] == '{':
			o.Pod, o.Node = jsonText(body, "pod"), jsonText(body, "node")
		default:
			o.Err = fmt.Sprintf("answer of another request: %q", body)
		}
	}
}

// jsonText takes a string out of the example's answer.
func jsonText(body []byte, name string) string {
	_, rest, _ := strings.Cut(string(body), `"`+name+`": "`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// failures returns the outcomes that are not answers with 200.
func failures(all []outcome) (out []outcome) {
	for _, o := range all {
		if o.failed() {
			out = append(out, o)
		}
	}
	return out
}

// none fails the test if a request of the load failed.
func none(t testing.TB, l *load, all []outcome) {
	t.Helper()
	failed := failures(all)
	for i, o := range failed {
		if i == 5 {
			break
		}
		t.Logf("failed at %s: %v", o.Start.Format("15:04:05.000"), o)
	}
	if len(failed) > 0 || len(l.refused) > 0 {
		t.Errorf("%d of %d requests failed, %d connections could not be made %v; want none", len(failed), len(all), len(l.refused), first(l.refused, 3))
	}
	if len(all) == 0 {
		t.Error("the load made no request")
	}
}

func first[T any](all []T, n int) []T { return all[:min(n, len(all))] }

// reconcile compares a load with the access log and, where there are counting pods, with what these saw: every request
// is in the log once, with the status that the client got, and every answer came from the pod that counted it.
func reconcile(t testing.TB, u *up, all []outcome, prefix string, seen map[int64][]sight) map[int64][]access {
	t.Helper()
	answered := 0
	for _, o := range all {
		if o.Status != 0 {
			answered++
		}
	}
	log := u.requests(prefix, answered)
	wrong := 0
	bad := func(format string, args ...any) {
		if wrong++; wrong <= 5 {
			t.Errorf(format, args...)
		}
	}
	for _, o := range all {
		lines := log[o.N]
		switch {
		case o.Status == 0 && len(lines) <= 1:
		case len(lines) != 1:
			bad("request %v: %d lines in the access log, want 1", o, len(lines))
			continue
		case o.Status != lines[0].Status:
			bad("request %v: the access log says %d", o, lines[0].Status)
		}
		if seen == nil || o.Status != 200 {
			continue
		}
		var last string
		for _, s := range seen[o.N] {
			if s.pod == o.Pod {
				last = s.pod
			}
		}
		if last == "" {
			bad("request %v: no sight of it in that pod's count", o)
		}
		// A pod that was killed and started again may see what its kept connection lost: the log tells that it was sent again.
		if n := len(seen[o.N]); n > lines[0].Tries+lines[0].Resent {
			bad("request %v: pods saw it %d times in %d tries, %d sent again: %v: %s", o, n, lines[0].Tries, lines[0].Resent, seen[o.N], lines[0].Line)
		}
	}
	if wrong > 5 {
		t.Errorf("and %d more that do not agree", wrong-5)
	}
	for n, lines := range log {
		if n > int64(len(all)) {
			t.Errorf("the access log has a request that nobody made: %s", lines[0].Line)
		}
	}
	return log
}
