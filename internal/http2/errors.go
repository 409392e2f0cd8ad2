package http2

import (
	"errors"
	"fmt"

	"golang.org/x/net/http2"
)

// Code is an error code (RFC 9113, section 7).
type Code = http2.ErrCode

// The codes that callers give or meet.
const (
	NoError         = http2.ErrCodeNo
	ProtocolError   = http2.ErrCodeProtocol
	InternalError   = http2.ErrCodeInternal
	StreamClosed    = http2.ErrCodeStreamClosed
	RefusedStream   = http2.ErrCodeRefusedStream
	Cancel          = http2.ErrCodeCancel
	EnhanceYourCalm = http2.ErrCodeEnhanceYourCalm
)

// What methods of streams and connections return besides ResetError and Fault.
var (
	// ErrInterrupted: Interrupt was called.
	ErrInterrupted = errors.New("http2: interrupted")
	// ErrClosed: the connection has ended before the stream had.
	ErrClosed = errors.New("http2: connection closed")
	// ErrUnprocessed: the server went away and said that it has not looked at the stream (RFC 9113, section 6.8), or the
	// stream was never sent. It may be sent again elsewhere, whatever it is.
	ErrUnprocessed = errors.New("http2: request was not processed")
	// ErrFull: the connection takes no further stream, now or at all.
	ErrFull = errors.New("http2: connection takes no further stream")
	// ErrLate: Check has ended the connection.
	ErrLate = errors.New("http2: waited too long")
)

// ResetError is the end of a stream by RST_STREAM.
type ResetError struct {
	Code  Code
	Local bool // this side has sent it
}

// Error names the code and who reset.
func (e ResetError) Error() string {
	who := "peer"
	if e.Local {
		who = "this side"
	}
	return fmt.Sprintf("http2: stream reset by %s: %v", who, e.Code)
}

// Unprocessed tells whether an error of a client's stream says that the server did nothing with it.
func Unprocessed(err error) bool {
	if reset, ok := errors.AsType[ResetError](err); ok {
		return !reset.Local && reset.Code == RefusedStream
	}
	return errors.Is(err, ErrUnprocessed)
}

// Fault is what a peer did that ends its connection.
type Fault struct {
	Code   Code
	Reason string
}

// Error names the code and the reason.
func (f Fault) Error() string { return fmt.Sprintf("http2: connection error %v: %s", f.Code, f.Reason) }

// streamFault is what a peer did that ends one stream.
type streamFault struct {
	id   uint32
	code Code
}

func (f streamFault) Error() string { return fmt.Sprintf("http2: stream %d: %v", f.id, f.code) }
