package http2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func TestExchange(t *testing.T) {
	var seen Head
	_, c := pair(t, Config{}, Config{}, func(s *Stream) {
		seen = *s.Head()
		_ = s.WriteHead([]Field{{Name: ":status", Value: "103"}, {Name: "link", Value: "</a>"}}, false)
		echo(s)
	})
	s := c.open(t, append(get[:4:4], Field{Name: "x", Value: "1"}), false)
	if h, err := s.Answer(); err != nil || h.Get(":status") != "103" || h.Get("link") != "</a>" {
		t.Fatalf("%+v, %v", h, err)
	}
	if h, err := s.Answer(); err != nil || h.Get(":status") != "200" || h.End {
		t.Fatalf("%+v, %v", h, err)
	}
	for i := range 3 { // both directions at once
		if err := s.Write([]byte("hello"), false); err != nil {
			t.Fatal(err)
		}
		s.Flush()
		if b, err := s.Next(); err != nil || string(b) != "hello" {
			t.Fatalf("%d: %q, %v", i, b, err)
		}
	}
	if err := s.WriteHead([]Field{{Name: "sum", Value: "15"}}, true); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	if b, err := s.Next(); err != io.EOF {
		t.Fatalf("%q, %v", b, err)
	}
	if tr := s.Trailers(); len(tr) != 1 || tr[0].Value != "15" {
		t.Errorf("%v", tr)
	}
	if seen.Get(":path") != "/" || seen.Get("x") != "1" || len(seen.Regular()) != 1 || seen.End || seen.Malformed != "" {
		t.Errorf("%+v", seen)
	}
	s.Close()
	if n := c.Streams(); n != 0 {
		t.Errorf("%d streams are open", n)
	}
}

// TestBodies sends more than all windows hold, both ways at once, on many streams.
func TestBodies(t *testing.T) {
	small := Config{StreamWindow: minWindow, ConnWindow: minWindow}
	server, c := pair(t, small, small, echo)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			want := bytes.Repeat([]byte{byte(i)}, 300_000+i)
			s, err := c.NewStream()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Open(get, false, false); err != nil {
				t.Error(err)
				return
			}
			wg.Go(func() {
				if err := s.Write(want, true); err != nil {
					t.Error(err)
				}
				s.Flush()
			})
			if _, err := s.Answer(); err != nil {
				t.Error(err)
				return
			}
			if got, err := s.bodyOf(); err != nil || got != string(want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	eventually(t, func() bool { return server.Streams() == 0 && c.Streams() == 0 })
	for _, r := range []*running{server, c} { // every byte was given back
		r.mu.Lock()
		if r.credit+r.owed != minWindow || len(r.streams) != 0 || r.glitches != 0 {
			t.Errorf("credit %d, owed %d, streams %d, glitches %d", r.credit, r.owed, len(r.streams), r.glitches)
		}
		r.mu.Unlock()
	}
}

// TestUnreadStreams: streams that nobody reads hold up no others of a client.
func TestUnreadStreams(t *testing.T) {
	body := strings.Repeat("x", 200_000)
	_, c := pair(t, Config{}, Config{Streams: 20}, func(s *Stream) { answerWith(s, "200", body) })
	for range 19 {
		if _, err := c.open(t, get, true).Answer(); err != nil {
			t.Fatal(err)
		}
	}
	s := c.open(t, get, true)
	if got, err := s.bodyOf(); err != nil || len(got) != len(body) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestLongHead(t *testing.T) {
	long := strings.Repeat("v", 40_000)
	_, c := pair(t, Config{}, Config{}, func(s *Stream) {
		_ = s.WriteHead([]Field{{Name: ":status", Value: "200"}, {Name: "back", Value: s.Head().Get("there")}}, true)
		s.Flush()
	})
	s := c.open(t, append(get[:4:4], Field{Name: "there", Value: long}), true)
	if h, err := s.Answer(); err != nil || h.Get("back") != long || !h.End {
		t.Errorf("%d bytes, %v", len(h.Get("back")), err)
	}
}

func TestTooLarge(t *testing.T) {
	_, c := pair(t, Config{HeaderList: 8 << 10}, Config{}, func(s *Stream) {
		if s.Head().TooLarge {
			answerWith(s, "431", "")
			return
		}
		answerWith(s, "200", "")
	})
	for want, size := range map[string]int{"200": 4_000, "431": 9_000} {
		s := c.open(t, append(get[:4:4], Field{Name: "x", Value: strings.Repeat("~", size)}, Field{Name: "y", Value: "z"}), true)
		if h, err := s.Answer(); err != nil || h.Get(":status") != want {
			t.Errorf("%d: %+v, %v", size, h, err)
		}
	}
}

func TestInterrupt(t *testing.T) {
	release := make(chan struct{})
	_, c := pair(t, Config{}, Config{}, func(s *Stream) { <-release })
	defer close(release)
	s := c.open(t, get, false)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Answer(); err != ErrInterrupted {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := s.Write(make([]byte, 1<<20), true); err != ErrInterrupted {
			t.Error(err)
		}
	})
	s.Interrupt(true, true)
	wg.Wait()
	if _, err := s.Next(); err != ErrInterrupted {
		t.Error(err)
	}
	s.Resume(true, true)
	wg.Go(func() {
		if err := s.Await(1); err != ErrInterrupted {
			t.Error(err)
		}
	})
	s.Interrupt(true, false)
	wg.Wait()
}

func TestPeerResets(t *testing.T) {
	gone, returned := make(chan struct{}), make(chan error, 1)
	var begun atomic.Bool
	server, c := pair(t, Config{}, Config{}, func(s *Stream) {
		s.OnGone(func() { close(gone) })
		begun.Store(true)
		_, err := s.Next()
		returned <- err
	})
	s := c.open(t, get, false)
	eventually(t, func() bool { return begun.Load() })
	s.Reset(Cancel)
	<-gone
	if err := <-returned; err != (ResetError{Code: Cancel}) {
		t.Error(err)
	}
	if err := s.Write([]byte("x"), false); err != (ResetError{Code: Cancel, Local: true}) {
		t.Error(err)
	}
	eventually(t, func() bool { return server.Streams() == 0 })
}

// TestHandlerReturns: what a handler leaves open is ended for it.
func TestHandlerReturns(t *testing.T) {
	_, c := pair(t, Config{}, Config{}, func(s *Stream) {
		if s.Head().Get(":path") == "/early" {
			answerWith(s, "200", "enough")
		}
	})
	s := c.open(t, get, false)
	if _, err := s.Answer(); err != (ResetError{Code: InternalError}) {
		t.Error(err)
	}
	early := append(get[:3:3], Field{Name: ":path", Value: "/early"})
	s = c.open(t, early, false)
	if body, err := s.bodyOf(); err != nil || body != "enough" {
		t.Errorf("%q, %v", body, err)
	}
	eventually(t, func() bool { return s.Write([]byte("x"), false) == ResetError{Code: NoError} })
}

func TestGoAway(t *testing.T) {
	release := make(chan struct{})
	server, c := pair(t, Config{}, Config{}, func(s *Stream) {
		<-release
		answerWith(s, "200", "done")
	})
	first := c.open(t, get, true)
	eventually(t, func() bool { return server.Streams() == 1 })
	server.GoAway()
	eventually(t, func() bool { return !c.Usable() })
	if _, err := c.NewStream(); err != ErrFull {
		t.Error(err)
	}
	server.Finish()
	close(release)
	if body, err := first.bodyOf(); err != nil || body != "done" {
		t.Errorf("%q, %v", body, err)
	}
	first.Close()
	if err := server.wait(t); err != nil {
		t.Errorf("server: %v", err)
	}
	if err := c.wait(t); err != nil {
		t.Errorf("client: %v", err)
	}
}

// TestGoAwaySteps: between the two steps streams are served, after the second they are not looked at.
func TestGoAwaySteps(t *testing.T) {
	release := make(chan struct{})
	r, server := rawClient(t, Config{}, func(s *Stream) {
		<-release
		answerWith(s, "200", "")
	})
	server.GoAway()
	if f := until(r, func(*http2.GoAwayFrame) bool { return true }); f.LastStreamID != maxWindow || f.ErrCode != NoError {
		t.Errorf("%v", f)
	}
	r.must(r.headers(1, true, get...))
	eventually(t, func() bool { return server.Streams() == 1 })
	server.Finish()
	if f := until(r, func(*http2.GoAwayFrame) bool { return true }); f.LastStreamID != 1 || f.ErrCode != NoError {
		t.Errorf("%v", f)
	}
	r.must(r.headers(3, false, get...))
	r.must(r.WriteData(3, true, []byte("ignored")))
	r.must(r.WritePing(false, [8]byte{1}))
	until(r, func(f *http2.PingFrame) bool { return f.IsAck() })
	if n := server.Streams(); n != 1 {
		t.Errorf("%d streams", n)
	}
	close(release)
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 1 && f.StreamEnded() })
	r.ended()
	if err := server.wait(t); err != nil {
		t.Error(err)
	}
}

func TestServerGoes(t *testing.T) {
	r, c := rawServer(t, Config{})
	r.greet()
	var streams []*Stream
	for range 3 {
		streams = append(streams, c.open(t, get, true))
	}
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 5 })
	r.must(r.WriteRSTStream(1, RefusedStream))
	r.must(r.WriteGoAway(3, NoError, nil))
	if _, err := streams[2].Answer(); !Unprocessed(err) {
		t.Errorf("behind the last: %v", err)
	}
	if _, err := streams[0].Answer(); !Unprocessed(err) {
		t.Errorf("refused: %v", err)
	}
	r.must(r.headers(3, true, Field{Name: ":status", Value: "200"}))
	if h, err := streams[1].Answer(); err != nil || h.Get(":status") != "200" {
		t.Errorf("%v, %v", h, err)
	}
	for _, s := range streams {
		s.Close()
	}
	r.ended()
	if err := c.wait(t); err != nil {
		t.Error(err)
	}
}

func TestServerBreaksOff(t *testing.T) {
	r, c := rawServer(t, Config{})
	r.greet()
	s := c.open(t, get, true)
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 1 })
	r.must(r.headers(1, false, Field{Name: ":status", Value: "200"}))
	r.must(r.WriteData(1, false, []byte("half")))
	r.Close()
	if _, err := s.Answer(); err != nil {
		t.Error(err)
	}
	if b, err := s.bodyOf(); b != "half" || err == nil || Unprocessed(err) {
		t.Errorf("%q, %v", b, err)
	}
	if err := s.Open(get, false, true); err == nil {
		t.Error("opened on a dead connection")
	}
	if _, err := c.NewStream(); err != ErrFull || c.Usable() {
		t.Error(err)
	}
}

func TestSlots(t *testing.T) {
	r, c := rawServer(t, Config{Streams: 5})
	r.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
	until(r, func(f *http2.SettingsFrame) bool { return f.IsAck() })
	eventually(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.peer.streams == 2 })
	a, err := c.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewStream(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewStream(); err != ErrFull {
		t.Error(err)
	}
	a.Close() // never opened
	a.Close()
	if s, err := c.NewStream(); err != nil {
		t.Error(err)
	} else if _, err = c.NewStream(); err != ErrFull || s.ID() != 0 {
		t.Error(err)
	}
}

// TestSlotsOfEndedStreams: a client may open the next stream as soon as it has the whole answer of one, whatever the handler still does;
// but no more than as many again are done with in this way.
func TestSlotsOfEndedStreams(t *testing.T) {
	const n = 3
	release := make(chan struct{})
	s, c := pair(t, Config{Streams: n}, Config{Streams: 10 * n}, func(s *Stream) {
		answerWith(s, "200", "x")
		<-release
	})
	defer close(release)
	for i := range 2*n + 1 {
		up := c.open(t, get, true)
		_, err := up.bodyOf()
		if refused := i == 2*n; refused != Unprocessed(err) {
			t.Fatalf("stream %d of %d: %v", i+1, 2*n+1, err)
		}
		up.Close()
	}
	if got := s.Streams(); got != 2*n {
		t.Errorf("%d handlers run, want %d", got, 2*n)
	}
}

func TestTimeouts(t *testing.T) {
	short := 30 * time.Millisecond
	block := make(chan struct{})
	defer close(block)
	slow := func(s *Stream) { answerWith(s, "200", strings.Repeat("x", 4<<20)) }
	for name, c := range map[string]struct {
		cfg Timeouts
		do  func(r *raw)
		err error
	}{
		"preface":  {Timeouts{Preface: short}, func(r *raw) {}, ErrLate},
		"settings": {Timeouts{Preface: short}, func(r *raw) { r.must(r.send([]byte(http2.ClientPreface))) }, ErrLate},
		"idle": {Timeouts{Idle: short}, func(r *raw) {
			r.must(r.send([]byte(http2.ClientPreface)))
			r.must(r.WriteSettings())
			until(r, func(f *http2.GoAwayFrame) bool { return f.ErrCode == NoError })
		}, nil},
		"half a frame": {Timeouts{Head: short}, func(r *raw) {
			r.must(r.send([]byte(http2.ClientPreface)))
			r.must(r.WriteSettings())
			r.must(r.send([]byte{0, 0, 100, 1, 4, 0, 0, 0, 1, 0x82}))
		}, ErrLate},
		"half a section": {Timeouts{Head: short}, func(r *raw) {
			r.must(r.send([]byte(http2.ClientPreface)))
			r.must(r.WriteSettings())
			r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(get...)}))
		}, ErrLate},
		"answer that is not read": {Timeouts{Write: short}, func(r *raw) {
			r.must(r.send([]byte(http2.ClientPreface)))
			r.must(r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow}))
			r.must(r.WriteWindowUpdate(0, maxWindow-minWindow))
			for i := range uint32(10) {
				r.must(r.headers(2*i+1, true, get...))
			}
		}, ErrLate},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := sockets(t)
			s := run(t, Server(b, nil, Config{Timeouts: c.cfg}, slow))
			c.do(newRaw(t, a))
			if err := s.wait(t); !errors.Is(err, c.err) {
				t.Errorf("%v, want %v", err, c.err)
			}
		})
	}
}

// TestPremature: what is no HTTP/2 is noticed at its first byte that differs.
func TestNoPreface(t *testing.T) {
	a, b := sockets(t)
	s := run(t, Server(b, nil, Config{}, nil))
	r := newRaw(t, a)
	r.must(r.send([]byte("PRI * HTTP/1")))
	r.left(ProtocolError)
	if f, ok := errors.AsType[Fault](s.wait(t)); !ok || f.Code != ProtocolError {
		t.Error(s.err)
	}
}

func TestEarlyBytes(t *testing.T) {
	a, b := sockets(t)
	r := newRaw(t, a)
	var early bytes.Buffer
	fr := http2.NewFramer(&early, nil)
	early.WriteString(http2.ClientPreface)
	_ = fr.WriteSettings()
	run(t, Server(b, early.Bytes(), Config{}, echo))
	r.must(r.headers(1, true, get...))
	if f := until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 1 }); f.PseudoValue("status") != "200" {
		t.Error(fmt.Sprint(f))
	}
}

// TestAnswersToResets: answers that cross the resets of their requests are no fault, however many there are.
func TestAnswersToResets(t *testing.T) {
	r, c := rawServer(t, Config{Glitches: 50})
	r.greet()
	const n = 400
	for range n {
		s := c.open(t, get, true)
		s.Reset(Cancel)
		s.Close()
	}
	until(r, func(f *http2.RSTStreamFrame) bool { return f.StreamID == 2*n-1 })
	for i := range uint32(n) {
		r.must(r.headers(2*i+1, false, Field{Name: ":status", Value: "200"}))
		r.must(r.WriteData(2*i+1, false, []byte("late")))
		r.must(r.WriteRSTStream(2*i+1, NoError))
	}
	s := c.open(t, get, true)
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == s.ID() })
	r.must(r.headers(s.ID(), true, Field{Name: ":status", Value: "204"}))
	if h, err := s.Answer(); err != nil || h.Get(":status") != "204" {
		t.Errorf("%v, %v", h, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.glitches > 0 || c.credit+c.owed != c.cfg.ConnWindow {
		t.Errorf("%d glitches, %d and %d bytes", c.glitches, c.credit, c.owed)
	}
}
