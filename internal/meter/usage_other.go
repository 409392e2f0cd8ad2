//go:build !linux && !windows

package meter

func usage() (open, most, bytes uint64) { return 0, descriptors(), 0 }
