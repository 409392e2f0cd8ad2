package actuator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"paifang/internal/model"
)

// Bounds of what is kept.
const (
	maxRoutes = 10_000
	maxFile   = 16 << 20 // bytes
)

// Entry is a route definition as it is kept: one JSON object, which has the ID too.
type Entry struct {
	ID   string
	Text json.RawMessage
}

// Store keeps route definitions in a file, routes.json, that is whole at any moment and on the disk before a change is
// answered. A copy beside it has what was last read or written well. Where the file cannot be read, or is not what was last written,
// what is in force stays, nothing is written over it, and Diagnostics tells.
type Store struct {
	dir string

	mu      sync.Mutex
	entries []Entry // in the order in which they were added
	written []byte  // what the file has
	broken  error   // why the file is not written to
	changed chan struct{}
}

// errForeign is why a file is left alone that is not what was written.
var errForeign = errors.New("somebody else has changed it")

// Open reads the definitions kept in a directory, which need not be there.
func Open(dir string) *Store {
	s := &Store{dir: dir, changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read()
	if s.broken != nil {
		if entries, text, err := load(s.copy()); err == nil && text != nil {
			s.entries = entries
		}
	}
	return s
}

// Path is that of the file.
func (s *Store) Path() string { return filepath.Join(s.dir, "routes.json") }

func (s *Store) copy() string { return filepath.Join(s.dir, "routes.good.json") }

// load reads a file; none has no text.
func load(path string) ([]Entry, []byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case info.Size() > maxFile:
		return nil, nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	entries, err := parse(text)
	return entries, text, err
}

// read takes in what the file has. The mutex is held.
func (s *Store) read() {
	entries, text, err := load(s.Path())
	if err == nil && text == nil {
		if _, gone := os.Stat(s.copy()); gone == nil {
			err = errors.New("it is gone, and its copy is not: take both away to begin anew")
		}
	}
	if err != nil {
		s.broken = fmt.Errorf("actuator: read %s: %w", s.Path(), err)
		return
	}
	s.entries, s.written, s.broken = entries, text, nil
	if text != nil {
		if old, err := os.ReadFile(s.copy()); err != nil || !bytes.Equal(old, text) {
			s.broken = s.replace(s.copy(), text)
		}
	}
}

// Reread takes the file in again, as somebody has changed it. An error leaves in force what was.
func (s *Store) Reread() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read()
	if s.broken == nil {
		s.tell()
	}
	return s.broken
}

// Put adds definitions, or replaces those with their IDs, all or none. When it returns they are on the disk.
func (s *Store) Put(more ...Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := slices.Clone(s.entries)
	for _, e := range more {
		if i := slices.IndexFunc(next, func(x Entry) bool { return x.ID == e.ID }); i >= 0 {
			next[i] = e
		} else {
			next = append(next, e)
		}
	}
	if len(next) > maxRoutes {
		return &refusal{status: 400, message: fmt.Sprintf("there would be more than %d routes", maxRoutes)}
	}
	return s.write(next)
}

// Remove takes a definition away and tells whether there was one.
func (s *Store) Remove(id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := slices.DeleteFunc(slices.Clone(s.entries), func(x Entry) bool { return x.ID == id })
	if len(next) == len(s.entries) {
		return false, nil
	}
	return true, s.write(next)
}

// write puts entries in the place of those that are there. The mutex is held.
func (s *Store) write(next []Entry) error {
	if s.broken == nil {
		now, err := os.ReadFile(s.Path())
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil || !bytes.Equal(now, s.written) {
			s.broken = fmt.Errorf("actuator: write %s: %w", s.Path(), errors.Join(err, errForeign))
		}
	}
	if s.broken != nil {
		return s.broken
	}
	text := print(next)
	if len(text) > maxFile {
		return &refusal{status: 400, message: fmt.Sprintf("the routes would have more than %d bytes", maxFile)}
	}
	if err := s.replace(s.Path(), text); err != nil {
		return err
	}
	s.entries, s.written = next, text
	s.tell()
	// The file is there: that its copy is not is told, and no reason to call the change undone.
	if err := s.replace(s.copy(), text); err != nil {
		s.broken = err
	}
	return nil
}

// replace puts a file in the place of another; both are on the disk when it returns.
func (s *Store) replace(path string, text []byte) error {
	failed := func(err error) error { return fmt.Errorf("actuator: write %s: %w", path, err) }
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return failed(err)
	}
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return failed(err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return failed(err)
	}
	if err := os.Rename(next, path); err != nil {
		return failed(err)
	}
	if runtime.GOOS == "windows" { // a directory cannot be synced there, and a rename is on the disk in order
		return nil
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return failed(err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return failed(err)
	}
	return nil
}

// tell has those who follow look again. The mutex is held.
func (s *Store) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Follow calls take with the definitions as a JSON list, and again after every change, until ctx ends.
func (s *Store) Follow(ctx context.Context, take func(list string)) error {
	for {
		s.mu.Lock()
		text, changed := string(print(s.entries)), s.changed
		s.mu.Unlock()
		take(text)
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Diagnostics tells of a file that is not written to.
func (s *Store) Diagnostics() []model.Diagnostic {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		return nil
	}
	return []model.Diagnostic{{Origin: model.Origin{Source: "springgw", Kind: "routes", File: s.Path()}, Severity: model.Error, Code: CodeStore,
		Message: s.broken.Error() + "; the routes that were in force stay, and none can be added or taken away: mend the file, and POST to /actuator/gateway/refresh"}}
}
