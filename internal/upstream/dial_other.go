//go:build !linux

package upstream

import "syscall"

// lateBind does nothing where the system has no such option.
func lateBind(_, _ string, _ syscall.RawConn) error { return nil }
