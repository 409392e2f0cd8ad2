package listener

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"

	"paifang/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSet(t *testing.T, cfg Config) *Set {
	s := NewSet(cfg)
	t.Cleanup(s.Close)
	return s
}

func acquire(t *testing.T, s *Set, l model.Listener) *Handle {
	t.Helper()
	h, err := s.Acquire(t.Context(), l, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// say answers with who the client is and what it sent first.
func say(c *Conn) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 100)
	n, _ := c.Read(b)
	_, _ = io.WriteString(c, c.Client.Addr().String()+" "+string(b[:n]))
}

// ask dials from an address, sends, and reads to the end.
func ask(t *testing.T, h *Handle, from string, parts ...string) (string, error) {
	t.Helper()
	d := net.Dialer{Timeout: 5 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", h.Addr().String())
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	for _, p := range parts {
		if _, err := io.WriteString(c, p); err != nil {
			return "", err
		}
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

func header(t *testing.T, version byte, local bool) string {
	t.Helper()
	h := proxyproto.HeaderProxyFromAddrs(version, &net.TCPAddr{IP: net.ParseIP("127.0.0.99"), Port: 4711}, &net.TCPAddr{IP: net.ParseIP("127.0.0.10"), Port: 80})
	if local {
		h.Command = proxyproto.LOCAL
	}
	b, err := h.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestClientAddress(t *testing.T) {
	s := newSet(t, Config{HeaderTimeout: 200 * time.Millisecond})
	h := acquire(t, s, model.Listener{ID: "node", Trust: model.Trust{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.10/32")}}})
	h.Serve(say)
	for _, c := range []struct {
		name, from string
		send       []string
		want       string // "" = the connection is ended without a word
	}{
		{"version 2 from the balancer", "127.0.0.10", []string{header(t, 2, false) + "hello"}, "127.0.0.99 hello"},
		{"version 2 in pieces", "127.0.0.10", []string{header(t, 2, false)[:5], header(t, 2, false)[5:20], header(t, 2, false)[20:], "hello"}, "127.0.0.99 hello"},
		{"version 1 from the balancer", "127.0.0.10", []string{"PROXY TCP4 127.0.0.99 127.0.0.10 4711 80\r\nhello"}, "127.0.0.99 hello"},
		{"version 1 of IPv6", "127.0.0.10", []string{"PROXY TCP6 2001:db8::9 2001:db8::1 4711 80\r\nhello"}, "2001:db8::9 hello"},
		{"version 1 of a mapped address", "127.0.0.10", []string{"PROXY TCP6 ::ffff:9.9.9.9 2001:db8::1 4711 80\r\nhello"}, "9.9.9.9 hello"},
		{"version 1 of nobody known", "127.0.0.10", []string{"PROXY UNKNOWN\r\nhello"}, "127.0.0.10 hello"},
		{"version 1 of nobody known, with addresses", "127.0.0.10", []string{"PROXY UNKNOWN 6.6.6.6 7.7.7.7 1 2\r\nhello"}, "127.0.0.10 hello"},
		{"version 1 with a zone", "127.0.0.10", []string{"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\nhello"}, ""},
		{"version 1 of another family", "127.0.0.10", []string{"PROXY TCP4 2001:db8::9 2001:db8::1 1 2\r\nhello"}, ""},
		{"version 1 with bare LF", "127.0.0.10", []string{"PROXY TCP4 9.9.9.9 127.0.0.10 1 2\nhello"}, ""},
		{"version 1 with two spaces", "127.0.0.10", []string{"PROXY TCP4  9.9.9.9 127.0.0.10 1 2\r\nhello"}, ""},
		{"version 1 with one field too many", "127.0.0.10", []string{"PROXY TCP4 9.9.9.9 127.0.0.10 1 2 3\r\nhello"}, ""},
		{"version 1 without end", "127.0.0.10", []string{"PROXY TCP4 " + strings.Repeat("9", 200)}, ""},
		{"version 1 with a port too large", "127.0.0.10", []string{"PROXY TCP4 9.9.9.9 127.0.0.10 65536 80\r\nhello"}, ""},
		{"version 2 longer than anybody's", "127.0.0.10", []string{"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("x", 5000)}, ""},
		{"version 3", "127.0.0.10", []string{"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c\x09\x09\x09\x09\x7f\x00\x00\x0a\x00\x01\x00\x50hello"}, ""},
		{"no header from the balancer", "127.0.0.10", []string{"GET / HTTP/1.1\r\n\r\n"}, ""},
		{"silence from the balancer", "127.0.0.10", nil, ""},
		{"a header that is cut off", "127.0.0.10", []string{header(t, 2, false)[:20]}, ""},
		{"from somebody else", "127.0.0.77", []string{"hello"}, "127.0.0.77 hello"},
		{"a forged header", "127.0.0.77", []string{"PROXY TCP4 127.0.0.99 127.0.0.10 4711 80\r\n"}, "127.0.0.77 PROXY TCP4 127.0.0.99 127.0.0.10 4711 80\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ask(t, h, c.from, c.send...)
			if got != c.want || c.want != "" && err != nil {
				t.Errorf("answer %q (%v), want %q", got, err, c.want)
			}
		})
	}
	if st := h.Status(); st.Refused != 12 || st.Open != 0 && st.Open > 1 {
		t.Errorf("status %+v, want 12 refused", st)
	}
}

func TestProbe(t *testing.T) {
	s := newSet(t, Config{DrainDelay: time.Minute, HeaderTimeout: 300 * time.Millisecond})
	h := acquire(t, s, model.Listener{ID: "node", Protocol: model.HTTPS, Trust: model.Trust{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	h.Serve(say)
	local := header(t, 2, true)
	probe := func() string {
		got, _ := ask(t, h, "", local, "GET /rea", "dyz HTTP/1.1\r\nHost: x\r\n\r\n")
		return got
	}
	if got := probe(); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Fatalf("probe answers %q", got)
	}
	if got, _ := ask(t, h, "", local+"GET / HTTP/1.1\r\n\r\n"); got != "127.0.0.1 GET / HTTP/1.1\r\n\r\n" {
		t.Errorf("another request of the balancer's own is answered %q", got)
	}
	if got, _ := ask(t, h, "", header(t, 2, false)+"GET /readyz HTTP/1.1\r\n\r\n"); !strings.HasPrefix(got, "127.0.0.99 GET /readyz") {
		t.Errorf("a client's /readyz is answered %q, which is the site's business", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { h.Release(ctx) })
	for !h.Status().Draining {
		time.Sleep(time.Millisecond)
	}
	if got := probe(); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("while draining the probe answers %q", got)
	}
	if got, err := ask(t, h, "", header(t, 2, false)+"late"); got != "127.0.0.99 late" {
		t.Errorf("while draining a connection is answered %q, %v", got, err)
	}
	cancel()
	wg.Wait()
	if _, err := ask(t, h, ""); err == nil {
		t.Error("it still accepts after it drained")
	}
}

func TestSocketIsSharedAcrossGenerations(t *testing.T) {
	s := newSet(t, Config{})
	first := acquire(t, s, model.Listener{ID: "a"})
	first.Serve(func(c *Conn) { _, _ = io.WriteString(c, "first"); _ = c.Close() })
	second, err := s.Acquire(t.Context(), model.Listener{ID: "a"}, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil || second.Addr() != first.Addr() {
		t.Fatalf("second generation is at %v, %v", second.Addr(), err)
	}
	if got, _ := ask(t, first, ""); got != "first" {
		t.Errorf("before the commit %q answers", got)
	}
	second.Serve(func(c *Conn) { _, _ = io.WriteString(c, "second"); _ = c.Close() })
	first.Release(t.Context())
	if got, _ := ask(t, second, ""); got != "second" {
		t.Errorf("after the commit %q answers", got)
	}
	second.Release(t.Context())
	if _, err := ask(t, second, ""); err == nil {
		t.Error("somebody answers after the last release")
	}
}

func TestLimit(t *testing.T) {
	s := newSet(t, Config{MaxPerSocket: 2})
	h := acquire(t, s, model.Listener{ID: "a"})
	release := make(chan struct{})
	h.Serve(func(c *Conn) { <-release; _ = c.Close() })
	defer close(release)
	for range 2 {
		c, err := net.Dial("tcp", h.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	for h.Status().Open < 2 {
		time.Sleep(time.Millisecond)
	}
	if got, _ := ask(t, h, ""); got != "" {
		t.Errorf("the third connection is answered %q", got)
	}
	if st := h.Status(); st.Refused != 1 || st.Causes[OverSocket] != 1 {
		t.Errorf("status %+v", st)
	}
	if all := s.Sockets(); len(all) != 1 || all[0] != h.Status() || all[0].Listener != "a" || all[0].Accepted != 3 {
		t.Errorf("sockets %+v", all)
	}
	if one, all := s.Limits(); one != 2 || all < 2 {
		t.Errorf("limits %d and %d", one, all)
	}
}

func TestOverload(t *testing.T) {
	var full atomic.Bool
	s := newSet(t, Config{MaxTotal: 1000, Overloaded: full.Load})
	h := acquire(t, s, model.Listener{ID: "a"})
	h.Serve(say)
	if got, err := ask(t, h, "", "hello"); got != "127.0.0.1 hello" {
		t.Fatalf("%q, %v", got, err)
	}
	full.Store(true)
	if got, err := ask(t, h, "", "hello"); got != "" || err == nil {
		t.Errorf("a process without room answers %q, %v", got, err)
	}
	full.Store(false)
	if got, err := ask(t, h, "", "hello"); got != "127.0.0.1 hello" {
		t.Errorf("%q, %v", got, err)
	}
	if st := h.Status(); st.Causes != [Causes]int64{Overloaded: 1} {
		t.Errorf("status %+v", st)
	}
}

func TestTakenAddress(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := newSet(t, Config{})
	if _, err := s.Acquire(t.Context(), model.Listener{ID: "a"}, l.Addr().(*net.TCPAddr).AddrPort()); err == nil {
		t.Error("an address in use was bound")
	}
}

func TestLimitsLeaveDescriptors(t *testing.T) {
	for descriptors, want := range map[int]int{0: 50_000, 1_000_000: 50_000, 20_000: 8_000, 1024: 409, 1: 1} {
		if got := total(descriptors); got != want {
			t.Errorf("of %d descriptors %d connections, want %d", descriptors, got, want)
		}
	}
	s := NewSet(Config{})
	defer s.Close()
	if n := descriptors(); n > 0 && (s.cfg.MaxTotal*2 >= n || s.cfg.MaxPerSocket*5 > s.cfg.MaxTotal) {
		t.Errorf("%d in total and %d for a socket, with %d descriptors", s.cfg.MaxTotal, s.cfg.MaxPerSocket, n)
	}
}

// TestDrainCountsFromUnready: who has told long enough that it goes does not wait once more.
func TestDrainCountsFromUnready(t *testing.T) {
	s := newSet(t, Config{DrainDelay: 300 * time.Millisecond})
	h := acquire(t, s, model.Listener{ID: "node", Protocol: model.HTTP, Trust: model.Trust{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	h.Serve(say)
	s.Unready()
	told := time.Now()
	for s.sinceUnready() < 200*time.Millisecond {
		time.Sleep(time.Millisecond)
	}
	h.Release(t.Context())
	if took := time.Since(told); took < 300*time.Millisecond || took > 480*time.Millisecond {
		t.Errorf("the socket closed %v after the probe began to fail, want 300 ms", took)
	}
}

// TestKeptPlace: a connection whose handler has returned counts, and is waited for, until it leaves its place.
func TestKeptPlace(t *testing.T) {
	s := NewSet(Config{MaxPerSocket: 1})
	h := acquire(t, s, model.Listener{ID: "a"})
	kept := make(chan func(), 1)
	h.Serve(func(c *Conn) {
		place := c.Keep()
		kept <- func() {
			_ = c.Close()
			place.Leave()
		}
	})
	first, err := net.Dial("tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	leave := <-kept
	if got, _ := ask(t, h, ""); got != "" || h.Status().Open != 1 || h.Status().Causes[OverSocket] != 1 {
		t.Errorf("a second connection is answered %q: %+v", got, h.Status())
	}
	leave()
	if n := h.Status().Open; n != 0 {
		t.Errorf("%d are open once it has left", n)
	}
	second, err := net.Dial("tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	leave = <-kept
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.Close()
	}()
	for { // the socket closes before Close waits
		c, err := net.Dial("tcp", h.Addr().String())
		if err != nil {
			break
		}
		_ = c.Close()
		time.Sleep(time.Millisecond)
	}
	select {
	case <-closed:
		t.Error("Close does not wait for a place that is kept")
	default:
	}
	leave()
	<-closed
}
