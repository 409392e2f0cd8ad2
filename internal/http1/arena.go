package http1

import "unsafe"

// Arena makes short-lived strings without an allocation each. Strings it returned stay valid and unchanged until
// Reset, also when it had to grow in between. The zero value is ready to use.
type Arena struct{ buf []byte }

// Join returns the parts as one string.
func (a *Arena) Join(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := a.take(n)
	for _, p := range parts {
		b = append(b, p...)
	}
	return a.give(b)
}

// Copy returns bytes as a string.
func (a *Arena) Copy(b []byte) string { return a.give(append(a.take(len(b)), b...)) }

// take returns an empty slice with room for n bytes, to be filled and given back.
func (a *Arena) take(n int) []byte {
	if cap(a.buf)-len(a.buf) < n {
		// The old block lives on for as long as strings point into it.
		a.buf = make([]byte, 0, max(n, 2*cap(a.buf), 256))
	}
	return a.buf[len(a.buf):len(a.buf):cap(a.buf)]
}

// give makes what was appended to a slice of take a string.
func (a *Arena) give(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	a.buf = a.buf[:len(a.buf)+len(b)]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Reset forgets every string that was made.
func (a *Arena) Reset() {
	if cap(a.buf) > maxKeptScratch {
		a.buf = nil
	}
	a.buf = a.buf[:0]
}
