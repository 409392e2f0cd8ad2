//go:build unix

package podrun

import (
	"os"

	"golang.org/x/sys/unix"
)

// group is a process group; its number is that of the program that leads it.
type group struct{ id int }

func ownGroup(p *os.Process) group { return group{p.Pid} }

func (g group) signal(s Signal) error { return unix.Kill(-g.id, number(s)) }

func (g group) release() {}

func number(s Signal) unix.Signal {
	switch s {
	case KILL:
		return unix.SIGKILL
	case STOP:
		return unix.SIGSTOP
	case CONT:
		return unix.SIGCONT
	default:
		return unix.SIGTERM
	}
}

// killGroup ends the group that a process leads, and the process.
func killGroup(pid int) {
	_ = unix.Kill(-pid, unix.SIGKILL)
	_ = unix.Kill(pid, unix.SIGKILL)
}

// keptEnv are the variables that pods inherit.
var keptEnv = []string{"PATH", "HOME", "TMPDIR"}
