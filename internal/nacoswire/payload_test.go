package nacoswire

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strconv"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
)

// The bytes of a payload, field by field.
func TestPayloadGolden(t *testing.T) {
	p := &Payload{
		Type:     "HealthCheckRequest",
		ClientIP: "10.0.0.1",
		Headers:  map[string]string{"b": "2", "a": "1"},
		Body:     []byte(`{}`),
	}
	want := "12" + "2e" + // metadata, 46 bytes
		"1a12" + hex.EncodeToString([]byte("HealthCheckRequest")) +
		"3a06" + "0a0161" + "120131" +
		"3a06" + "0a0162" + "120132" +
		"4208" + hex.EncodeToString([]byte("10.0.0.1")) +
		"1a04" + "1202" + hex.EncodeToString([]byte("{}"))
	if got := hex.EncodeToString(p.Append(nil)); got != want {
		t.Fatalf("payload is\n%s\nwant\n%s", got, want)
	}
	var back Payload
	if err := back.Parse(p.Append(nil)); err != nil || !reflect.DeepEqual(&back, p) {
		t.Fatalf("read back %+v, %v", back, err)
	}
}

// What we write is read by the protobuf library with the published schema, and the other way round.
func TestPayloadAgainstProtobuf(t *testing.T) {
	desc := payloadDescriptor(t)
	ours := &Payload{Type: "InstanceRequest", ClientIP: "::1", Headers: map[string]string{"app": "x"}, Body: []byte(`{"a":1}`)}

	m := dynamicpb.NewMessage(desc)
	if err := proto.Unmarshal(ours.Append(nil), m); err != nil {
		t.Fatal(err)
	}
	theirs, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Payload
	if err := back.Parse(theirs); err != nil || !reflect.DeepEqual(&back, ours) {
		t.Fatalf("read back %+v, %v; want %+v", back, err, ours)
	}
	if len(m.GetUnknown()) > 0 {
		t.Fatalf("fields the schema does not know: %x", m.GetUnknown())
	}
}

func TestPayloadRefusesGarbage(t *testing.T) {
	many := []byte{}
	for i := range maxHeaders + 1 {
		many = appendBytes(many, fieldHeaders, appendText(nil, fieldKey, strconv.Itoa(i)))
	}
	for name, b := range map[string][]byte{
		"cut":           {0x12, 0x05, 0x1a},
		"endless tag":   bytes.Repeat([]byte{0xff}, 12),
		"group":         {0x13},
		"many headers":  appendBytes(nil, fieldMetadata, many),
		"length beyond": {0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f},
	} {
		if err := new(Payload).Parse(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// Unknown fields of every type are skipped: number 15 as varint, 64 bit, 32 bit and bytes.
	b := []byte{0x78, 1, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7d, 1, 2, 3, 4, 0x7a, 1, 1}
	if err := new(Payload).Parse(b); err != nil {
		t.Error(err)
	}
}

func TestCodec(t *testing.T) {
	var c Codec
	in := &Payload{Type: "X", Body: []byte("{}")}
	b, err := c.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	whole := b.Materialize()
	split := mem.BufferSlice{mem.SliceBuffer(whole[:3]), mem.SliceBuffer(whole[3:])} // as it may arrive
	var out Payload
	in.Size = split.Len()
	if err := c.Unmarshal(split, &out); err != nil || !reflect.DeepEqual(&out, in) {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := c.Marshal("text"); err == nil {
		t.Error("encoding a string: no error")
	}
	if err := c.Unmarshal(b, new(int)); err == nil {
		t.Error("decoding into an int: no error")
	}
}

func FuzzPayload(f *testing.F) {
	f.Add((&Payload{Type: "A", ClientIP: "b", Headers: map[string]string{"c": "d"}, Body: []byte("{}")}).Append(nil))
	f.Add([]byte{0x12, 0x05, 0x1a})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, q Payload
		if p.Parse(b) != nil {
			return
		}
		if err := q.Parse(p.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if len(p.Body) == 0 {
			p.Body, q.Body = nil, nil
		}
		if !reflect.DeepEqual(p, q) {
			t.Fatalf("%+v became %+v", p, q)
		}
	})
}

// payloadDescriptor is nacos_grpc_service.proto as published.
func payloadDescriptor(t *testing.T) protoreflect.MessageDescriptor {
	field := func(name string, number int32, typ descriptorpb.FieldDescriptorProto_Type, message string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: &number, Type: &typ,
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if message != "" {
			f.TypeName = &message
		}
		return f
	}
	const text, msg = descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	headers := field("headers", 7, msg, ".Metadata.HeadersEntry")
	headers.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:       proto.String("nacos_grpc_service.proto"),
		Syntax:     proto.String("proto3"),
		Dependency: []string{"google/protobuf/any.proto"},
		MessageType: []*descriptorpb.DescriptorProto{
			{
				Name:  proto.String("Metadata"),
				Field: []*descriptorpb.FieldDescriptorProto{field("type", 3, text, ""), field("clientIp", 8, text, ""), headers},
				NestedType: []*descriptorpb.DescriptorProto{{
					Name:    proto.String("HeadersEntry"),
					Field:   []*descriptorpb.FieldDescriptorProto{field("key", 1, text, ""), field("value", 2, text, "")},
					Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
				}},
			},
			{
				Name: proto.String("Payload"),
				Field: []*descriptorpb.FieldDescriptorProto{
					field("metadata", 2, msg, ".Metadata"), field("body", 3, msg, ".google.protobuf.Any"),
				},
			},
		},
	}, anyFiles{})
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().ByName("Payload")
}

type anyFiles struct{}

func (anyFiles) FindFileByPath(string) (protoreflect.FileDescriptor, error) {
	return anypb.File_google_protobuf_any_proto, nil
}

func (anyFiles) FindDescriptorByName(protoreflect.FullName) (protoreflect.Descriptor, error) {
	return (&anypb.Any{}).ProtoReflect().Descriptor(), nil
}
