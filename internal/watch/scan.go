package watch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MaxFileSize is the size in bytes from which a file is refused: no configuration is that long.
const MaxFileSize = 32 << 20

var errTooLarge = fmt.Errorf("is larger than %d MiB", MaxFileSize>>20)

// Read lists and reads everything once, sorted by path. A path that is not there, or a directory that cannot be
// listed, is an error that names it; a single file that cannot be read has its own in File.Err.
func Read(o Options) ([]File, error) {
	o = o.withDefaults()
	var out []File
	var errs []error
	seen := map[string]bool{}
	for _, root := range o.Paths {
		names, err := list(root, o.Accept)
		if err == nil && len(names) == 1 && names[0] == root {
			_, err = os.Stat(root)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("watch: read %s: %w", root, err))
			continue
		}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			f := File{Path: name, Settled: true}
			if f.Data, f.Err = readFile(name); f.Err == nil || !errors.Is(f.Err, fs.ErrNotExist) {
				out = append(out, f)
			}
		}
	}
	sortFiles(out)
	return out, errors.Join(errs...)
}

func sortFiles(files []File) {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
}

// list returns the files that a root stands for. A root that is no directory stands for itself, there or not.
func list(root string, accept func(string) bool) ([]string, error) {
	info, err := os.Stat(root)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil || !info.IsDir() {
		return []string{root}, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !accept(e.Name()) || e.IsDir() {
			continue
		}
		path := filepath.Join(root, e.Name())
		if e.Type()&fs.ModeSymlink != 0 {
			if target, err := os.Stat(path); err == nil && target.IsDir() {
				continue
			}
		}
		out = append(out, path)
	}
	return out, nil
}

// readFile reads a regular file. A pipe or device is refused: reading it could block for ever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > MaxFileSize:
		return nil, errTooLarge
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileSize+1))
	if err == nil && len(data) > MaxFileSize {
		return nil, errTooLarge
	}
	return data, err
}
