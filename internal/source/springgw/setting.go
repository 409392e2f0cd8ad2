package springgw

import (
	"maps"
	"slices"

	"paifang/internal/bootconfig"
)

// setting is what a predicate or filter finds around it: the application that it stands in, and what is known of its beans.
type setting struct {
	root      *bootconfig.Property
	resolvers map[string]string // Config.KeyResolvers
}

// get returns a property of the application, or nil. Parts that stand in none have no properties.
func (s *setting) get(path ...string) *bootconfig.Property {
	if s == nil {
		return nil
	}
	return s.root.Get(path...)
}

// gateway returns a property of the gateway, under whichever prefix it stands; that of 4.3 counts first.
func (s *setting) gateway(path ...string) *bootconfig.Property {
	if p := s.get(append([]string{"spring", "cloud", "gateway", "server", "webflux"}, path...)...); p != nil {
		return p
	}
	return s.get(append([]string{"spring", "cloud", "gateway"}, path...)...)
}

// settingOf is what filters of an application find around them: that which they found before, if it says the same. Routes are not looked
// at by other routes, so a change of one changes nothing around the others.
func settingOf(root *bootconfig.Property, resolvers map[string]string, before *setting) *setting {
	for _, prefix := range prefixes() {
		root = root.Without(append(prefix, "routes")...)
	}
	if before != nil && root.Equal(before.root) {
		return before
	}
	return &setting{root, resolvers}
}

// sortedKeys are those of arguments by name, so that what is said of them has one order.
func sortedKeys(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }
