package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"paifang/internal/model"
)

const (
	// mostFrames and mostAnswer bound what a probe reads: an answer is a handful of frames and a message of two bytes.
	mostFrames = 64
	mostAnswer = 4 << 10
	// grpcServing is HealthCheckResponse.SERVING of grpc.health.v1.
	grpcServing = 1
)

// probeGRPC calls grpc.health.v1.Health/Check over HTTP/2 with prior knowledge (RFC 9113, section 3.3). The frames are written
// and read here: one call on a connection of its own needs neither streams nor goroutines.
func (l *live) probeGRPC(c net.Conn, h model.HealthCheck) error {
	if len(h.Service) > 1<<10 {
		return errors.New("upstream: the name of the service that a probe asks for is too long")
	}
	out := &frameWriter{w: c}
	framer := http2.NewFramer(out, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.MaxHeaderListSize = mostAnswer
	framer.SetMaxReadFrameSize(16 << 10)
	out.text(http2.ClientPreface)
	out.note(framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0}))
	out.note(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: l.grpcHead(h)}))
	out.note(framer.WriteData(1, true, grpcMessage(h.Service)))
	if err := out.flush(); err != nil {
		return err
	}
	answer := grpcAnswer{addr: l.key.Addr.String()}
	for range mostFrames {
		frame, err := framer.ReadFrame()
		if err != nil {
			return fmt.Errorf("upstream: read the answer to a gRPC probe of %s: %w", answer.addr, err)
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				out.note(framer.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				out.note(framer.WritePing(true, f.Data))
			}
		case *http2.GoAwayFrame:
			if f.LastStreamID < 1 {
				return fmt.Errorf("upstream: a gRPC probe of %s was refused: %v", answer.addr, f.ErrCode)
			}
		case *http2.RSTStreamFrame:
			return fmt.Errorf("upstream: a gRPC probe of %s was reset: %v", answer.addr, f.ErrCode)
		case *http2.MetaHeadersFrame:
			if done, err := answer.head(f); done || err != nil {
				return err
			}
		case *http2.DataFrame:
			if answer.body = append(answer.body, f.Data()...); len(answer.body) > mostAnswer || f.StreamEnded() {
				return answer.fault("has no gRPC status")
			}
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return answer.fault("does not end")
}

// grpcHead is the head of the call (gRPC over HTTP/2, Requests).
func (l *live) grpcHead(h model.HealthCheck) []byte {
	host := h.Host
	setDefault(&host, l.probed(h).String())
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	field := func(name, value string) { _ = enc.WriteField(hpack.HeaderField{Name: name, Value: value}) } // memory takes everything
	field(":method", "POST")
	field(":scheme", "http")
	field(":path", "/grpc.health.v1.Health/Check")
	field(":authority", host)
	field("content-type", "application/grpc")
	field("te", "trailers")
	field("user-agent", "paifang-probe")
	for _, f := range h.Headers {
		field(strings.ToLower(f.Name), f.Value)
	}
	return block.Bytes()
}

// grpcMessage is a HealthCheckRequest as a gRPC message: not compressed, its length, field 1 with the name.
func grpcMessage(service string) []byte {
	var body []byte
	if service != "" {
		body = append(body, 1<<3|2)
		for n := len(service); ; n >>= 7 {
			if n < 0x80 {
				body = append(body, byte(n))
				break
			}
			body = append(body, byte(n)|0x80)
		}
		body = append(body, service...)
	}
	n := len(body)
	return append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// grpcAnswer is what came of a call.
type grpcAnswer struct {
	addr  string
	heads int
	body  []byte
}

func (a *grpcAnswer) fault(what string) error {
	return fmt.Errorf("upstream: the answer to a gRPC probe of %s %s", a.addr, what)
}

// head takes the head of the answer or its trailers, which end the call; the head may be both.
func (a *grpcAnswer) head(f *http2.MetaHeadersFrame) (done bool, err error) {
	if f.Truncated {
		return true, a.fault("has too large a head")
	}
	field := func(name string) string {
		for _, x := range f.Fields {
			if x.Name == name {
				return x.Value
			}
		}
		return ""
	}
	if a.heads == 0 {
		status := f.PseudoValue("status")
		if len(status) == 3 && status[0] == '1' {
			return false, nil
		}
		if status != "200" || !strings.HasPrefix(field("content-type"), "application/grpc") {
			return true, fmt.Errorf("%w: %s with content type %q is no gRPC", errStatus, status, field("content-type"))
		}
	}
	a.heads++
	if !f.StreamEnded() {
		if a.heads > 1 {
			return true, a.fault("has two heads")
		}
		return false, nil
	}
	if code := field("grpc-status"); code != "0" {
		return true, fmt.Errorf("%w: gRPC status %q %s", errStatus, code, field("grpc-message"))
	}
	if status, ok := healthOf(a.body); !ok || status != grpcServing {
		return true, fmt.Errorf("%w: gRPC health is %d, not SERVING", errStatus, status)
	}
	return true, nil
}

// healthOf reads the status of a HealthCheckResponse: field 1, a number. Other fields are passed over (Protocol Buffers,
// Encoding).
func healthOf(message []byte) (status uint64, ok bool) {
	if len(message) < 5 || message[0] != 0 {
		return 0, false
	}
	n := int(message[1])<<24 | int(message[2])<<16 | int(message[3])<<8 | int(message[4])
	if n != len(message)-5 {
		return 0, false
	}
	for b := message[5:]; len(b) > 0; {
		tag, k := varint(b)
		if k == 0 {
			return 0, false
		}
		b = b[k:]
		skip := 0
		switch tag & 7 {
		case 0:
			value, k := varint(b)
			if k == 0 {
				return 0, false
			}
			if tag>>3 == 1 {
				status = value
			}
			skip = k
		case 1:
			skip = 8
		case 2:
			size, k := varint(b)
			if k == 0 || size > uint64(len(b)) {
				return 0, false
			}
			skip = k + int(size)
		case 5:
			skip = 4
		default:
			return 0, false
		}
		if skip > len(b) {
			return 0, false
		}
		b = b[skip:]
	}
	return status, true
}

// varint reads a number and how many bytes it has; 0 = it is none.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 10 {
		v |= uint64(b[n]&0x7f) << (7 * n)
		n++
		if b[n-1] < 0x80 {
			return v, n
		}
	}
	return 0, 0
}

// frameWriter collects frames, to write them at once.
type frameWriter struct {
	w   io.Writer
	b   []byte
	err error
}

func (f *frameWriter) Write(p []byte) (int, error) {
	f.b = append(f.b, p...)
	return len(p), nil
}

func (f *frameWriter) text(s string) { f.b = append(f.b, s...) }

func (f *frameWriter) note(err error) { f.err = errors.Join(f.err, err) }

func (f *frameWriter) flush() error {
	if f.err != nil || len(f.b) == 0 {
		return f.err
	}
	_, err := f.w.Write(f.b)
	f.b = f.b[:0]
	return err
}
