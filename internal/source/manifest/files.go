package manifest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// maxFile bounds a file, in bytes.
const maxFile = 64 << 20

// content is a file's bytes with what is needed to tell whether they changed.
type content struct {
	data []byte
	sum  [sha256.Size]byte
	gone bool
}

// read reads a file. One that does not exist, or is no regular file, is gone and not an error.
func read(path string) (content, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{gone: true}, nil
	case err != nil:
		return content{}, reason(err)
	case !info.Mode().IsRegular():
		return content{gone: true}, nil
	case info.Size() > maxFile:
		return content{}, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{gone: true}, nil
	case err != nil:
		return content{}, reason(err)
	}
	return content{data: data, sum: sha256.Sum256(data)}, nil
}

// reason is an error without the path, which the caller names.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// list returns the files of the paths in order, each once. A path that does not exist is an error.
func list(paths []string) ([]string, error) {
	var files []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("manifest: read %s: %w", p, reason(err))
		}
		if !info.IsDir() {
			files = append(files, filepath.Clean(p))
			continue
		}
		entries, err := listDir(p)
		if err != nil {
			return nil, err
		}
		files = append(files, entries...)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func listDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("manifest: read %s: %w", dir, reason(err))
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && isManifestName(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}
