package springgw

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

func healthDescriptors(t *testing.T) []byte {
	t.Helper()
	b, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(healthpb.File_grpc_health_v1_health_proto)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestJSONToGRPC: the descriptors are those of the file, the filter stands last, and the upstream is one of HTTP/2 beside that of other
// routes. What is wrong costs its route alone, and is said with its file.
func TestJSONToGRPC(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string][]byte{"health.pb": healthDescriptors(t), "text.pb": []byte("syntax = \"proto3\";")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for call, want := range map[string]string{
		"JsonToGrpc=Health,Check,file:health.pb":                          "",
		"JsonToGrpc=Health,Check,classpath:/health.pb":                    "",
		"JsonToGrpc=Health,Check,file://" + dir + "/health.pb":            "",
		"JsonToGrpc=Health,Watch,health.pb":                               "health.pb: method grpc.health.v1.Health.Watch in grpc/health/v1/health.proto is streaming",
		"JsonToGrpc=Health,Chek,health.pb":                                "has no method \"Chek\"",
		"JsonToGrpc=Health,Check,text.pb":                                 "text.pb: descriptors are no set of descriptors",
		"JsonToGrpc=Health,Check,file:gone.pb":                            "gone.pb",
		"JsonToGrpc=Health,Check,file:":                                   "names no file",
		"JsonToGrpc=Health,Check,.":                                       "is no file",
		"JsonToGrpc=Health,Check,https://a.test/health.pb":                "want file: or classpath:",
		"JsonToGrpc=Health,Check":                                         "protoDescriptor is missing",
		"JsonToGrpc=Health,Check,health.pb','SetRequestUri=http://a.test": "not supported beside",
	} {
		text := routes("      - {id: a, uri: 'https://127.0.0.1:6565', predicates: ['Path=/a'], filters: ['" + call + "', 'AddRequestHeader=X, y']}\n" +
			"      - {id: b, uri: 'https://127.0.0.1:6565', predicates: ['Path=/b']}\n")
		file := filepath.Join(dir, "application.yml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		groups, err := Load(Config{Paths: []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		o := merged(groups, dir)
		i := slices.IndexFunc(o.Routes, func(r model.Route) bool { return r.Origin.Name == "a" })
		if want != "" {
			if o.Routes[i].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) || !slices.ContainsFunc(o.Diagnostics, func(d model.Diagnostic) bool {
				return strings.Contains(d.Message, want) && d.Origin.Line == 5 && d.Severity == model.Error
			}) {
				t.Errorf("%s: %v", call, o.Diagnostics)
			}
			continue
		}
		r := o.Routes[i]
		if len(o.Diagnostics) > 0 || len(r.Filters) != 2 || r.Filters[1].Kind != "json-to-grpc" || len(o.Upstreams) != 2 {
			t.Errorf("%s: %v\n%+v\n%+v", call, o.Diagnostics, r, o.Upstreams)
		}
		for _, u := range o.Upstreams {
			if strings.HasPrefix(string(u.ID), "grpc/") != (u.Protocol == model.H2) || u.Validate() != nil {
				t.Errorf("%+v", u)
			}
		}
	}
	_, wrong := Judge(Config{}, `[{"id":"a","uri":"http://127.0.0.1:1","predicates":[{"name":"Path","args":{"_genkey_0":"/a"}}],"filters":[{"name":"JsonToGrpc","args":{"service":"Health","method":"Check","protoDescriptor":"file:/etc/passwd"}}]}]`,
		func(model.FilterSpec) (model.Code, error) { return "", nil })
	if len(wrong) == 0 || !strings.Contains(wrong[0].Message, "a route that is in no file names none") {
		t.Errorf("%v", wrong)
	}
}

// TestDescriptorsAreReadAgain: a file that has changed is, once it has settled; one that went stays as it was read.
func TestDescriptorsAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pb")
	at := time.Now().Add(-time.Hour)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	d := newDescriptorFiles()
	if f := d.get(path); f.err == nil {
		t.Error("a file that is not there is read")
	}
	write("one")
	if d.refresh() || !d.refresh() || string(d.get(path).data) != "one" || d.get(path).err != nil {
		t.Errorf("%+v", d.get(path))
	}
	first := d.get(path)
	if d.refresh() || d.get(path) != first {
		t.Error("what has not changed is read again")
	}
	write("two")
	if d.refresh() {
		t.Error("it is read before it has settled")
	}
	write("two, longer")
	if d.refresh() || !d.refresh() || string(d.get(path).data) != "two, longer" {
		t.Errorf("%+v", d.get(path))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if d.refresh() || d.refresh() || d.get(path).err != nil {
		t.Error("what was read is forgotten")
	}
	d.begin()
	if d.refresh(); len(d.files) != 0 {
		t.Error("a file that nobody names is looked at")
	}
}
