package builtin

import (
	"fmt"

	"paifang/internal/filter"
)

// BufferRequest configures "buffer-request": the body of a request is read whole before an upstream is troubled, so that a
// slow client holds up nobody, and the request can be made again elsewhere. Limit is the number of bytes that it may have.
type BufferRequest struct {
	Limit int64 `json:"limit,omitempty"` // default 1 MiB, at most 1 TiB
}

// defaultBufferRequest is the default of BufferRequest.Limit, maxBufferRequest its bound.
const (
	defaultBufferRequest = 1 << 20
	maxBufferRequest     = 1 << 40
)

// Validate refuses a limit that lets no body pass, or every one.
func (c BufferRequest) Validate() error {
	if c.Limit < 0 || c.Limit > maxBufferRequest {
		return fmt.Errorf("limit is %d: want 1 to %d bytes", c.Limit, int64(maxBufferRequest))
	}
	return nil
}

func bufferRequestKind() filter.Kind {
	return filter.Define("buffer-request", func(c BufferRequest, _ filter.Env) (filter.Filter, error) {
		if c.Limit == 0 {
			c.Limit = defaultBufferRequest
		}
		return bufferRequest{c.Limit}, nil
	})
}

type bufferRequest struct{ limit int64 }

var _ filter.BodyFilter = bufferRequest{}

// BodyLimit has the engine read the body.
func (f bufferRequest) BodyLimit() int64 { return f.limit }

// Request has nothing left to do.
func (f bufferRequest) Request(*filter.Exchange) filter.Verdict { return filter.Continue }
