//go:build unix

package up

import (
	"os"
	"syscall"
)

// ownGroup puts a process in a group of its own: Ctrl-C reaches up alone, which ends it in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func thaw(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
