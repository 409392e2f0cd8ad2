//go:build !unix

package upstream

// peekStale cannot tell on this system: a connection that died idle shows when it is written to.
func peekStale(uintptr) bool { return false }
