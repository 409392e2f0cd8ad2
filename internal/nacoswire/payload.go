package nacoswire

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Payload is the one message of Nacos' gRPC services (nacos_grpc_service.proto):
//
//	message Metadata { string type = 3; string clientIp = 8; map<string, string> headers = 7; }
//	message Payload  { Metadata metadata = 2; google.protobuf.Any body = 3; }
//
// The body's value is JSON and its type_url stays empty.
type Payload struct {
	Type     string
	ClientIP string
	Headers  map[string]string
	Body     []byte
	Size     int // bytes of the message that it was decoded from
}

// Field numbers of nacos_grpc_service.proto and of google/protobuf/any.proto.
const (
	fieldMetadata = 2
	fieldBody     = 3

	fieldType     = 3
	fieldHeaders  = 7
	fieldClientIP = 8

	fieldKey   = 1
	fieldValue = 2
)

// NewPayload encodes a message as JSON.
func NewPayload[M any](typ string, message M) (*Payload, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("nacoswire: encode %s: %w", typ, err)
	}
	return &Payload{Type: typ, Body: body}, nil
}

// Decode reads the body of a payload. An empty body is an empty object.
func Decode[M any](p *Payload) (M, error) {
	var m M
	if len(p.Body) == 0 {
		return m, nil
	}
	if q, ok := any(&m).(scanned); ok {
		if q.scan(p.Body) {
			return m, nil
		}
		var fresh M
		m = fresh
	}
	if err := json.Unmarshal(p.Body, &m); err != nil {
		return m, fmt.Errorf("nacoswire: decode %s: %w", p.Type, err)
	}
	return m, nil
}

// Append writes the protobuf encoding; headers in order of their names.
func (p *Payload) Append(b []byte) []byte {
	var meta []byte
	meta = appendText(meta, fieldType, p.Type)
	for _, k := range slices.Sorted(maps.Keys(p.Headers)) {
		entry := appendText(nil, fieldKey, k)
		entry = appendText(entry, fieldValue, p.Headers[k])
		meta = appendBytes(meta, fieldHeaders, entry)
	}
	meta = appendText(meta, fieldClientIP, p.ClientIP)
	b = appendBytes(b, fieldMetadata, meta)

	size := 0
	if len(p.Body) > 0 {
		size = protowire.SizeTag(fieldValue) + protowire.SizeBytes(len(p.Body))
	}
	b = protowire.AppendTag(b, fieldBody, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	if size > 0 {
		b = appendBytes(b, fieldValue, p.Body)
	}
	return b
}

// Parse reads the protobuf encoding; unknown fields are skipped. Nothing of b is kept.
func (p *Payload) Parse(b []byte) error {
	*p = Payload{}
	return eachField(b, func(n protowire.Number, v []byte) error {
		switch n {
		case fieldMetadata:
			return eachField(v, p.metadata)
		case fieldBody:
			return eachField(v, func(n protowire.Number, v []byte) error {
				if n == fieldValue {
					p.Body = slices.Clone(v)
				}
				return nil
			})
		}
		return nil
	})
}

func (p *Payload) metadata(n protowire.Number, v []byte) error {
	switch n {
	case fieldType:
		p.Type = string(v)
	case fieldClientIP:
		p.ClientIP = string(v)
	case fieldHeaders:
		if len(p.Headers) >= maxHeaders {
			return errors.New("nacoswire: payload has too many headers")
		}
		var key, value string
		err := eachField(v, func(n protowire.Number, v []byte) error {
			switch n {
			case fieldKey:
				key = string(v)
			case fieldValue:
				value = string(v)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if p.Headers == nil {
			p.Headers = map[string]string{}
		}
		p.Headers[key] = value
	}
	return nil
}

// maxHeaders bounds the headers of a payload; clients send fewer than ten.
const maxHeaders = 256

// eachField calls f for every length-delimited field and skips those of other types: Payload has none.
func eachField(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeTag(b)
		if size < 0 {
			return fmt.Errorf("nacoswire: parse payload: %w", protowire.ParseError(size))
		}
		b = b[size:]
		if typ != protowire.BytesType {
			if size = protowire.ConsumeFieldValue(n, typ, b); size < 0 {
				return fmt.Errorf("nacoswire: parse payload: %w", protowire.ParseError(size))
			}
			b = b[size:]
			continue
		}
		v, size := protowire.ConsumeBytes(b)
		if size < 0 {
			return fmt.Errorf("nacoswire: parse payload: %w", protowire.ParseError(size))
		}
		b = b[size:]
		if err := f(n, v); err != nil {
			return err
		}
	}
	return nil
}

// appendText leaves out the empty text, as proto3 does.
func appendText(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, n, protowire.BytesType)
	return protowire.AppendString(b, s)
}

func appendBytes(b []byte, n protowire.Number, v []byte) []byte {
	b = protowire.AppendTag(b, n, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}
