package springgw

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"paifang/internal/grpcjson"
	"paifang/internal/model"
)

// grpcCall is the unary method that a route's requests become a call of.
type grpcCall struct {
	service, method string
	resource        string // with the descriptors, as it is written
	part            part
}

func (e *effect) jsonToGRPC(p *part) error {
	values, err := e.positions(p, []string{"service", "method", "protoDescriptor"}, 3)
	if err != nil {
		return err
	}
	if e.call != nil {
		return errors.New("is given twice")
	}
	e.call = &grpcCall{values["service"], values["method"], values["protodescriptor"], *p}
	return nil
}

// become has the requests become the call, behind all other filters.
func (t *translator) become(e *effect) error {
	c := e.call
	path, err := c.path()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(t.c.Feeds, func(f Feed) bool { return f.Name == c.part.file }) {
		return fmt.Errorf("protoDescriptor %s: a route that is in no file names none: write the route into a file", c.resource)
	}
	f := t.c.descriptors.get(path)
	depends := t.dependsOn()
	depends.described = append(depends.described, f)
	if f.err != nil {
		return fmt.Errorf("protoDescriptor: %w", f.err)
	}
	if _, err := grpcjson.Find(f.data, c.service, c.method); err != nil {
		return fmt.Errorf("protoDescriptor %s: %s", path, strings.TrimPrefix(err.Error(), "grpcjson: "))
	}
	return e.emit("json-to-grpc", struct {
		Service     string `json:"service"`
		Method      string `json:"method"`
		Descriptors []byte `json:"descriptors"`
	}{c.service, c.method, f.data})
}

// path is where a resource is: beside the file that names it, which is what Spring has on its class path, unless the whole path is
// given.
func (c *grpcCall) path() (string, error) {
	scheme, rest, ok := strings.Cut(c.resource, ":")
	switch {
	case !ok:
		rest = c.resource
	case scheme == "classpath":
		rest = strings.TrimLeft(rest, "/")
	case scheme == "file":
		if after, long := strings.CutPrefix(rest, "//"); long {
			rest = after
		}
	default:
		return "", fmt.Errorf("protoDescriptor %q is not supported: want file: or classpath: and a path", c.resource)
	}
	if rest == "" {
		return "", fmt.Errorf("protoDescriptor %q names no file", c.resource)
	}
	if path := filepath.FromSlash(rest); filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	return filepath.Join(filepath.Dir(c.part.file), filepath.FromSlash(rest)), nil
}

// overHTTP2 makes an upstream one that is spoken to in HTTP/2, as gRPC is. It is another one than that of the same place for HTTP/1.1.
func overHTTP2(up *model.Upstream, secure bool) {
	up.ID = "grpc/" + up.ID
	up.Protocol = model.H2C
	if secure {
		up.Protocol = model.H2
	}
}
