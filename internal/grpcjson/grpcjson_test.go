package grpcjson

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// shop is a set of descriptors with two services, one file of which imports another and types of google.protobuf that are not in the set.
func shop(t *testing.T, change func(*descriptorpb.FileDescriptorSet)) []byte {
	t.Helper()
	field := func(name string, n int32, kind descriptorpb.FieldDescriptorProto_Type, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &n, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if of != "" {
			f.TypeName = &of
		}
		return f
	}
	const text, number, message = descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	method := func(name string, streams bool) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{Name: &name, InputType: proto.String(".shop.v1.Order"), OutputType: proto.String(".shop.v1.Order"), ServerStreaming: &streams}
	}
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		{Name: proto.String("orders.proto"), Package: proto.String("shop.v1"), Syntax: proto.String("proto3"), Dependency: []string{"item.proto", "google/protobuf/timestamp.proto"},
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Order"), Field: []*descriptorpb.FieldDescriptorProto{
				field("order_id", 1, number, ""), field("item", 2, message, ".shop.v1.Item"), field("made", 3, message, ".google.protobuf.Timestamp"), field("inner", 4, message, ".shop.v1.Order")}}},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Orders"), Method: []*descriptorpb.MethodDescriptorProto{method("Get", false), method("Watch", true)}}}},
		{Name: proto.String("item.proto"), Package: proto.String("shop.v1"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Item"), Field: []*descriptorpb.FieldDescriptorProto{field("name", 1, text, "")}}}},
	}}
	if change != nil {
		change(set)
	}
	b, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"Orders", "shop.v1.Orders"} {
		m, err := Find(shop(t, nil), name, "Get")
		if err != nil || m.Path() != "/shop.v1.Orders/Get" {
			t.Fatal(err)
		}
		for in, want := range map[string]string{
			"": "{}", " {} ": "{}", `{"orderId": "7", "item": {"name": "a"}}`: `{"orderId":"7","item":{"name":"a"}}`, `{"order_id": 7}`: `{"orderId":"7"}`,
			`{"made":"2026-01-02T03:04:05Z","inner":{"inner":{}}}`: `{"made":"2026-01-02T03:04:05Z","inner":{"inner":{}}}`,
		} {
			body, err := m.Request([]byte(in))
			if err != nil {
				t.Errorf("%s: %v", in, err)
				continue
			}
			if got, err := m.Answer(body); err != nil || string(got) != want {
				t.Errorf("%s: %s, %v, want %s", in, got, err, want)
			}
		}
		for in, want := range map[string]string{
			`{"orderID": 7}`: `unknown field "orderID"`, `{"orderId": "x"}`: "invalid value for int64", `[]`: "unexpected token", `{`: "unexpected EOF", `{"orderId":1}{}`: "unexpected token",
			strings.Repeat(`{"inner":`, 200) + "{}" + strings.Repeat("}", 200): "exceeded max recursion depth", `{"orderId":1,"orderId":2}`: "duplicate field",
		} {
			if _, err := m.Request([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.40s: %v, want %s", in, err, want)
			}
		}
		for body, want := range map[string]string{
			"": "not one message", "\x00\x00\x00\x00\x02\x08": "not one message", "\x00\x00\x00\x00\x00\x00": "not one message", "\x01\x00\x00\x00\x00": "compressed", "\x00\x00\x00\x00\x01\x08": "read answer",
		} {
			if _, err := m.Answer([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %s", body, err, want)
			}
		}
	}
}

func TestFind(t *testing.T) {
	for want, c := range map[string]struct {
		descriptors     []byte
		service, method string
	}{
		"no set of descriptors": {[]byte("syntax = \"proto3\";"), "Orders", "Get"},
		"hold no file":          {nil, "Orders", "Get"},
		"at most 1048576":       {make([]byte, MaxDescriptors+1), "Orders", "Get"},
		"have no service \"Order\": they have shop.v1.Orders":      {shop(t, nil), "Order", "Get"},
		"in orders.proto has no method \"get\": it has Get, Watch": {shop(t, nil), "Orders", "get"},
		"in orders.proto is streaming":                             {shop(t, nil), "Orders", "Watch"},
		"item.proto":                                               {shop(t, func(s *descriptorpb.FileDescriptorSet) { s.File = s.File[:1] }), "Orders", "Get"},
		"shop.v1.Lost": {shop(t, func(s *descriptorpb.FileDescriptorSet) {
			s.File[0].MessageType[0].Field[1].TypeName = proto.String(".shop.v1.Lost")
		}), "Orders", "Get"},
		"one of several: name it in full, as one of other.Orders, shop.v1.Orders": {shop(t, func(s *descriptorpb.FileDescriptorSet) {
			s.File = append(s.File, &descriptorpb.FileDescriptorProto{Name: proto.String("o.proto"), Package: proto.String("other"), Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Orders")}}})
		}), "Orders", "Get"},
	} {
		if _, err := Find(c.descriptors, c.service, c.method); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestStatus(t *testing.T) {
	for code, want := range map[string]int{"0": 200, "1": 499, "3": 400, "4": 504, "5": 404, "7": 403, "8": 429, "12": 501, "14": 503, "16": 401, "17": 500, "x": 500, "-1": 500} {
		if s, ok := ReadStatus(code, ""); !ok || s.HTTP() != want {
			t.Errorf("%s: %d, want %d", code, s.HTTP(), want)
		}
	}
	if _, ok := ReadStatus("", "x"); ok {
		t.Error("a status without a code")
	}
	s, _ := ReadStatus("5", "no %22it%C3%A4m%22 100% %zz \xff")
	if got := string(s.JSON()); got != `{"code":5,"message":"no \"itäm\" 100% %zz `+"\ufffd"+`"}` {
		t.Error(got)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(`{"orderId": "7", "item": {"name": "a"}, "made": "2026-01-02T03:04:05Z"}`)
	f.Add(`{"inner": {"inner": {}}}`)
	var m *Method
	f.Fuzz(func(t *testing.T, text string) {
		if m == nil {
			var err error
			if m, err = Find(shop(t, nil), "Orders", "Get"); err != nil {
				t.Fatal(err)
			}
		}
		body, err := m.Request([]byte(text))
		if err != nil {
			return
		}
		if _, err := m.Answer(body); err != nil {
			t.Errorf("%q became a request that cannot be read: %v", text, err)
		}
	})
}
