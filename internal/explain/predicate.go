package explain

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"paifang/internal/model"
)

// otherPredicates are the conditions besides host and path, as a route definition has them.
func otherPredicates(m *model.Match) (out []string) {
	if len(m.Methods) > 0 {
		out = append(out, "Method="+strings.Join(m.Methods, ","))
	}
	for _, list := range []struct {
		name   string
		fields []model.FieldMatch
	}{{"Header", m.Headers}, {"Query", m.Query}, {"Cookie", m.Cookies}} {
		for _, f := range list.fields {
			out = append(out, list.name+"="+fieldPredicate(f))
		}
	}
	for _, a := range m.Addresses {
		var ranges []string
		for _, p := range a.Ranges {
			ranges = append(ranges, p.String())
		}
		name := "RemoteAddr"
		if a.Forwarded > 0 {
			name = "XForwardedRemoteAddr"
		}
		out = append(out, name+"="+strings.Join(ranges, ","))
	}
	switch w := m.Time; {
	case !w.From.IsZero() && !w.Until.IsZero():
		out = append(out, fmt.Sprintf("Between=%s,%s", w.From.Format(time.RFC3339), w.Until.Format(time.RFC3339)))
	case !w.From.IsZero():
		out = append(out, "After="+w.From.Format(time.RFC3339))
	case !w.Until.IsZero():
		out = append(out, "Before="+w.Until.Format(time.RFC3339))
	}
	for i := range m.Versions {
		out = append(out, "Version="+m.Versions[i].Is)
	}
	for _, s := range m.Shares {
		out = append(out, fmt.Sprintf("Weight=%s,%s", s.Group, percent(float64(s.Until-s.From)/model.ShareWhole)))
	}
	return out
}

// fieldPredicate writes a value as the expression that it is there.
func fieldPredicate(f model.FieldMatch) string {
	if f.OrAbsent {
		f.OrAbsent = false
		return fieldPredicate(f) + " (or none)"
	}
	switch {
	case f.Present:
		return f.Name
	case f.Regex:
		return f.Name + ", " + f.Value
	default:
		return f.Name + ", " + regexp.QuoteMeta(f.Value)
	}
}
