package nacoswire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// Services and methods of nacos_grpc_service.proto, which has no package.
const (
	RequestService = "Request"
	RequestMethod  = "request"         // unary
	StreamService  = "BiRequestStream" //
	StreamMethod   = "requestBiStream" // both ways

	FullRequestMethod = "/" + RequestService + "/" + RequestMethod
	FullStreamMethod  = "/" + StreamService + "/" + StreamMethod
)

// GRPCPortOffset lies between the port of HTTP and that of gRPC.
const GRPCPortOffset = 1000

// Codec encodes *Payload for gRPC, and nothing else. Its name is that of protobuf, because what it writes is.
type Codec struct{}

var _ encoding.CodecV2 = Codec{}

// Marshal encodes a *Payload.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.(*Payload)
	if !ok {
		return nil, fmt.Errorf("nacoswire: encode %T: want *Payload", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(p.Append(make([]byte, 0, len(p.Body)+128)))}, nil
}

// Unmarshal decodes into a *Payload.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	p, ok := v.(*Payload)
	if !ok {
		return fmt.Errorf("nacoswire: decode into %T: want *Payload", v)
	}
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	err := p.Parse(buf.ReadOnlyData())
	p.Size = data.Len()
	return err
}

// Name is "proto".
func (Codec) Name() string { return "proto" }
