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
	above     *setting          // of the file that has what the application does not say; nil = there is none
}

// get returns a property of the application, or nil. Parts that stand in none have no properties.
func (s *setting) get(path ...string) *bootconfig.Property {
	for ; s != nil; s = s.above {
		if p := s.root.Get(path...); p != nil {
			return p
		}
	}
	return nil
}

// gateway returns a property of the gateway, under whichever prefix it stands; that of 4.3 counts first.
func (s *setting) gateway(path ...string) *bootconfig.Property {
	old, now := append([]string{"spring", "cloud", "gateway"}, path...), append([]string{"spring", "cloud", "gateway", "server", "webflux"}, path...)
	for ; s != nil; s = s.above {
		if p := s.root.Get(now...); p != nil {
			return p
		}
		if p := s.root.Get(old...); p != nil {
			return p
		}
	}
	return nil
}

// aboveFed is what texts that are kept elsewhere have above them: what the file says that is alone with something to say; nil = there is no such file.
func aboveFed(files []*application) *setting {
	var out *setting
	for _, f := range files {
		if f.fed || f.config.off || f.config.around == nil {
			continue
		}
		if out != nil {
			return nil
		}
		out = f.config.around
	}
	return out
}

// under is the setting with another one above it, which is made once.
func (t *translator) under(s *setting) *setting {
	if s == nil || t.above == nil {
		return s
	}
	made := t.settings[s]
	if made == nil && t.before.common.above == t.above {
		made = t.before.settings[s]
	}
	if made == nil {
		c := *s
		c.above = t.above
		made = &c
	}
	t.settings[s] = made
	return made
}

// partsUnder are parts of a text that is kept elsewhere, with what is above it.
func (t *translator) partsUnder(parts []part) []part {
	out := slices.Clone(parts)
	for i := range out {
		out[i].around = t.under(out[i].around)
	}
	return out
}

// within is a definition as it is translated: one that is kept elsewhere has something above it.
func (t *translator) within(d *definition, fed bool) *definition {
	if !fed || t.above == nil {
		return d
	}
	c := *d
	c.around, c.predicates, c.filters = t.under(d.around), t.partsUnder(d.predicates), t.partsUnder(d.filters)
	return &c
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
	return &setting{root: root, resolvers: resolvers}
}

// sortedKeys are those of arguments by name, so that what is said of them has one order.
func sortedKeys(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }
