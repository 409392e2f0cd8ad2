package registry

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"paifang/internal/nacoswire"
)

// pinged is how often a client pings here: nacos-sdk-go does every 60 s, and what is allowed without a stream is every 10 s.
const pinged = 11 * time.Second

// A client that has sent no login and no stream, frame by frame: of messages that are half there it may have 32, and the others are refused; its
// pings are answered and do not make the server end the connection, as grpc-go's do by default with the third one too many.
func TestFramesOfGRPC(t *testing.T) {
	t.Parallel()
	const streams, allowed, pings = 100, 32, 5
	rest, grpc := freeAddress(t), freeAddress(t)
	serve(t, "registry", fmt.Sprintf("registry: {http: %q, grpc: %q}\n", rest, grpc))
	connect := func() *http2.Framer {
		c, err := net.DialTimeout("tcp", grpc, 5*time.Second)
		must(t, err)
		t.Cleanup(func() { c.Close() })
		must(t, c.SetDeadline(time.Now().Add(pings*pinged+20*time.Second)))
		_, err = io.WriteString(c, http2.ClientPreface)
		must(t, err)
		f := http2.NewFramer(c, c)
		must(t, f.WriteSettings())
		return f
	}

	crowd := connect()
	var head bytes.Buffer
	h := hpack.NewEncoder(&head)
	for i := range streams {
		head.Reset()
		for _, field := range [][2]string{
			{":method", "POST"}, {":scheme", "http"}, {":path", nacoswire.FullRequestMethod}, {":authority", "registry"}, {"content-type", "application/grpc"}, {"te", "trailers"},
		} {
			must(t, h.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		id := uint32(2*i + 1)
		must(t, crowd.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true}))
		if i < allowed { // a byte of a message of 7 MiB
			must(t, crowd.WriteData(id, false, []byte{0, 0, 7 << 4, 0, 0, 'x'}))
		}
	}
	must(t, crowd.WritePing(false, [8]byte{1}))
	said, refused := uint32(0), 0
	for done := false; !done; {
		frame, err := crowd.ReadFrame()
		must(t, err)
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if n, ok := frame.Value(http2.SettingMaxConcurrentStreams); ok {
				said = n
			}
		case *http2.RSTStreamFrame:
			if frame.ErrCode == http2.ErrCodeRefusedStream {
				refused++
			}
		case *http2.PingFrame:
			done = frame.IsAck() && frame.Data[0] == 1 // those before it were looked at
		case *http2.GoAwayFrame:
			t.Fatalf("%d streams: %v %s", streams, frame.ErrCode, frame.DebugData())
		}
	}
	if said != allowed || refused != streams-allowed {
		t.Errorf("the server says that %d streams are allowed and refused %d of %d; want %d and %d", said, refused, streams, allowed, streams-allowed)
	}

	silent := connect()
	for i := range pings {
		time.Sleep(pinged)
		must(t, silent.WritePing(false, [8]byte{2, byte(i)}))
		for answered := false; !answered; {
			frame, err := silent.ReadFrame()
			if err != nil {
				t.Fatalf("ping %d: %v", i, err)
			}
			switch frame := frame.(type) {
			case *http2.PingFrame:
				answered = frame.IsAck() && frame.Data == [8]byte{2, byte(i)}
			case *http2.GoAwayFrame:
				t.Fatalf("ping %d: %v %s", i, frame.ErrCode, frame.DebugData())
			}
		}
	}
}
