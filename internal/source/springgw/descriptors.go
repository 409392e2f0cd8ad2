package springgw

import (
	"fmt"
	"io"
	"os"
	"time"

	"paifang/internal/grpcjson"
)

// descriptorFile is a file that a filter names, with what was read of it. It does not change: what is read again is another one.
type descriptorFile struct {
	path  string
	data  []byte
	err   error // why it cannot be read
	state fileState
}

// fileState is what tells that a file has changed.
type fileState struct {
	size    int64
	changed time.Time
}

// descriptorFiles are those that filters name. They are few, so they are looked at in turn, and not followed as directories are. One
// goroutine at a time uses them.
type descriptorFiles struct {
	files map[string]*descriptorFile
	used  map[string]bool      // since begin
	seen  map[string]fileState // at the last look
}

func newDescriptorFiles() *descriptorFiles {
	return &descriptorFiles{map[string]*descriptorFile{}, map[string]bool{}, map[string]fileState{}}
}

// begin begins a translation: what none of its routes asks for is not looked at any more.
func (d *descriptorFiles) begin() { clear(d.used) }

// get returns a file, which is read if it was not.
func (d *descriptorFiles) get(path string) *descriptorFile {
	d.used[path] = true
	f := d.files[path]
	if f == nil {
		f = readDescriptors(path)
		d.files[path] = f
	}
	return f
}

// refresh reads those again that have changed and stayed so since the last look, and tells whether any did. One that cannot be read any
// more stays as it was read before.
func (d *descriptorFiles) refresh() (changed bool) {
	for path, f := range d.files {
		if !d.used[path] {
			delete(d.files, path)
			delete(d.seen, path)
			continue
		}
		now, err := stateOf(path)
		if err != nil || now == f.state || now != d.seen[path] {
			d.seen[path] = now
			continue
		}
		if again := readDescriptors(path); again.err == nil || f.err != nil {
			d.files[path] = again
			changed = true
		}
	}
	return changed
}

func stateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() { // reading it might never end
		err = fmt.Errorf("%s is no file", path)
	}
	if err != nil {
		return fileState{}, err
	}
	return fileState{info.Size(), info.ModTime()}, nil
}

func readDescriptors(path string) *descriptorFile {
	f := &descriptorFile{path: path}
	if f.state, f.err = stateOf(path); f.err != nil {
		return f
	}
	file, err := os.Open(path)
	if err != nil {
		f.err = err
		return f
	}
	defer file.Close()
	f.data, f.err = io.ReadAll(io.LimitReader(file, grpcjson.MaxDescriptors+1))
	if len(f.data) > grpcjson.MaxDescriptors {
		f.data, f.err = nil, fmt.Errorf("%s has more than %d bytes", path, grpcjson.MaxDescriptors)
	}
	return f
}
