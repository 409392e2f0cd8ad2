package manifest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watch tells which files to read again. It watches directories only, never files: an editor that renames over a file
// would take a watched file away.
type watch struct {
	fs    *fsnotify.Watcher
	paths []string
	dirs  map[string]bool     // watched directories that are a path themselves
	names map[string][]string // event name → files to read again, for single files
	links map[string]string   // event name → directory that is a symbolic link of this name
}

// newWatch watches every path. It fails where one does not exist.
func newWatch(paths []string) (*watch, error) {
	w := &watch{dirs: map[string]bool{}, names: map[string][]string{}, links: map[string]string{}}
	var err error
	if w.fs, err = fsnotify.NewWatcher(); err != nil {
		return nil, fmt.Errorf("manifest: watch: %w", err)
	}
	for _, p := range paths {
		w.paths = append(w.paths, filepath.Clean(p))
	}
	for _, p := range w.paths {
		if _, err := os.Stat(p); err != nil {
			return nil, errors.Join(fmt.Errorf("manifest: read %s: %w", p, reason(err)), w.fs.Close())
		}
		if err := w.add(p); err != nil {
			return nil, errors.Join(fmt.Errorf("manifest: watch %s: %w", p, err), w.fs.Close())
		}
	}
	return w, nil
}

func (w *watch) add(p string) error {
	info, err := os.Stat(p)
	if err != nil {
		return reason(err)
	}
	parent := filepath.Dir(p)
	if info.IsDir() {
		w.dirs[p] = true
		if err := w.fs.Add(p); err != nil {
			return err
		}
		if link, err := os.Lstat(p); err == nil && link.Mode()&os.ModeSymlink != 0 {
			w.links[p] = p
			return w.fs.Add(parent)
		}
		return nil
	}
	w.names[p] = append(w.names[p], p)
	// A single file of a ConfigMap mount changes when the link ..data beside it is swapped.
	data := filepath.Join(parent, "..data")
	w.names[data] = append(w.names[data], p)
	if err := w.fs.Add(parent); err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(p); err == nil && target != p {
		w.names[target] = append(w.names[target], p)
		return w.fs.Add(filepath.Dir(target))
	}
	return nil
}

// affected lists the files that an event may have changed. all is true where everything must be looked at.
func (w *watch) affected(e fsnotify.Event) (files []string, all bool, err error) {
	name := filepath.Clean(e.Name)
	if dir, ok := w.links[name]; ok {
		// The link points elsewhere now: follow it.
		if err := w.fs.Remove(dir); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) {
			return nil, false, fmt.Errorf("manifest: watch %s: %w", dir, err)
		}
		if _, err := os.Stat(dir); err != nil {
			if e.Has(fsnotify.Create) {
				return nil, false, fmt.Errorf("manifest: read %s: %w", dir, reason(err))
			}
			return nil, false, nil // between the removal of the old link and the new one
		}
		if err := w.fs.Add(dir); err != nil {
			return nil, false, fmt.Errorf("manifest: watch %s: %w", dir, err)
		}
		return nil, true, nil
	}
	if w.dirs[name] && e.Op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		return nil, false, fmt.Errorf("manifest: read %s: the directory was removed", name)
	}
	files = slices.Clone(w.names[name])
	dir, base := filepath.Split(name)
	if !w.dirs[filepath.Clean(dir)] {
		return files, false, nil
	}
	switch {
	case strings.HasPrefix(base, ".."):
		return nil, true, nil // ConfigMap and Secret mounts swap the link ..data
	case isManifestName(base):
		files = append(files, name)
	}
	return files, false, nil
}

// pending returns an event or failure that is there already, or neither. A closed channel has neither; Run sees it.
func (w *watch) pending() (*fsnotify.Event, error) {
	select {
	case e, ok := <-w.fs.Events:
		if ok {
			return &e, nil
		}
	case err := <-w.fs.Errors:
		return nil, err
	default:
	}
	return nil, nil
}

func (w *watch) close() error { return w.fs.Close() }
