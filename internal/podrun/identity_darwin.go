package podrun

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// szomb is the state of a process that ended and was not waited for (sys/proc.h, SZOMB).
const szomb = 5

// identity is what a process has for as long as it lives and no later one with its number has: its start.
func identity(pid int) (string, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return "", err
	}
	if int(k.Proc.P_pid) != pid || k.Proc.P_stat == szomb {
		return "", os.ErrProcessDone
	}
	return fmt.Sprintf("%d.%06d", k.Proc.P_starttime.Sec, k.Proc.P_starttime.Usec), nil
}
