// Package watch follows files and directories and delivers what they contain.
//
// It knows how files are changed in practice: an editor truncates and then writes, a careful program writes beside and
// renames over, Kubernetes swaps the symlink ..data under a whole ConfigMap mount. So content that is there is
// delivered at once, while a file that went, or that was emptied, is believed only after a moment of quiet; and every change
// is delivered a second time as Settled once the file has been quiet, so that a reader may add from the first delivery and
// take away only from the second.
package watch

import (
	"path/filepath"
	"strings"
	"time"
)

// Options say what is followed and how patiently.
type Options struct {
	// Paths are files and directories. Of a directory the files directly inside it are read that Accept accepts; a file
	// that is named itself is always read.
	Paths []string
	// Accept tells by the base name which files of a directory are read. Default: YAML.
	Accept func(base string) bool
	// Quiet is how long a file must not have changed until its removal is believed. Default 50ms.
	Quiet time.Duration
	// Gather is how long events are gathered after the last one before files are read, so that a file written in
	// several parts is read once; after four times as long they are read in any case. A file that another one is renamed
	// over is whole: one is read at once, and what comes within a sixteenth of Gather after that is gathered. Default 5ms.
	Gather time.Duration
	// Rescan is how often everything is looked at without an event, for what raises none: the target of a
	// symlink in another directory, a network file system. Default 2s.
	Rescan time.Duration
}

// File is what is known of one file.
type File struct {
	Path string // as it follows from Options.Paths, cleaned: the path given, or the directory given joined with the name
	Data []byte // nil when Gone or Err is set
	// Settled is false on a first delivery at once, true when the file has been quiet since.
	Settled bool
	Gone    bool  // it is there no more; always Settled
	Err     error // it is there and cannot be read; always Settled
}

// Change is what is delivered at one moment.
type Change struct {
	Files []File // sorted by path
	// Full is true on the first change of a Run, which holds every file, all of them Settled.
	Full bool
	// Err says that a directory cannot be listed. Its files are not reported as Gone: what was known of them stays
	// the best that is known. The next change without Err ends it.
	Err error
}

// YAML accepts names that end in .yaml or .yml and do not begin with a dot.
func YAML(base string) bool {
	ext := filepath.Ext(base)
	return (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(base, ".")
}

func (o Options) withDefaults() Options {
	paths := make([]string, len(o.Paths))
	for i, p := range o.Paths {
		paths[i] = filepath.Clean(p)
	}
	o.Paths = paths
	if o.Accept == nil {
		o.Accept = YAML
	}
	if o.Quiet == 0 {
		o.Quiet = 50 * time.Millisecond
	}
	if o.Gather == 0 {
		o.Gather = 5 * time.Millisecond
	}
	if o.Rescan == 0 {
		o.Rescan = 2 * time.Second
	}
	return o
}
