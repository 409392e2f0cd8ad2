package springgw

import "paifang/internal/bootconfig"

// setting is what a filter finds around it: the application that it stands in, and what is known of its beans.
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

// place has the filters of an application find what is around them.
func (c *gatewayConfig) place(s *setting) {
	c.around = s
	for i := range c.defaults {
		c.defaults[i].around = s
	}
	for i := range c.routes {
		for j := range c.routes[i].filters {
			c.routes[i].filters[j].around = s
		}
	}
}
