package httpproxy

import "unsafe"

// bytesView is b as a string that shares its bytes, for a callee that copies it.
func bytesView(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
