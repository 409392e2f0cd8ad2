package model

import (
	"errors"
	"strings"
)

// Host is a virtual host pattern in lower case without port and trailing dot: "shop.test" exactly; "*.shop.test"
// any one label in front; "**.shop.test" one label or more; "" any host.
type Host string

// HostShape says how much of a name a host pattern fixes.
type HostShape uint8

// The shapes, the most specific first.
const (
	HostExact   HostShape = iota // "shop.test"
	HostOneMore                  // "*.shop.test"
	HostAnyMore                  // "**.shop.test"
	HostAny                      // ""
)

// Split returns the shape and the fixed part: "*.shop.test" is HostOneMore of "shop.test".
func (h Host) Split() (HostShape, string) {
	s := string(h)
	switch {
	case s == "":
		return HostAny, ""
	case strings.HasPrefix(s, "**."):
		return HostAnyMore, s[3:]
	case strings.HasPrefix(s, "*."):
		return HostOneMore, s[2:]
	default:
		return HostExact, s
	}
}

// Compare orders hosts by specificity, the most specific first: exact before wildcards, the longer fixed part
// before the shorter, one label before many, any host last; then by text.
func (h Host) Compare(g Host) int {
	hs, hf := h.Split()
	gs, gf := g.Split()
	rank := func(s HostShape) int {
		switch s {
		case HostExact:
			return 0
		case HostAny:
			return 2
		default:
			return 1
		}
	}
	if c := rank(hs) - rank(gs); c != 0 {
		return c
	}
	if rank(hs) == 1 {
		if c := len(gf) - len(hf); c != 0 {
			return c
		}
		if c := strings.Compare(hf, gf); c != 0 {
			return c
		}
		return int(hs) - int(gs)
	}
	return strings.Compare(hf, gf)
}

// Matches tells whether a host in lower case, without port, is one that the pattern means.
func (h Host) Matches(name string) bool {
	shape, fixed := h.Split()
	switch shape {
	case HostAny:
		return true
	case HostExact:
		return name == fixed
	}
	if !strings.HasSuffix(name, fixed) || len(name) < len(fixed)+2 || name[len(name)-len(fixed)-1] != '.' {
		return false
	}
	return shape == HostAnyMore || strings.IndexByte(name[:len(name)-len(fixed)-1], '.') < 0
}

// Validate reports why the pattern is not a host: upper case, an empty or overlong label, a byte that no name has,
// a wildcard elsewhere than in front.
func (h Host) Validate() error {
	shape, fixed := h.Split()
	if shape == HostAny {
		return nil
	}
	if fixed == "" || len(fixed) > 253 {
		return errors.New("host name is empty or longer than 253 bytes")
	}
	for label := range strings.SplitSeq(fixed, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("host name has an empty label or one longer than 63 bytes")
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			switch {
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			case c == '-' && i > 0 && i < len(label)-1:
			case c >= 'A' && c <= 'Z':
				return errors.New("host name is not in lower case")
			default:
				return errors.New("host name has a byte that no name may have")
			}
		}
	}
	return nil
}
