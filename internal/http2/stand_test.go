package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sockets are the two ends of a connection on loopback.
func sockets(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// running is a connection whose Run runs, and is checked.
type running struct {
	*Conn
	done chan struct{}
	err  error // of Run, once done
}

func run(t testing.TB, c *Conn) *running {
	t.Helper()
	c.cfg.Timeouts.Linger = 50 * time.Millisecond
	r := &running{Conn: c, done: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		r.err = c.Run()
		c.nc.Close()
		close(r.done)
	})
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.done:
				return
			case now := <-tick.C:
				c.Check(now)
			}
		}
	})
	t.Cleanup(func() {
		c.Kill()
		wg.Wait()
	})
	return r
}

// wait returns how the connection ended.
func (r *running) wait(t testing.TB) error {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection does not end")
	}
	return r.err
}

// pair is a server with a handler, and a client of it.
func pair(t testing.TB, server, client Config, handle func(*Stream)) (s, c *running) {
	t.Helper()
	a, b := sockets(t)
	return run(t, Server(b, nil, server, handle)), run(t, Client(a, client))
}

var get = []Field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "shop.test"}, {Name: ":path", Value: "/"}}

// open opens a stream.
func (r *running) open(t testing.TB, fields []Field, end bool) *Stream {
	t.Helper()
	s, err := r.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Open(fields, false, end); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	return s
}

// body reads to the end.
func (s *Stream) bodyOf() (string, error) {
	var out bytes.Buffer
	for {
		b, err := s.Next()
		if err == io.EOF {
			return out.String(), nil
		}
		if err != nil {
			return out.String(), err
		}
		out.Write(b)
	}
}

// answerWith answers with a status and a body.
func answerWith(s *Stream, status, body string) {
	if s.WriteHead([]Field{{Name: ":status", Value: status}}, body == "") == nil && body != "" {
		_ = s.Write([]byte(body), true)
	}
	s.Flush()
}

// echo answers with the body of the request, as it comes, and its trailers.
func echo(s *Stream) {
	if err := s.WriteHead([]Field{{Name: ":status", Value: "200"}}, false); err != nil {
		return
	}
	s.Flush()
	for {
		b, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil || s.Write(b, false) != nil {
			return
		}
		s.Flush()
	}
	if tr := s.Trailers(); len(tr) > 0 {
		_ = s.WriteHead(tr, true)
	} else {
		_ = s.Write(nil, true)
	}
	s.Flush()
}

// raw is the other end of a connection, for who breaks rules.
type raw struct {
	net.Conn
	*http2.Framer
	t   testing.TB
	enc *hpack.Encoder
	buf bytes.Buffer
}

func newRaw(t testing.TB, c net.Conn) *raw {
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	r := &raw{Conn: c, Framer: http2.NewFramer(c, c), t: t}
	r.AllowIllegalWrites = true
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.enc = hpack.NewEncoder(&r.buf)
	return r
}

// rawClient is a client of a server, past the preface.
func rawClient(t testing.TB, cfg Config, handle func(*Stream)) (*raw, *running) {
	t.Helper()
	a, b := sockets(t)
	s := run(t, Server(b, nil, cfg, handle))
	r := newRaw(t, a)
	r.must(r.send([]byte(http2.ClientPreface)))
	r.must(r.WriteSettings())
	return r, s
}

// rawServer is a server of a client, which has read its preface.
func rawServer(t testing.TB, cfg Config) (*raw, *running) {
	t.Helper()
	a, b := sockets(t)
	c := run(t, Client(a, cfg))
	r := newRaw(t, b)
	return r, c
}

// greet reads the client's preface and sends SETTINGS.
func (r *raw) greet(settings ...http2.Setting) {
	r.t.Helper()
	b := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(r.Conn, b); err != nil || string(b) != http2.ClientPreface {
		r.t.Fatalf("%q, %v", b, err)
	}
	r.must(r.WriteSettings(settings...))
}

func (r *raw) send(b []byte) error {
	_, err := r.Conn.Write(b)
	return err
}

func (r *raw) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// block encodes fields.
func (r *raw) block(fields ...Field) []byte {
	r.buf.Reset()
	for _, f := range fields {
		_ = r.enc.WriteField(f)
	}
	return bytes.Clone(r.buf.Bytes())
}

func (r *raw) headers(id uint32, end bool, fields ...Field) error {
	return r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block(fields...), EndStream: end, EndHeaders: true})
}

// until reads frames until one is it, and returns that.
func until[T http2.Frame](r *raw, it func(T) bool) T {
	r.t.Helper()
	for {
		f, err := r.ReadFrame()
		if err != nil {
			var none T
			r.t.Fatalf("no %T: %v", none, err)
		}
		if got, ok := f.(T); ok && it(got) {
			return got
		}
	}
}

// reset waits for a stream's RST_STREAM.
func (r *raw) reset(id uint32, code Code) {
	r.t.Helper()
	f := until(r, func(f *http2.RSTStreamFrame) bool { return f.StreamID == id })
	if f.ErrCode != code {
		r.t.Errorf("stream %d is reset with %v, want %v", id, f.ErrCode, code)
	}
}

// left waits for GOAWAY with a code and the end of the connection.
func (r *raw) left(code Code) {
	r.t.Helper()
	f := until(r, func(f *http2.GoAwayFrame) bool { return f.ErrCode == code || f.ErrCode != NoError })
	if f.ErrCode != code {
		r.t.Errorf("GOAWAY with %v %q, want %v", f.ErrCode, f.DebugData(), code)
	}
	r.ended()
}

// ended waits for the end of the connection.
func (r *raw) ended() {
	r.t.Helper()
	for {
		if _, err := r.ReadFrame(); errors.Is(err, os.ErrDeadlineExceeded) {
			r.t.Fatal("the connection stays open")
		} else if _, stream := errors.AsType[http2.StreamError](err); err != nil && !stream {
			return
		}
	}
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 10 s")
		}
	}
}
