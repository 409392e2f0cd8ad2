package grpcjson

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	// The types that protoc ships with itself: a set of descriptors may leave them out.
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

// MaxDescriptors bounds the bytes of a set of descriptors.
const MaxDescriptors = 1 << 20

// Method is a unary method of a service.
type Method struct {
	path          string
	input, output protoreflect.MessageDescriptor
	types         *dynamicpb.Types
}

// Find returns a method of a set of descriptors, as protoc writes it with --descriptor_set_out. The service is named in full
// ("shop.v1.Orders"), or by its last part where one service alone has that. Files of the set must have what they import in the set,
// but for the types of google.protobuf. The error says which file, service or method is wrong.
func Find(descriptors []byte, service, method string) (*Method, error) {
	if len(descriptors) > MaxDescriptors {
		return nil, fmt.Errorf("grpcjson: descriptors have %d bytes: at most %d", len(descriptors), MaxDescriptors)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(descriptors, &set); err != nil {
		return nil, errors.New("grpcjson: descriptors are no set of descriptors: write them with protoc --descriptor_set_out")
	}
	if len(set.GetFile()) == 0 {
		return nil, errors.New("grpcjson: descriptors hold no file")
	}
	complete(&set)
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("grpcjson: descriptors: %s (protoc writes imported files with --include_imports)", plain(err))
	}
	s, err := findService(files, service)
	if err != nil {
		return nil, err
	}
	m := s.Methods().ByName(protoreflect.Name(method))
	switch {
	case m == nil:
		var names []string
		for i := range s.Methods().Len() {
			names = append(names, string(s.Methods().Get(i).Name()))
		}
		return nil, fmt.Errorf("grpcjson: service %s in %s has no method %q: it has %s", s.FullName(), s.ParentFile().Path(), method, strings.Join(names, ", "))
	case m.IsStreamingClient() || m.IsStreamingServer():
		return nil, fmt.Errorf("grpcjson: method %s in %s is streaming: only unary methods have one request and one answer", m.FullName(), s.ParentFile().Path())
	}
	return &Method{"/" + string(s.FullName()) + "/" + string(m.Name()), m.Input(), m.Output(), dynamicpb.NewTypes(files)}, nil
}

// complete adds the files of google.protobuf that the set imports and does not have.
func complete(set *descriptorpb.FileDescriptorSet) {
	have := map[string]bool{}
	for _, f := range set.GetFile() {
		have[f.GetName()] = true
	}
	for i := 0; i < len(set.File); i++ { // what is added has imports too
		for _, name := range set.File[i].GetDependency() {
			if have[name] || !strings.HasPrefix(name, "google/protobuf/") {
				continue
			}
			if f, err := protoregistry.GlobalFiles.FindFileByPath(name); err == nil {
				have[name] = true
				set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
			}
		}
	}
}

func findService(files *protoregistry.Files, name string) (protoreflect.ServiceDescriptor, error) {
	var found []protoreflect.ServiceDescriptor
	var all []string
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			s := f.Services().Get(i)
			all = append(all, string(s.FullName()))
			if string(s.FullName()) == name || string(s.Name()) == name {
				found = append(found, s)
			}
		}
		return true
	})
	if len(found) > 1 {
		if i := slices.IndexFunc(found, func(s protoreflect.ServiceDescriptor) bool { return string(s.FullName()) == name }); i >= 0 {
			return found[i], nil
		}
	}
	slices.Sort(all)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("grpcjson: descriptors have no service %q: they have %s", name, strings.Join(all, ", "))
	}
	return nil, fmt.Errorf("grpcjson: service %q is one of several: name it in full, as one of %s", name, strings.Join(all, ", "))
}

// Path is that of the method's requests: "/shop.v1.Orders/Get".
func (m *Method) Path() string { return m.path }

// plain is the text of an error of the protobuf library, which varies its spaces so that nobody compares it.
func plain(err error) string {
	return strings.TrimPrefix(strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\u00a0", " ")), " "), "proto: ")
}
