package grpcjson

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maxDepth bounds how deep messages are nested, in JSON and in their own form.
const maxDepth = 100

// prefix is the length of what stands before a message: whether it is compressed, and its length (gRPC over HTTP/2,
// "Length-Prefixed-Message").
const prefix = 5

// Request makes the body of a request from JSON in the form that protobuf has for it (ProtoJSON). Nothing at all is an empty
// message. The error says what of the JSON is wrong and is meant for who sent it.
func (m *Method) Request(text []byte) ([]byte, error) {
	msg := dynamicpb.NewMessage(m.input)
	if len(bytes.TrimSpace(text)) > 0 {
		if err := (protojson.UnmarshalOptions{Resolver: m.types, RecursionLimit: maxDepth}).Unmarshal(text, msg); err != nil {
			return nil, fmt.Errorf("grpcjson: read request: %s", plain(err))
		}
	}
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(make([]byte, prefix), msg)
	if err != nil {
		return nil, fmt.Errorf("grpcjson: write request: %s", plain(err))
	}
	binary.BigEndian.PutUint32(out[1:], uint32(len(out)-prefix))
	return out, nil
}

// Answer makes JSON from the body of an answer, which is one message. Fields with the value that they have when nobody sets them are
// left out, names are in lowerCamelCase.
func (m *Method) Answer(body []byte) ([]byte, error) {
	switch {
	case len(body) < prefix || uint32(len(body)-prefix) != binary.BigEndian.Uint32(body[1:]):
		return nil, errors.New("grpcjson: read answer: it is not one message")
	case body[0] != 0:
		return nil, errors.New("grpcjson: read answer: it is compressed, which nobody asked for")
	}
	msg := dynamicpb.NewMessage(m.output)
	if err := (proto.UnmarshalOptions{Resolver: m.types, RecursionLimit: maxDepth}).Unmarshal(body[prefix:], msg); err != nil {
		return nil, fmt.Errorf("grpcjson: read answer: %s", plain(err))
	}
	text, err := protojson.MarshalOptions{Resolver: m.types}.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("grpcjson: write answer: %s", plain(err))
	}
	var out bytes.Buffer // the library varies its spaces, so that nobody compares its texts
	if err := json.Compact(&out, text); err != nil {
		return nil, fmt.Errorf("grpcjson: write answer: %w", err)
	}
	return out.Bytes(), nil
}
