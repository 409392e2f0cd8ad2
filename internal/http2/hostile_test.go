package http2

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// calm waits until a server has ended its connection for too much that only costs.
func calm(t *testing.T, r *raw, s *running) {
	t.Helper()
	r.ended()
	if f, ok := errors.AsType[Fault](s.wait(t)); !ok || f.Code != EnhanceYourCalm {
		t.Errorf("%v", s.err)
	}
}

// TestFloods: what costs and brings nothing ends the connection.
func TestFloods(t *testing.T) {
	waits := func(s *Stream) { _, _ = s.Next() }
	for name, send := range map[string]func(r *raw, i uint32) error{
		"ping":           func(r *raw, i uint32) error { return r.WritePing(false, [8]byte{}) },
		"ping ack":       func(r *raw, i uint32) error { return r.WritePing(true, [8]byte{}) },
		"settings":       func(r *raw, i uint32) error { return r.WriteSettings() },
		"priority":       func(r *raw, i uint32) error { return r.WritePriority(1, http2.PriorityParam{StreamDep: 3}) },
		"unknown":        func(r *raw, i uint32) error { return r.WriteRawFrame(0xee, 0, 0, nil) },
		"goaway":         func(r *raw, i uint32) error { return r.WriteGoAway(0, NoError, nil) },
		"window updates": func(r *raw, i uint32) error { return r.WriteWindowUpdate(0, 1) },
		"empty data": func(r *raw, i uint32) error {
			if i == 0 {
				return r.headers(1, false, get...)
			}
			return r.WriteData(1, false, nil)
		},
		"rapid reset": func(r *raw, i uint32) error {
			if err := r.headers(2*i+1, true, get...); err != nil {
				return err
			}
			return r.WriteRSTStream(2*i+1, Cancel)
		},
		"made you reset by window": func(r *raw, i uint32) error {
			if err := r.headers(2*i+1, false, get...); err != nil {
				return err
			}
			return r.WriteRawFrame(http2.FrameWindowUpdate, 0, 2*i+1, []byte{0, 0, 0, 0})
		},
		"made you reset by priority": func(r *raw, i uint32) error {
			if err := r.headers(2*i+1, false, get...); err != nil {
				return err
			}
			return r.WriteRawFrame(http2.FramePriority, 0, 2*i+1, []byte{0, 0, 0, byte(2*i + 1), 0})
		},
		"made you reset by length": func(r *raw, i uint32) error {
			if err := r.headers(2*i+1, false, append(get[:4:4], Field{Name: "content-length", Value: "1"})...); err != nil {
				return err
			}
			return r.WriteData(2*i+1, false, []byte("xx"))
		},
		"made you reset by trailers": func(r *raw, i uint32) error {
			if err := r.headers(2*i+1, false, get...); err != nil {
				return err
			}
			return r.headers(2*i+1, false, Field{Name: "x", Value: "y"})
		},
		"streams above the bound": func(r *raw, i uint32) error { return r.headers(2*i+1, true, get...) },
	} {
		t.Run(name, func(t *testing.T) {
			r, s := rawClient(t, Config{Streams: 10, Glitches: 200}, waits)
			go func() { // what comes back is read, or the flood would stall itself
				b := make([]byte, 4096)
				for {
					if _, err := r.Conn.Read(b); err != nil {
						return
					}
				}
			}()
			for i := range uint32(2000) {
				if send(r, i) != nil {
					break
				}
			}
			if f, ok := errors.AsType[Fault](s.wait(t)); !ok || f.Code != EnhanceYourCalm {
				t.Errorf("%v", s.err)
			}
		})
	}
}

// TestOrdinaryTraffic: what floods are made of is forgiven where it comes with traffic.
func TestOrdinaryTraffic(t *testing.T) {
	r, s := rawClient(t, Config{Glitches: 100}, func(s *Stream) { answerWith(s, "200", "ok") })
	for i := range uint32(500) {
		id := 2*i + 1
		r.must(r.WritePriority(id, http2.PriorityParam{StreamDep: 0, Weight: 3}))
		r.must(r.headers(id, true, get...))
		until(r, func(f *http2.DataFrame) bool { return f.StreamID == id && f.StreamEnded() })
		r.must(r.WriteWindowUpdate(0, 2))
		r.must(r.WritePing(false, [8]byte{}))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.glitches > 5 {
		t.Errorf("%d glitches", s.glitches)
	}
}

// TestAskedToGo: before a connection is closed for what it costs, it is asked to go, and may finish what it has.
func TestAskedToGo(t *testing.T) {
	release := make(chan struct{})
	r, s := rawClient(t, Config{Glitches: 100}, func(s *Stream) {
		<-release
		answerWith(s, "200", "")
	})
	r.must(r.headers(1, true, get...))
	for range 80 {
		r.must(r.WritePing(true, [8]byte{}))
	}
	if f := until(r, func(*http2.GoAwayFrame) bool { return true }); f.LastStreamID != 1 || f.ErrCode != EnhanceYourCalm {
		t.Errorf("%v", f)
	}
	close(release)
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 1 })
	calm(t, r, s)
}

// TestRests: a client whose frames only cost is looked at less often, long before its connection is closed.
func TestRests(t *testing.T) {
	ack := func(f *http2.PingFrame) bool { return f.IsAck() }
	r, s := rawClient(t, Config{Glitches: 80, Timeouts: Timeouts{Rest: 200 * time.Millisecond}}, nil)
	ping := func() {
		r.must(r.WritePing(false, [8]byte{}))
		until(r, ack)
	}
	for range 19 {
		ping()
	}
	began := time.Now()
	ping()
	ping()
	if took := time.Since(began); took < s.cfg.Timeouts.Rest {
		t.Errorf("after 20 pings the next is answered within %v", took)
	}
	began = time.Now()
	for range 8 {
		ping()
	}
	if took := time.Since(began); took > s.cfg.Timeouts.Rest/2 {
		t.Errorf("between two rests pings take %v", took)
	}
}

// TestRestEnds: a connection that is ended does not rest any longer.
func TestRestEnds(t *testing.T) {
	r, s := rawClient(t, Config{Glitches: 80, Timeouts: Timeouts{Rest: time.Hour}}, nil)
	for range 20 {
		r.must(r.WritePing(false, [8]byte{}))
	}
	rests := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.resting != nil
	}
	for end := time.Now().Add(5 * time.Second); !rests(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not rest")
		}
	}
	s.Kill()
	if err := s.wait(t); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

// TestSlotsOutliveResets: a stream that was reset keeps its slot until its handler has noticed, whoever reset it.
func TestSlotsOutliveResets(t *testing.T) {
	var running, most atomic.Int32
	release := make(chan struct{})
	r, _ := rawClient(t, Config{Streams: 5}, func(s *Stream) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		running.Add(-1)
	})
	for i := range uint32(5) {
		r.must(r.headers(2*i+1, false, get...))
	}
	eventually(t, func() bool { return running.Load() == 5 })
	for i := range uint32(4) {
		r.must(r.WriteRSTStream(2*i+1, Cancel))
	}
	r.must(r.WriteRawFrame(http2.FrameWindowUpdate, 0, 9, []byte{0, 0, 0, 0})) // this side resets it
	r.reset(9, ProtocolError)
	for i := range uint32(5) {
		id := 11 + 2*i
		r.must(r.headers(id, true, get...))
		r.reset(id, RefusedStream)
	}
	close(release)
	eventually(t, func() bool { return running.Load() == 0 })
	if most.Load() != 5 {
		t.Errorf("%d handlers at one time", most.Load())
	}
}

// TestAnswersUnread: who makes this side answer and does not read is left before much has piled up.
func TestAnswersUnread(t *testing.T) {
	r, s := rawClient(t, Config{Glitches: 1 << 30}, nil)
	for r.WritePing(false, [8]byte{}) == nil {
	}
	if err := s.wait(t); err == nil {
		t.Error("no error")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := cap(s.out.waiting) + cap(s.out.spare); n > 4*ackLimit {
		t.Errorf("%d bytes piled up", n)
	}
}

func TestHeaderBombs(t *testing.T) {
	for name, c := range map[string]struct {
		send func(r *raw)
		code Code
	}{
		"continuation without end": {func(r *raw) {
			_ = r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(get...)})
			for range 1000 {
				if r.WriteContinuation(1, false, nil) != nil {
					return
				}
			}
		}, EnhanceYourCalm},
		"endless section": {func(r *raw) {
			_ = r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(get...)})
			for range 1000 {
				if r.WriteContinuation(1, false, r.block(Field{Name: "x", Value: strings.Repeat("y", 10_000), Sensitive: true})) != nil {
					return
				}
			}
		}, EnhanceYourCalm},
		"string above all bounds": {func(r *raw) {
			_ = r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: []byte{0, 1, 'x', 0x7f, 0xff, 0xff, 0xff, 0x7f}})
		}, http2.ErrCodeCompression},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := rawClient(t, Config{}, nil)
			c.send(r)
			if f, ok := errors.AsType[Fault](s.wait(t)); !ok || f.Code != c.code {
				t.Errorf("%v", s.err)
			}
		})
	}
}

// TestSectionsWaitUntilTheyAreWhole: fragments of a section are not looked at before the last one has come, unless so many wait that
// there is no room.
func TestSectionsWaitUntilTheyAreWhole(t *testing.T) {
	long := Field{Name: "x", Value: strings.Repeat("y", 30_000), Sensitive: true}
	var room Sections
	got := make(chan string, 1)
	r, s := rawClient(t, Config{Sections: &room}, func(s *Stream) {
		got <- s.Head().Get("x")
		answerWith(s, "200", "")
	})
	inParts := func(id uint32, block []byte, end bool) {
		_ = r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: true, BlockFragment: block[:10]})
		for block = block[10:]; len(block) > 10_000; block = block[10_000:] {
			_ = r.WriteContinuation(id, false, block[:10_000])
		}
		_ = r.WriteContinuation(id, end, block)
	}
	for id := uint32(1); id < 6; id += 2 {
		inParts(id, r.block(append(get[:4:4], long)...), true)
		until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == id && f.PseudoValue("status") == "200" })
		if v := <-got; v != long.Value {
			t.Errorf("a field of %d bytes has %d", len(long.Value), len(v))
		}
	}
	nonsense := bytes.Repeat([]byte{0xff}, 200_000) // numbers without end
	inParts(7, nonsense, false)
	if f, ok := errors.AsType[Fault](s.wait(t)); !ok || f.Code != EnhanceYourCalm {
		t.Errorf("a section without end: %v", s.err)
	}
	if n := room.lent.Load(); n != 0 {
		t.Errorf("%d sections have room that is over", n)
	}

	room.lent.Store(mostSections)
	r, s = rawClient(t, Config{Sections: &room}, nil)
	inParts(1, nonsense, false)
	if f, ok := errors.AsType[Fault](s.wait(t)); !ok || f.Code != http2.ErrCodeCompression {
		t.Errorf("a section that has no room to wait in: %v", s.err)
	}
	if n := room.lent.Load(); n != mostSections {
		t.Errorf("%d have room, want %d", n, mostSections)
	}
}

// TestCompressionBomb: what is small on the wire and large behind it is kept up to the bound only.
func TestCompressionBomb(t *testing.T) {
	var fields, size atomic.Int64
	r, _ := rawClient(t, Config{HeaderList: 64 << 10}, func(s *Stream) {
		if s.Head().TooLarge {
			fields.Store(int64(len(s.Head().Fields)))
			for _, f := range s.Head().Fields {
				size.Add(int64(f.Size()))
			}
			answerWith(s, "431", "")
			return
		}
		answerWith(s, "200", "")
	})
	big := Field{Name: "a", Value: strings.Repeat("b", 4000)}
	r.must(r.headers(1, true, append(get[:4:4], big)...)) // into the table
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.PseudoValue("status") == "200" })
	var bomb []byte
	bomb = append(bomb, r.block(get...)...)
	for range 16_000 {
		bomb = append(bomb, 0x80|62)
	}
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: bomb, EndStream: true, EndHeaders: true}))
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.PseudoValue("status") == "431" })
	if size.Load() > 64<<10 {
		t.Errorf("%d bytes in %d fields were kept", size.Load(), fields.Load())
	}
	r.must(r.headers(5, true, append(get[:4:4], big)...)) // the tables are still in step
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 5 && f.PseudoValue("status") == "200" })
}

// TestManyLargeHeads: the heads of all open streams together are bounded too.
func TestManyLargeHeads(t *testing.T) {
	release := make(chan struct{})
	r, s := rawClient(t, Config{ConnWindow: 100_000}, func(s *Stream) {
		<-release
		answerWith(s, "200", "")
	})
	big := append(get[:4:4], Field{Name: "x", Value: strings.Repeat("y", 15_000), Sensitive: true})
	for i := range uint32(8) {
		r.must(r.headers(2*i+1, true, big...))
	}
	r.reset(13, RefusedStream)
	r.reset(15, RefusedStream)
	if n := s.Streams(); n != 6 {
		t.Errorf("%d streams", n)
	}
	close(release)
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 11 })
	eventually(t, func() bool { return s.Streams() == 0 })
	r.must(r.headers(17, true, big...))
	until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 17 })
}

func TestMalformedRequests(t *testing.T) {
	field := func(name, value string) Field { return Field{Name: name, Value: value} }
	with := func(f ...Field) []Field { return append(get[:4:4], f...) }
	for name, fields := range map[string][]Field{
		"upper case":             with(field("Accept", "x")),
		"no name":                with(field("", "x")),
		"space in a name":        with(field("a b", "x")),
		"colon in a name":        with(field("a:b", "x")),
		"NUL in a value":         with(field("a", "x\x00")),
		"line end in a value":    with(field("a", "x\r\nhost: evil")),
		"line end in the path":   {get[0], get[1], get[2], field(":path", "/\r\nx: y")},
		"connection":             with(field("connection", "close")),
		"keep-alive":             with(field("keep-alive", "1")),
		"proxy-connection":       with(field("proxy-connection", "close")),
		"transfer-encoding":      with(field("transfer-encoding", "chunked")),
		"upgrade":                with(field("upgrade", "h2c")),
		"te":                     with(field("te", "trailers, gzip")),
		"unknown pseudo":         with(field(":x", "y")),
		"status":                 append([]Field{field(":status", "200")}, get...),
		"protocol":               {field(":method", "CONNECT"), get[1], get[2], get[3], field(":protocol", "websocket")},
		"pseudo behind":          append(with(field("a", "b")), field(":authority", "x")),
		"pseudo twice":           append([]Field{get[3]}, get...),
		"no method":              get[1:],
		"no scheme":              {get[0], get[2], get[3]},
		"no path":                get[:3],
		"foreign scheme":         {get[0], field(":scheme", "ftp"), get[2], get[3]},
		"empty path":             {get[0], get[1], get[2], field(":path", "")},
		"path without slash":     {get[0], get[1], get[2], field(":path", "x")},
		"absolute path":          {get[0], get[1], get[2], field(":path", "http://evil/")},
		"connect with a path":    {field(":method", "CONNECT"), get[2], get[3]},
		"content-length no body": with(field("content-length", "3")),
		"content-length list":    with(field("content-length", "1, 1")),
		"content-length sign":    with(field("content-length", "+0")),
		"content-lengths":        with(field("content-length", "0"), field("content-length", "1")),
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := rawClient(t, Config{}, func(s *Stream) {
				if s.Head().Malformed == "" {
					t.Errorf("passes: %v", s.Head().Fields)
				}
				s.Reset(ProtocolError)
			})
			r.must(r.headers(1, true, fields...))
			r.reset(1, ProtocolError)
		})
	}
}

// TestConnectionFaults: what a peer does and must not, with the code it is told.
func TestConnectionFaults(t *testing.T) {
	for name, c := range map[string]struct {
		send func(r *raw) error
		code Code
	}{
		"even stream":      {func(r *raw) error { return r.headers(2, true, get...) }, ProtocolError},
		"stream goes back": {func(r *raw) error { return errors.Join(r.headers(5, true, get...), r.headers(3, true, get...)) }, ProtocolError},
		"data on idle":     {func(r *raw) error { return r.WriteData(1, false, nil) }, ProtocolError},
		"reset of idle":    {func(r *raw) error { return r.WriteRSTStream(1, Cancel) }, ProtocolError},
		"window of idle":   {func(r *raw) error { return r.WriteWindowUpdate(1, 1) }, ProtocolError},
		"window of even":   {func(r *raw) error { return r.WriteWindowUpdate(2, 1) }, ProtocolError},
		"push": {func(r *raw) error {
			return r.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
		}, ProtocolError},
		"window overflow":    {func(r *raw) error { return r.WriteWindowUpdate(0, maxWindow) }, http2.ErrCodeFlowControl},
		"window without end": {func(r *raw) error { return r.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, []byte{0, 0, 0, 0}) }, ProtocolError},
		"frame too large":    {func(r *raw) error { return r.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, frameSize+1)) }, http2.ErrCodeFrameSize},
		"short ping":         {func(r *raw) error { return r.WriteRawFrame(http2.FramePing, 0, 0, []byte{1}) }, http2.ErrCodeFrameSize},
		"frame size 0":       {func(r *raw) error { return r.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 0}) }, ProtocolError},
		"huge initial window": {func(r *raw) error {
			return r.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, http2.ErrCodeFlowControl},
		"continuation alone": {func(r *raw) error { return r.WriteContinuation(1, true, nil) }, ProtocolError},
		"bad compression": {func(r *raw) error {
			return r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
		}, http2.ErrCodeCompression},
		"truncated section": {func(r *raw) error {
			return r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0, 5, 'a'}, EndHeaders: true})
		}, http2.ErrCodeCompression},
		"more than the connection's window": {func(r *raw) error {
			var err error
			for i := range uint32(20) { // none of which is read
				err = errors.Join(err, r.headers(2*i+1, false, get...))
				for range 4 {
					err = errors.Join(err, r.WriteData(2*i+1, false, make([]byte, frameSize)))
				}
			}
			return err
		}, http2.ErrCodeFlowControl},
		"head after the end": {func(r *raw) error {
			err := r.headers(1, true, append(get[:4:4], Field{Name: "answer", Value: "1"})...)
			until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 1 })
			return errors.Join(err, r.headers(1, true, get...))
		}, StreamClosed},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := rawClient(t, Config{ConnWindow: 1 << 20}, func(s *Stream) {
				if s.Head().Get("answer") != "" {
					answerWith(s, "200", "")
					return
				}
				gone := make(chan struct{})
				s.OnGone(func() { close(gone) })
				<-gone
			})
			_ = c.send(r) // the connection may end before all is sent
			r.left(c.code)
		})
	}
}

// TestStreamFaults end their stream and nothing else.
func TestStreamFaults(t *testing.T) {
	for name, c := range map[string]struct {
		send func(r *raw) error
		code Code
	}{
		"more than its window": {func(r *raw) error {
			var err error
			for range 5 {
				err = errors.Join(err, r.WriteData(1, false, make([]byte, frameSize)))
			}
			return err
		}, http2.ErrCodeFlowControl},
		"window overflow":      {func(r *raw) error { return r.WriteWindowUpdate(1, maxWindow) }, http2.ErrCodeFlowControl},
		"data after the end":   {func(r *raw) error { return errors.Join(r.WriteData(1, true, nil), r.WriteData(1, true, nil)) }, StreamClosed},
		"head after the end":   {func(r *raw) error { return errors.Join(r.WriteData(1, true, nil), r.headers(1, true, get...)) }, StreamClosed},
		"depends on itself":    {func(r *raw) error { return r.WritePriority(1, http2.PriorityParam{StreamDep: 1}) }, ProtocolError},
		"pseudo in trailers":   {func(r *raw) error { return r.headers(1, true, get...) }, ProtocolError},
		"trailers without end": {func(r *raw) error { return r.headers(1, false, Field{Name: "a", Value: "b"}) }, ProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			r, s := rawClient(t, Config{}, func(s *Stream) {
				if s.ID() == 1 {
					<-release
					return
				}
				answerWith(s, "200", "ok")
			})
			r.must(r.headers(1, false, get...))
			r.must(c.send(r))
			r.reset(1, c.code)
			close(release)
			r.must(r.headers(3, true, get...))
			until(r, func(f *http2.DataFrame) bool { return f.StreamID == 3 && f.StreamEnded() })
			eventually(t, func() bool { return s.Streams() == 0 })
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.credit+s.owed != s.cfg.ConnWindow {
				t.Errorf("credit %d and owed %d of %d", s.credit, s.owed, s.cfg.ConnWindow)
			}
		})
	}
}

// TestHostileServer: what a server sends and must not fails its stream; only what leaves no way on ends the connection.
func TestHostileServer(t *testing.T) {
	ok := Field{Name: ":status", Value: "200"}
	for name, c := range map[string]struct {
		send func(r *raw) error
		ends bool // the connection too
	}{
		"no status":         {func(r *raw) error { return r.headers(1, true, Field{Name: "a", Value: "b"}) }, false},
		"status of two":     {func(r *raw) error { return r.headers(1, true, Field{Name: ":status", Value: "20"}) }, false},
		"status and path":   {func(r *raw) error { return r.headers(1, true, ok, get[3]) }, false},
		"connection":        {func(r *raw) error { return r.headers(1, true, ok, Field{Name: "connection", Value: "close"}) }, false},
		"interim that ends": {func(r *raw) error { return r.headers(1, true, Field{Name: ":status", Value: "100"}) }, false},
		"data before head":  {func(r *raw) error { return r.WriteData(1, false, []byte("x")) }, false},
		"too long": {func(r *raw) error {
			return errors.Join(r.headers(1, false, ok, Field{Name: "content-length", Value: "1"}), r.WriteData(1, true, []byte("xx")))
		}, false},
		"too short": {func(r *raw) error {
			return errors.Join(r.headers(1, false, ok, Field{Name: "content-length", Value: "3"}), r.WriteData(1, true, []byte("xx")))
		}, false},
		"body of 204": {func(r *raw) error {
			return errors.Join(r.headers(1, false, Field{Name: ":status", Value: "204"}), r.WriteData(1, true, []byte("xx")))
		}, false},
		"lengths": {func(r *raw) error {
			return r.headers(1, true, ok, Field{Name: "content-length", Value: "0"}, Field{Name: "content-length", Value: "1"})
		}, false},
		"head too large": {func(r *raw) error {
			return r.headers(1, true, ok, Field{Name: "a", Value: strings.Repeat("~", 12_000)})
		}, false},
		"reset":              {func(r *raw) error { return r.WriteRSTStream(1, InternalError) }, false},
		"pseudo in trailers": {func(r *raw) error { return errors.Join(r.headers(1, false, ok), r.headers(1, true, ok)) }, false},
		"push": {func(r *raw) error {
			return r.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
		}, true},
		"stream of its own": {func(r *raw) error { return r.headers(2, true, ok) }, true},
		"answer to nothing": {func(r *raw) error { return r.headers(5, true, ok) }, true},
		"interim without end": {func(r *raw) error {
			var err error
			for range 100 {
				err = errors.Join(err, r.headers(1, false, Field{Name: ":status", Value: "103"}))
			}
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, cl := rawServer(t, Config{HeaderList: 8 << 10})
			r.greet()
			s := cl.open(t, get, true)
			other := cl.open(t, get, true)
			until(r, func(f *http2.MetaHeadersFrame) bool { return f.StreamID == 3 })
			r.must(c.send(r))
			failed := func() error {
				for {
					h, err := s.Answer()
					if err != nil {
						return err
					}
					if h.Get(":status") != "103" {
						_, err = s.bodyOf()
						return err
					}
				}
			}
			if err := failed(); err == nil || Unprocessed(err) {
				t.Errorf("%v", err)
			}
			if c.ends {
				if _, err := other.Answer(); err == nil {
					t.Error("the connection goes on")
				}
				return
			}
			r.must(r.headers(3, true, ok))
			if _, err := other.Answer(); err != nil {
				t.Errorf("the other stream: %v", err)
			}
		})
	}
}

// TestSlowHeadOnBusyConnection: a section that does not end in time ends the connection, whatever else is open.
func TestSlowHeadOnBusyConnection(t *testing.T) {
	r, s := rawClient(t, Config{Timeouts: Timeouts{Head: 30 * time.Millisecond}}, func(s *Stream) { _, _ = s.Next() })
	r.must(r.headers(1, false, get...))
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: r.block(get...)}))
	if err := s.wait(t); err != ErrLate {
		t.Error(err)
	}
}
