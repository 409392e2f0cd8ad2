package httpproxy

import (
	"testing"
	"unsafe"
)

// TestWorkFitsItsClass: the allocator has classes of sizes, and thousands of requests may wait at a time. The next class has 384 bytes
// more.
func TestWorkFitsItsClass(t *testing.T) {
	if n := unsafe.Sizeof(work{}); n > 2304 {
		t.Errorf("a work has %d bytes, want 2304 at most", n)
	}
}
