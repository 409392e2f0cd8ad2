//go:build unix && !linux

package podrun

import "syscall"

// groupOfItsOwn keeps Ctrl-C from the pods. This system has no signal for a parent's death: the next start ends what a
// killed one left behind.
func groupOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
