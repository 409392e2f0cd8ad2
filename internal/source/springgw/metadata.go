package springgw

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
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

// metadataKeys are those of a route's metadata that mean something, the timeouts first.
func metadataKeys() []string {
	return []string{"connect-timeout", "response-timeout", "cors", laneKey, laneHeaderKey, laneFallbackKey, requestURIsKey, ownFiltersKey, behindFiltersKey}
}

// misspelt tells of a key that begins as one of ours and is none, or is nearly a timeout. Metadata are free in Spring, but what guards a
// route stands here too: a slip must not open it.
func misspelt(metadata *bootconfig.Property) error {
	if metadata == nil {
		return nil
	}
	keys := metadataKeys()
	for _, k := range metadata.Kids {
		name := bootconfig.Relaxed(k.Name)
		if slices.ContainsFunc(keys, func(key string) bool { return bootconfig.Relaxed(key) == name }) {
			continue
		}
		near := ""
		switch {
		case strings.HasPrefix(name, "paifang"), strings.HasPrefix(name, "lane"):
			near = cmp.Or(document.Nearest(k.Name, keys), strings.Join(keys, ", "))
		default:
			near = document.Nearest(k.Name, keys[:2])
		}
		if near != "" {
			return wrong(k, k.Name, "is no key that means something: did you mean %s?", near)
		}
	}
	return nil
}

// refusal is the diagnostic of metadata that cannot be read, for which the route d is refused.
func refusal(err error, d *definition) fault {
	x := fault{"", d.line, "metadata", model.CodeInvalid, model.Error, err.Error() + "; the route answers 503"}
	if f, ok := errors.AsType[*metadataFault](err); ok {
		x.line, x.field = cmp.Or(lineOf(f.at, 0), d.line), "metadata."+f.path
	}
	return x
}
