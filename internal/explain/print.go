package explain

import (
	"fmt"
	"io"
	"strings"
)

// Fprint writes a result as text: the title, then a numbered line per hop.
func Fprint(w io.Writer, r Result) error {
	var b strings.Builder
	b.WriteString(r.Title + "\n")
	for _, h := range r.Hops {
		fmt.Fprintln(&b, h)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String is a hop as a line: " 2 dns       shop.test A 127.0.0.10".
func (h Hop) String() string { return fmt.Sprintf("%2d %-9s %s", h.N, h.Name, h.Text) }
