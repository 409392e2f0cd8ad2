package http2

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// script is a socket whose other side says what was written down, and takes everything.
type script struct {
	bytes.Reader
	written bytes.Buffer
}

func (s *script) Write(p []byte) (int, error)        { return s.written.Write(p) }
func (s *script) Close() error                       { return nil }
func (s *script) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error        { return nil }
func (s *script) SetReadDeadline(time.Time) error    { return nil }
func (s *script) SetWriteDeadline(t time.Time) error { return nil }

// frames writes down what f sends.
func frames(f func(fr *http2.Framer, block func(...Field) []byte)) []byte {
	var out, block bytes.Buffer
	fr := http2.NewFramer(&out, nil)
	fr.AllowIllegalWrites = true
	enc := hpack.NewEncoder(&block)
	f(fr, func(fields ...Field) []byte {
		block.Reset()
		for _, f := range fields {
			_ = enc.WriteField(f)
		}
		return bytes.Clone(block.Bytes())
	})
	return out.Bytes()
}

func head(fr *http2.Framer, id uint32, end bool, block []byte) {
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: end, EndHeaders: true})
}

// balanced checks that no byte of the windows was lost, and that no stream is left.
func balanced(t *testing.T, c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots != 0 || len(c.streams) != 0 || len(c.fresh) != 0 {
		t.Errorf("%d slots, %d streams, %d fresh", c.slots, len(c.streams), len(c.fresh))
	}
	if c.credit < 0 || c.credit+c.owed > c.cfg.ConnWindow {
		t.Errorf("credit %d, owed %d of %d", c.credit, c.owed, c.cfg.ConnWindow)
	}
	if len(c.section.fields) > c.cfg.HeaderList/32 {
		t.Errorf("%d fields", len(c.section.fields))
	}
}

// FuzzServer: whatever a client sends, a server neither breaks nor loses count.
func FuzzServer(f *testing.F) {
	f.Add(frames(func(fr *http2.Framer, block func(...Field) []byte) {
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 10})
		head(fr, 1, true, block(get...))
		head(fr, 3, false, block(append(get[:4:4], Field{Name: "content-length", Value: "10"})...))
		_ = fr.WriteDataPadded(3, false, []byte("hello"), []byte{0, 0})
		_ = fr.WriteData(3, true, []byte("world"))
		head(fr, 5, false, block(get...))
		_ = fr.WriteData(5, false, make([]byte, 1000))
		head(fr, 5, true, block(Field{Name: "trailer", Value: "x"}))
		_ = fr.WriteWindowUpdate(0, 1000)
		_ = fr.WriteWindowUpdate(3, 1000)
		_ = fr.WritePing(false, [8]byte{1})
		_ = fr.WriteSettingsAck()
		_ = fr.WriteGoAway(0, NoError, []byte("bye"))
	}))
	f.Add(frames(func(fr *http2.Framer, block func(...Field) []byte) {
		_ = fr.WriteSettings()
		b := block(get...)
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:2], Priority: http2.PriorityParam{StreamDep: 7}})
		_ = fr.WriteContinuation(1, false, b[2:3])
		_ = fr.WriteContinuation(1, true, b[3:])
		_ = fr.WriteRSTStream(1, Cancel)
		_ = fr.WritePriority(3, http2.PriorityParam{StreamDep: 3})
		_ = fr.WriteData(1, false, []byte("late"))
		_ = fr.WriteWindowUpdate(0, 0)
		_ = fr.WriteRawFrame(0x10, 0, 0, []byte{0, 0, 0, 1, 'u', '=', '1'})
		_ = fr.WriteRawFrame(0xfa, 0xff, 9, []byte("extension"))
	}))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := &script{}
		s.Reset(append([]byte(http2.ClientPreface), in...))
		c := Server(s, nil, Config{HeaderList: 4 << 10, Streams: 10}, func(s *Stream) {
			if s.Head().Malformed != "" {
				s.Reset(ProtocolError)
				return
			}
			_ = s.WriteHead([]Field{{Name: ":status", Value: "200"}}, false)
			for {
				b, err := s.Next()
				if err == io.EOF {
					s.Trailers()
					break
				}
				if err != nil {
					return
				}
				s.Interrupt(false, len(b) == 13)
				if s.Write(b, false) != nil {
					return
				}
			}
			_ = s.Write(nil, true)
		})
		if err := c.Run(); err == nil {
			t.Error("ended without being asked to")
		}
		balanced(t, c)
	})
}

// FuzzClient: whatever a server answers, a client neither breaks nor loses count.
func FuzzClient(f *testing.F) {
	ok := Field{Name: ":status", Value: "200"}
	f.Add(frames(func(fr *http2.Framer, block func(...Field) []byte) {
		_ = fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 3})
		head(fr, 1, false, block(Field{Name: ":status", Value: "103"}))
		head(fr, 1, false, block(ok, Field{Name: "content-length", Value: "5"}))
		_ = fr.WriteData(1, true, []byte("hello"))
		head(fr, 3, false, block(ok))
		_ = fr.WriteDataPadded(3, false, []byte("x"), make([]byte, 9))
		head(fr, 3, true, block(Field{Name: "grpc-status", Value: "0"}))
		_ = fr.WriteRSTStream(5, RefusedStream)
		_ = fr.WriteGoAway(5, NoError, nil)
	}))
	f.Add(frames(func(fr *http2.Framer, block func(...Field) []byte) {
		_ = fr.WriteSettings()
		_ = fr.WritePing(false, [8]byte{})
		head(fr, 1, true, block(Field{Name: ":status", Value: "204"}))
		_ = fr.WriteGoAway(1, EnhanceYourCalm, nil)
		head(fr, 3, true, block(ok, ok))
	}))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := &script{}
		s.Reset(in)
		c := Client(s, Config{HeaderList: 4 << 10})
		var streams []*Stream
		for range 3 {
			s, err := c.NewStream()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Open(get, false, true); err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		_ = c.Run()
		for _, s := range streams {
			for {
				if _, err := s.Answer(); err != nil {
					break
				}
			}
			for {
				if _, err := s.Next(); err != nil {
					break
				}
			}
			s.Close()
		}
		balanced(t, c)
	})
}
