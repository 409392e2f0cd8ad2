package installation

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// reading is the text of a key or flag while it is read. Its methods note why where they fail, and the setting stays as it was.
type reading struct {
	text  string
	found *annotation.Finding
}

// value is the reading of one key.
type value struct {
	reading
	s *Settings
}

func (v *reading) invalid(format string, args ...any) {
	v.found.Verdict, v.found.Message = annotation.Invalid, fmt.Sprintf(format, args...)
}

func (v *reading) boolean(to *bool) bool {
	b, err := strconv.ParseBool(v.text)
	if err != nil {
		v.invalid("%q is neither true nor false: it has no effect", v.text)
		return false
	}
	*to = b
	return true
}

func (v *value) integer(to *int, least, most int) bool {
	n, err := strconv.Atoi(v.text)
	if err != nil || n < least || n > most {
		v.invalid("%q is no whole number within %d to %d: it has no effect", v.text, least, most)
		return false
	}
	*to = n
	return true
}

// list reads what commas separate, without what is empty.
func (v *value) list() []string {
	var out []string
	for part := range strings.SplitSeq(v.text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// paths reads beginnings of paths.
func (v *value) paths(to *[]string) {
	all := v.list()
	for _, p := range all {
		if !strings.HasPrefix(p, "/") {
			v.invalid("%q does not begin with a slash: it has no effect", p)
			return
		}
	}
	*to = all
}

// object reads [namespace/]name of an object.
func (v *value) object(to *string) {
	ns, name, both := strings.Cut(v.text, "/")
	if model.Host(ns).Validate() != nil || ns == "" || !both || name == "" || strings.Contains(name, "/") || model.Host(name).Validate() != nil {
		v.invalid("%q is not namespace/name: it has no effect", v.text)
		return
	}
	*to = v.text
}

// blocked reads ranges that are refused. A bad one lets nobody in: whom it was meant for is not known.
func (v *value) blocked() {
	all := v.list()
	if len(all) == 0 && v.text != "" {
		all = []string{v.text}
	}
	for _, s := range all {
		if _, err := netip.ParsePrefix(s); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(s); err != nil {
			v.invalid("%q is neither an address nor a range like 10.0.0.0/8: every path of every Ingress answers 503", s)
			v.s.Annotations.Denied = v.found.Key
			return
		}
	}
	v.s.Block = all
}

// fields reads names of header fields.
func (v *value) fields(to *[]string) {
	all := v.list()
	for _, s := range all {
		if len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			v.invalid("%q is no name of a field: it has no effect", s)
			return
		}
	}
	*to = all
}

// versions reads a list of versions of TLS. Those before 1.2 are not spoken, whoever asks (RFC 8996).
func (v *value) versions() {
	words := strings.Fields(v.text)
	for _, w := range words {
		switch w {
		case "TLSv1.2", "TLSv1.3":
		case "SSLv2", "SSLv3", "TLSv1", "TLSv1.1":
			v.found.Verdict, v.found.Message = annotation.Differs, w+" is never spoken; the others are"
		default:
			v.invalid("%q is no version of TLS, such as TLSv1.3: it has no effect", w)
			return
		}
	}
	two, three := slices.Contains(words, "TLSv1.2"), slices.Contains(words, "TLSv1.3")
	switch {
	case !two && !three:
		v.invalid("has neither TLSv1.2 nor TLSv1.3: it has no effect")
	case !two:
		v.s.MinTLS = model.TLS13
	case !three:
		v.s.MaxTLS = model.TLS12
	}
}

// maxIdle bounds how long a connection on which nothing moves is kept.
const maxIdle = 7 * 24 * time.Hour

// idle reads a time as nginx writes it: 90, 90s, 10m, 1h.
func (v *value) idle(to *time.Duration) {
	text := v.text
	if text != "" && strings.Trim(text, "0123456789") == "" {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 100*time.Millisecond || d > maxIdle {
		v.invalid("%q is no time within 100ms and 7 days: it has no effect", v.text)
		return
	}
	*to = d
}

// risk reads the highest risk that annotations may have. A word that is none counts as the lowest, as under ingress-nginx.
func (v *value) risk() {
	r, ok := annotation.RiskOf(v.text)
	if !ok {
		r = annotation.LowRisk
		v.invalid("%q is none of Low, Medium, High and Critical: Low counts", v.text)
	}
	v.s.Annotations.Guard.MostRisk = r
}

// strict reads whether paths are validated by their type.
func (v *value) strict() {
	on := true
	if !v.boolean(&on) {
		return
	}
	v.s.Paths = PathsFree
	if on {
		v.s.Paths = PathsRefused
	}
}

// streamTries reads how many endpoints a connection is tried with. It is read after proxy-stream-next-upstream, which may have said one.
func (v *value) streamTries() {
	n := 0
	if v.integer(&n, 0, 1000) && v.s.StreamTries != 1 {
		v.s.StreamTries = n
	}
}

// streamWithin reads how long the tries of a connection take together.
func (v *value) streamWithin() {
	if v.text != "0" && v.text != "0s" {
		v.idle(&v.s.StreamWithin)
	}
}
