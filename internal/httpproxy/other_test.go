package httpproxy

// other runs the part of another process that a test has started this binary for.
func other() bool { return false }
