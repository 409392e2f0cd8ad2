package builtin

import "unsafe"

// bytesView is b as a string that must not outlive it, nor b be changed meanwhile.
func bytesView(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
