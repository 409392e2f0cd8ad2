package snapshot

import (
	"fmt"
	"regexp"

	"paifang/internal/model"
)

// hostVariables are expressions for the host whose named groups are variables for filters.
type hostVariables []*regexp.Regexp

// newHostVariables compiles those of a route whose path has so many variables already.
func newHostVariables(r *model.Route, have int) (hostVariables, error) {
	var out hostVariables
	for _, text := range r.HostVariables {
		if len(text) > maxOfValue {
			return nil, fmt.Errorf("regular expression of %d bytes: at most %d", len(text), maxOfValue)
		}
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			return nil, fmt.Errorf("regular expression %q for the host: %w", text, err)
		}
		if n := have + re.NumSubexp(); n > MaxCaptures {
			return nil, fmt.Errorf("%d variables of path and host: at most %d", n, MaxCaptures)
		}
		out = append(out, re)
	}
	return out, nil
}

// captures gives the named groups of the first expression that matches. It allocates.
func (v hostVariables) captures(host string, dst []Capture) (n int) {
	for _, re := range v {
		at := re.FindStringSubmatchIndex(host)
		if at == nil {
			continue
		}
		for i, name := range re.SubexpNames() {
			if name != "" && at[2*i] >= 0 {
				dst[n] = Capture{name, host[at[2*i]:at[2*i+1]]}
				n++
			}
		}
		return n
	}
	return 0
}
