package httpproxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"paifang/internal/model"
)

// http2Client is a client that speaks HTTP/2 and nothing else: net/http's, which knows nothing of the engine's.
func http2Client(t testing.TB, addr string) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	p.SetHTTP2(true)
	tr := &http.Transport{
		Protocols: &p, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "shop.test"},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// http1Client is the same for HTTP/1.1.
func http1Client(t testing.TB, addr string) *http.Client {
	t.Helper()
	tr := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// do makes a request and reads its answer to the end.
func do(t testing.TB, c *http.Client, method, url string, body io.Reader, change ...func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(r)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v after %q", err, b)
	}
	return resp, string(b)
}

// server is an upstream of net/http that speaks what it is asked to.
type httpServer struct {
	net.Listener
	conns atomic.Int32 // ever
	http  *http.Server
	wg    sync.WaitGroup
}

func newServer(t testing.TB, over *tls.Config, h http.HandlerFunc) *httpServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	p.SetHTTP2(true)
	s := &httpServer{Listener: ln}
	s.http = &http.Server{Handler: h, Protocols: &p, TLSConfig: over, ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			s.conns.Add(1)
		}
	}}
	s.wg.Go(func() {
		if over != nil {
			_ = s.http.ServeTLS(ln, "", "")
		} else {
			_ = s.http.Serve(ln)
		}
	})
	t.Cleanup(func() { s.http.Close(); s.wg.Wait() })
	return s
}

// speaks sets the protocol of the upstreams of the last route.
func (s *stand) speaks(v model.HTTPVersion) {
	r := s.routes[len(s.routes)-1]
	for _, u := range r.Upstreams {
		u.Protocol = v
		u.TLS.SkipVerify = v == model.H2
	}
}

// onHTTP2 is a stand with one route to one upstream of HTTP/2 in clear text.
func onHTTP2(t testing.TB, h http.HandlerFunc, change func(*stand, *Config)) (*stand, *httpServer) {
	t.Helper()
	srv := newServer(t, nil, h)
	s := newStand(t, change)
	s.list("u", srv.Addr().String())
	s.route("all", "/", "u")
	s.speaks(model.H2C)
	s.publish()
	return s, srv
}

// raw2 is a client of HTTP/2 that says what it is told to.
type raw2 struct {
	net.Conn
	*http2.Framer
	t   testing.TB
	enc *hpack.Encoder
	buf bytes.Buffer
}

// dial2 is a raw client past the preface.
func (s *stand) dial2() *raw2 {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr("front"))
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	s.t.Cleanup(func() { c.Close() })
	r := &raw2{Conn: c, Framer: http2.NewFramer(c, c), t: s.t}
	r.AllowIllegalWrites = true
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.enc = hpack.NewEncoder(&r.buf)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		s.t.Fatal(err)
	}
	r.must(r.WriteSettings())
	return r
}

func (r *raw2) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// headers opens a stream; fields are "name: value" lines, the four pseudo fields of a GET for shop.test first where none
// begins with a colon.
func (r *raw2) headers(id uint32, end bool, lines ...string) {
	r.t.Helper()
	r.buf.Reset()
	pseudo := false
	for _, l := range lines {
		pseudo = pseudo || strings.HasPrefix(l, ":")
	}
	if !pseudo {
		lines = append([]string{":method: GET", ":scheme: http", ":authority: shop.test", ":path: /"}, lines...)
	}
	for _, l := range lines {
		at := strings.Index(l[1:], ":") + 1
		if err := r.enc.WriteField(hpack.HeaderField{Name: l[:at], Value: strings.TrimPrefix(l[at+1:], " ")}); err != nil {
			r.t.Fatal(err)
		}
	}
	block := r.buf.Bytes()
	const frame = 16 << 10
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:min(frame, len(block))], EndStream: end, EndHeaders: len(block) <= frame}))
	for len(block) > frame {
		block = block[frame:]
		r.must(r.WriteContinuation(id, len(block) <= frame, block[:min(frame, len(block))]))
	}
}

// answer is what came of a stream.
type answer struct {
	status  string
	head    map[string]string
	body    string
	trailer map[string]string
	alone   bool // the head ended the stream
	reset   *http2.ErrCode
}

// answers reads until so many streams are done.
func (r *raw2) answers(n int) map[uint32]*answer {
	r.t.Helper()
	out := map[uint32]*answer{}
	of := func(id uint32) *answer {
		if out[id] == nil {
			out[id] = &answer{head: map[string]string{}, trailer: map[string]string{}}
		}
		return out[id]
	}
	for done := 0; done < n; {
		f, err := r.ReadFrame()
		if err != nil {
			r.t.Fatalf("after %d answers: %v", done, err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			a := of(f.StreamID)
			to := a.head
			if a.status != "" && a.status[0] != '1' {
				to = a.trailer
			} else {
				a.status = f.PseudoValue("status")
			}
			for _, h := range f.RegularFields() {
				to[h.Name] = h.Value
			}
			if f.StreamEnded() {
				of(f.StreamID).alone = len(to) > 0 && len(of(f.StreamID).trailer) == 0
				done++
			}
		case *http2.DataFrame:
			of(f.StreamID).body += string(f.Data())
			if f.StreamEnded() {
				done++
			}
		case *http2.RSTStreamFrame:
			if code := f.ErrCode; of(f.StreamID).reset == nil && code != http2.ErrCodeNo {
				of(f.StreamID).reset = &code
				done++
			}
		case *http2.GoAwayFrame:
			r.t.Fatalf("GOAWAY %v %q", f.ErrCode, f.DebugData())
		}
	}
	return out
}

// next reads frames until one is of a type.
func next[T http2.Frame](r *raw2, it func(T) bool) T {
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

// ended waits for the end of the connection.
func (r *raw2) ended() {
	r.t.Helper()
	for {
		if _, err := r.ReadFrame(); errors.Is(err, os.ErrDeadlineExceeded) {
			r.t.Fatal("the connection stays open")
		} else if err != nil {
			return
		}
	}
}

// endpoint2 is the other side of an engine's connection to an endpoint, past the preface.
func endpoint2(t testing.TB, c net.Conn, b *bufio.Reader) (*raw2, error) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(b, preface); err != nil {
		return nil, err
	}
	r := &raw2{Conn: c, Framer: http2.NewFramer(c, b), t: t}
	r.AllowIllegalWrites = true
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.enc = hpack.NewEncoder(&r.buf)
	return r, r.WriteSettings()
}

func field2(name, value string) hpack.HeaderField { return hpack.HeaderField{Name: name, Value: value} }
