package manifest

import (
	"cmp"
	"time"

	"paifang/internal/source/kubernetes/translate"
)

// Options of a Source.
type Options struct {
	Paths []string      // directories (not their sub-directories) and files; at least one
	Name  string        // of the source; default "manifest"
	Quiet time.Duration // how long a written file must rest before what it lost is given up; default 50ms
	// Translate says which objects are taken; its Source is set to Name.
	Translate translate.Options
}

func (o Options) withDefaults() Options {
	o.Name = cmp.Or(o.Name, "manifest")
	o.Quiet = cmp.Or(o.Quiet, 50*time.Millisecond)
	o.Translate.Source = o.Name
	return o
}
