package system

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// origin is an endpoint in this process that dies and comes back.
type origin struct {
	t    testing.TB
	name string
	addr string
	took time.Duration // of each request

	mu     sync.Mutex
	server *http.Server
	ended  chan struct{}
	seen   map[string]int // how often, by path
	deaths []span
}

// span is some time.
type span struct{ from, to time.Time }

func newOrigin(t testing.TB, name string) *origin {
	o := &origin{t: t, name: name, addr: freeAddress(t), took: time.Millisecond, seen: map[string]int{}}
	o.rise()
	t.Cleanup(func() { o.die() })
	return o
}

// rise begins to serve.
func (o *origin) rise() {
	o.t.Helper()
	var l net.Listener
	eventually(o.t, 5*time.Second, o.name+" listens", func() (bool, string) {
		var err error
		l, err = net.Listen("tcp", o.addr)
		return err == nil, fmt.Sprint(err)
	})
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	server, ended := &http.Server{Handler: o, ReadHeaderTimeout: 10 * time.Second, Protocols: &both}, make(chan struct{})
	o.mu.Lock()
	o.server, o.ended = server, ended
	o.mu.Unlock()
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
}

// die ends all connections at once, whatever they carry.
func (o *origin) die() {
	o.mu.Lock()
	server, ended := o.server, o.ended
	o.mu.Unlock()
	_ = server.Close()
	<-ended
}

// restart dies and comes back after some time, and remembers when that was.
func (o *origin) restart(away time.Duration) {
	began := time.Now()
	o.die()
	died := time.Now()
	time.Sleep(away)
	o.rise()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deaths = append(o.deaths, span{began, died})
}

// died tells whether the origin died within some time.
func (o *origin) died(within span) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.deaths {
		if !within.to.Before(d.from) && !d.to.Before(within.from) {
			return true
		}
	}
	return false
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Upgrade") != "":
		o.tunnel(w)
	case r.Header.Get("Content-Type") == "application/grpc":
		converse(w, r)
	default:
		n := pathNumber(r.URL.Path)
		o.mu.Lock()
		o.seen[r.URL.Path]++
		o.mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(o.took)
		_, _ = fmt.Fprintf(w, "%s %d -", o.name, n)
	}
}

// tunnel is a WebSocket as a proxy sees it: whatever comes is sent back.
func (o *origin) tunnel(w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(c, rw)
}

// converse is a call of gRPC that streams both ways, as a proxy sees it: what comes is sent back, and the status follows.
func converse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	b := make([]byte, 64)
	for {
		n, err := r.Body.Read(b)
		if n > 0 {
			if _, err := w.Write(b[:n]); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
		if err == io.EOF {
			w.Header().Set("Grpc-Status", "0")
			return
		}
		if err != nil {
			return
		}
	}
}

// stream is one that is open all the time.
type stream struct {
	what string
	say  io.Writer
	hear io.Reader
	end  func() error // and tells whether that was in order
}

// webSocket opens a tunnel.
func webSocket(to, host, path string) (*stream, error) {
	c, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path, host)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != 101 {
		return nil, fmt.Errorf("%s, %s", res.Status, res.Header.Get("X-Paifang-Reason"))
	}
	return &stream{what: "WebSocket", say: c, hear: r, end: c.Close}, nil
}

// call2 opens a call of gRPC.
func call2(transport *http.Transport, to, host, path string) (*stream, error) {
	in, out := io.Pipe()
	req, err := http.NewRequest("POST", "http://"+to+path, in)
	if err != nil {
		return nil, err
	}
	req.Host = host
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	go func() { _, _ = out.Write([]byte("hello...")) }() // answered is what has begun
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != 200 {
		return nil, fmt.Errorf("%s, %s", res.Status, res.Header.Get("X-Paifang-Reason"))
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 8)); err != nil {
		return nil, err
	}
	return &stream{what: "gRPC call", say: out, hear: res.Body, end: func() error {
		_ = out.Close()
		rest, err := io.ReadAll(res.Body)
		if status := res.Trailer.Get("Grpc-Status"); err != nil || status != "0" || len(rest) > 0 {
			return fmt.Errorf("ended with status %q, %d bytes, %v", status, len(rest), err)
		}
		return nil
	}}, nil
}

// turns says something and hears it back, again and again until stop, and returns how often.
func (s *stream) turns(stop <-chan struct{}) (n int, err error) {
	for ; ; n++ {
		text := fmt.Sprintf("%08d", n)
		if _, err := io.WriteString(s.say, text); err != nil {
			return n, err
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(s.hear, got); err != nil || string(got) != text {
			return n, fmt.Errorf("said %q, heard %q, %w", text, got, err)
		}
		select {
		case <-stop:
			return n, s.end()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
