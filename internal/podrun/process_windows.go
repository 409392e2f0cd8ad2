package podrun

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a job object: it holds a program and what that starts. The system ends them when the last handle closes,
// so also when this process is killed.
type group struct {
	pid int
	job windows.Handle // 0 where the program could not be put into one
}

func groupOfItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func ownGroup(p *os.Process) group {
	g := group{pid: p.Pid}
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return g
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err == nil {
		var h windows.Handle
		if h, err = windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(p.Pid)); err == nil {
			err = windows.AssignProcessToJobObject(job, h)
			_ = windows.CloseHandle(h)
		}
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return g
	}
	g.job = job
	return g
}

// signal sends Ctrl-Break for TERM, which Go programs see as os.Interrupt.
func (g group) signal(s Signal) error {
	switch s {
	case TERM:
		return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(g.pid))
	case KILL:
		if g.job != 0 {
			return windows.TerminateJobObject(g.job, 1)
		}
		p, err := os.FindProcess(g.pid)
		if err != nil {
			return err
		}
		return p.Kill()
	default:
		return errors.New("this system has no such signal")
	}
}

func (g group) release() {
	if g.job != 0 {
		_ = windows.CloseHandle(g.job)
	}
}

// killGroup ends a process.
func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

// identity is what a process has for as long as it lives and no later one with its number has: its start.
func identity(pid int) (string, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return "", err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	var started, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &started, &ended, &kernel, &user); err != nil {
		return "", err
	}
	if ended.HighDateTime != 0 || ended.LowDateTime != 0 {
		return "", os.ErrProcessDone
	}
	return fmt.Sprintf("%d", started.Nanoseconds()), nil
}

// keptEnv are the variables that pods inherit; without SystemRoot a program cannot open a socket here.
var keptEnv = []string{"PATH", "PATHEXT", "SystemRoot", "SystemDrive", "ComSpec", "USERPROFILE", "HOME", "TEMP", "TMP", "TMPDIR"}
