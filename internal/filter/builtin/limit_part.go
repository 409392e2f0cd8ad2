package builtin

import (
	"fmt"
	"regexp"

	"paifang/internal/filter"
)

// LimitPart says which part of the requests of its routes a limit is for, and with which other limits it counts.
type LimitPart struct {
	// Paths are regular expressions, one of which has to be the whole path, as filters in front have left it: requests for other
	// paths pass uncounted. None = all paths.
	Paths []string `json:"paths,omitempty"`
	// Group has all limits of the group that are equal count together, on whichever routes they are. Empty = as Scope says.
	Group string `json:"group,omitempty"`
}

// Bounds of a LimitPart.
const (
	maxPaths   = 100
	maxPattern = 1024 // bytes of one expression
	maxGroup   = 256  // bytes
)

func (p LimitPart) validate(scope string) error {
	switch {
	case len(p.Paths) > maxPaths:
		return fmt.Errorf("paths has %d expressions: want up to %d", len(p.Paths), maxPaths)
	case p.Group != "" && scope != "":
		return fmt.Errorf("group and scope are both given")
	case len(p.Group) > maxGroup:
		return fmt.Errorf("group has more than %d bytes", maxGroup)
	}
	_, err := wholes("paths", p.Paths)
	return err
}

// sharedKey is the function of that name, for a limit of a part.
func (p LimitPart) sharedKey(env filter.Env, kind string, k Key, scope string, keys int) string {
	if len(p.Paths) > 0 {
		kind += fmt.Sprintf(" for %q", p.Paths)
	}
	if p.Group == "" {
		return sharedKey(env, kind, k, scope, keys)
	}
	return fmt.Sprintf("%s %+v %d of group %s", kind, k, keys, p.Group)
}

// wholes compiles expressions that are to match a text as a whole.
func wholes(field string, all []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for i, text := range all {
		if len(text) > maxPattern {
			return nil, fmt.Errorf("%s[%d] has more than %d bytes", field, i, maxPattern)
		}
		if _, err := regexp.Compile(text); err != nil { // by itself: it must not be one because of what is put around it
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		out = append(out, re)
	}
	return out, nil
}

func anyWhole(all []*regexp.Regexp, text string) bool {
	for _, re := range all {
		if re.MatchString(text) {
			return true
		}
	}
	return false
}
