package app

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// adviceDontNeed is MADV_DONTNEED of madvise(2): the pages of a file's mapping are read again when they are needed again.
const adviceDontNeed = 4

// giveBackProgram lets go of the pages of the program itself, of which the start needs many and serving few. What cannot be
// let go of stays: nothing depends on it.
func giveBackProgram() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		f := strings.Fields(lines.Text()) // proc(5): address, permissions, offset, device, inode, path
		if len(f) < 6 || f[5] != self || f[1] != "r-xp" && f[1] != "r--p" {
			continue // what may be written has pages of our own
		}
		from, to, _ := strings.Cut(f[0], "-")
		begin, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil {
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, uintptr(begin), uintptr(end-begin), adviceDontNeed)
		}
	}
}
