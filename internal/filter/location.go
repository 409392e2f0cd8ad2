package filter

import (
	"strings"

	"paifang/internal/http1"
)

// KeepLocation makes a Location that was built from parts stay on its host: browsers take what begins with two slashes,
// or with a slash and a backslash, for another one.
func KeepLocation(r *http1.Response) {
	to := r.Fields.Get("Location")
	if len(to) < 2 || to[0] != '/' || to[1] != '/' && to[1] != '\\' {
		return
	}
	r.Fields.Set("Location", r.Mem.Join("/", strings.TrimLeft(to, `/\`)))
}
