package springgw

import (
	"cmp"
	"errors"
	"fmt"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// metadataFault is what is wrong with the metadata of a route, and where below them.
type metadataFault struct {
	at   *bootconfig.Property
	path string
	err  error
}

func (f *metadataFault) Error() string { return f.err.Error() }

func wrong(at *bootconfig.Property, path, format string, args ...any) error {
	return &metadataFault{at, path, fmt.Errorf(format, args...)}
}

// refusal is the diagnostic of metadata that cannot be read, for which the route d is refused.
func refusal(err error, d *definition) fault {
	x := fault{"", d.line, "metadata", model.CodeInvalid, model.Error, err.Error() + "; the route answers 503"}
	if f, ok := errors.AsType[*metadataFault](err); ok {
		x.line, x.field = cmp.Or(lineOf(f.at, 0), d.line), "metadata."+f.path
	}
	return x
}
