//go:build !linux

package watch

import (
	"io/fs"
	"os"
	"time"
)

// stamp tells cheaply whether a file may have changed since it was read. The zero stamp is that of a file that is not there.
type stamp struct{ info fs.FileInfo }

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info}
}

func (s stamp) same(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.info == t.info
	}
	return s.info.Size() == t.info.Size() && s.info.ModTime().Equal(t.info.ModTime()) && os.SameFile(s.info, t.info)
}

func (s stamp) there() bool { return s.info != nil }

func (s stamp) isDir() bool { return s.info != nil && s.info.IsDir() }

func (s stamp) modTime() time.Time { return s.info.ModTime() }
