package document

import (
	"fmt"
	"strings"
)

// Problem is one thing in a document that could not be read, with its place. It is an error.
type Problem struct {
	File    string // path as the user gave it
	Line    int    // 1-based; 0 = unknown
	Field   string // path in the document: "spec.rules[0].host"; empty = the document itself
	Message string // without file, line and field; names the nearest key where there is one
	Nearest string // of an unknown key: the known key closest to it, if any is close
}

// Error returns "file:line: field: message".
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	} else if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}
