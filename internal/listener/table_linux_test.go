package listener

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// table is how many descriptors there is room for.
func table(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "FDSize:")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTableIsWide: a set has room for its connections, and for one to an upstream behind each, before they come.
func TestTableIsWide(t *testing.T) {
	limit := descriptors()
	if limit < 2048 {
		t.Skip("few descriptors are allowed: ulimit -n 2048")
	}
	s := NewSet(Config{})
	defer s.Close()
	want := min(2*s.cfg.MaxTotal, roomMost, limit-1)
	for end := time.Now().Add(5 * time.Second); table(t) < want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there is room for %d descriptors, want %d", table(t), want)
		}
	}
}
