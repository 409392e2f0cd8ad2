package model

import (
	"fmt"
	"strings"
	"time"
)

// Origin says where an object came from. It travels unchanged to diagnostics, access logs and the console.
type Origin struct {
	Source    string    `json:"source,omitempty"`    // name of the source: "manifest", "springgw", "registry", "bootstrap"
	Kind      string    `json:"kind,omitempty"`      // "Ingress", "Service", "route", "instance"
	Namespace string    `json:"namespace,omitempty"` // empty where the source has none
	Name      string    `json:"name,omitempty"`
	Revision  string    `json:"revision,omitempty"` // the source's own version of the object
	Created   time.Time `json:"created,omitzero"`   // zero = unknown, sorts after every known time
	File      string    `json:"file,omitempty"`     // path as the user gave it
	Line      int       `json:"line,omitempty"`     // 1-based; 0 = unknown
}

// At returns "file:line", "file" or "" as far as they are known.
func (o Origin) At() string {
	switch {
	case o.File == "":
		return ""
	case o.Line == 0:
		return o.File
	default:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	}
}

// Object returns "Kind namespace/name" as far as they are known.
func (o Origin) Object() string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + o.Name
	}
	return strings.TrimSpace(o.Kind + " " + name)
}

// String returns the object and where it stands: "Ingress shop/web (3-ingress.yaml:9)".
func (o Origin) String() string {
	s := o.Object()
	if at := o.At(); at != "" {
		if s == "" {
			return at
		}
		s += " (" + at + ")"
	}
	return s
}

// Before is the order of origins, the last steps of the total order on objects that claim the same place:
// the older creation time first, objects without one after those with one, then namespace and name, then file
// path and place in the file.
func (o Origin) Before(p Origin) int {
	if c := compareCreated(o.Created, p.Created); c != 0 {
		return c
	}
	if o.File != "" && p.File != "" && o.Created.IsZero() && p.Created.IsZero() {
		if c := strings.Compare(o.File, p.File); c != 0 {
			return c
		}
		if o.Line != p.Line {
			return o.Line - p.Line
		}
	}
	if c := strings.Compare(o.Namespace, p.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(o.Name, p.Name); c != 0 {
		return c
	}
	if c := strings.Compare(o.File, p.File); c != 0 {
		return c
	}
	return o.Line - p.Line
}

func compareCreated(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	default:
		return a.Compare(b)
	}
}
