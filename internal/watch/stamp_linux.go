package watch

import (
	"syscall"
	"time"
)

// stamp tells cheaply whether a file may have changed since it was read. Every file has its stamp taken at each rescan, so
// it is made without the memory that an fs.FileInfo takes. The zero stamp is that of a file that is not there.
type stamp struct {
	device, inode uint64
	size          int64
	changed       syscall.Timespec
	mode          uint32
}

func stampOf(path string) stamp {
	var st syscall.Stat_t
	for {
		err := syscall.Stat(path, &st)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return stamp{}
		}
		return stamp{st.Dev, st.Ino, st.Size, st.Mtim, st.Mode}
	}
}

func (s stamp) same(t stamp) bool { return s == t }

func (s stamp) there() bool { return s != stamp{} }

func (s stamp) isDir() bool { return s.mode&syscall.S_IFMT == syscall.S_IFDIR }

func (s stamp) modTime() time.Time { return time.Unix(s.changed.Unix()) }
