package certs

import (
	"strings"

	"paifang/internal/model"
)

// names maps host patterns to values. Certificates and TLS policies are found by it alike, exact and wildcard, for the
// name in a handshake and for the host of a request: what is asked in one place and answered in another by a second
// rule is how options are got round.
type names[V any] struct {
	exact map[string]V
	one   map[string]V // "*.shop.test" under "shop.test"
	more  map[string]V // "**.shop.test" under "shop.test"
	any   V
	all   bool // any is set
}

func newNames[V any]() names[V] {
	return names[V]{exact: map[string]V{}, one: map[string]V{}, more: map[string]V{}}
}

// add puts a value under a pattern, unless there is one.
func (n *names[V]) add(h model.Host, v V) {
	put := func(m map[string]V, name string) {
		if _, taken := m[name]; !taken {
			m[name] = v
		}
	}
	switch shape, fixed := h.Split(); shape {
	case model.HostExact:
		put(n.exact, fixed)
	case model.HostOneMore:
		put(n.one, fixed)
	case model.HostAnyMore:
		put(n.more, fixed)
	default:
		if !n.all {
			n.any, n.all = v, true
		}
	}
}

// find returns the value for a name in its normal form: that of an exact host first, then "*.", which stands for one
// label, then the longest "**.", then any host. It does not allocate.
func (n *names[V]) find(name string) (V, bool) {
	if name == "" {
		return n.any, n.all
	}
	if v, ok := n.exact[name]; ok {
		return v, true
	}
	label, rest, _ := strings.Cut(name, ".")
	if label != "" {
		if v, ok := n.one[rest]; ok {
			return v, true
		}
		for rest != "" {
			if v, ok := n.more[rest]; ok {
				return v, true
			}
			_, rest, _ = strings.Cut(rest, ".")
		}
	}
	return n.any, n.all
}

// normal is the form in which names are looked up, the one that hosts of requests have: lower case (in ASCII, as names
// are), one trailing dot cut.
func normal(name string) string {
	name = strings.TrimSuffix(name, ".")
	for i := 0; i < len(name); i++ {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			b := []byte(name)
			for j := range b {
				if b[j] >= 'A' && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return name
}
