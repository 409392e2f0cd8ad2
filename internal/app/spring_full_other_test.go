//go:build !linux

package app

import "testing"

// newFull skips the test: how a queue is filled is known for Linux alone.
func newFull(t testing.TB) string {
	t.Skip("Linux only: a listener whose queue is full")
	return ""
}
