package springgw

import (
	"fmt"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// afterAll is the position of the locator's routes: behind all that are written down.
const afterAll = 1 << 30

// locator turns spring.cloud.gateway.discovery.locator into a model.Locator. Only its default form is one: a route
// /service-id/** for each service, with that segment taken off.
func (t *translator) locator(f *application) {
	l := f.config.locator
	if l == nil || !l.Get("enabled").IsTrue() {
		return
	}
	const at = "spring.cloud.gateway.discovery.locator"
	refuse := func(p *bootconfig.Property, name string) {
		t.say(fault{p.File, p.Line, at + "." + name, model.CodeUnsupported, model.Error,
			fmt.Sprintf("%s is not supported: services are not routed to by the locator until it is taken out", name)})
	}
	for _, k := range l.Kids {
		switch bootconfig.Relaxed(k.Name) {
		case "enabled", "lowercaseserviceid", "routeidprefix":
		case "includeexpression":
			if k.Text() != "true" {
				refuse(k, k.Name)
				return
			}
		case "urlexpression":
			if k.Text() != "'lb://'+serviceId" && k.Text() != "'lb://' + serviceId" {
				refuse(k, k.Name)
				return
			}
		default:
			refuse(k, k.Name)
			return
		}
	}
	origin := model.Origin{Source: t.c.Name, Kind: "locator", Name: "discovery.locator", File: l.File, Line: l.Line}
	g := t.group("locator")
	if len(g.Locators) > 0 {
		return // switched on by an earlier file
	}
	does := effect{host: model.HostEndpoint}
	for _, p := range interleave(t.defaults, []part{{name: "StripPrefix"}}) {
		if err := does.add(&p); err != nil { // reported by checkDefaults
			g.Diagnostics = append(g.Diagnostics, fault{"", 0, "default-filters", model.CodeUnsupported, model.Error,
				"services are not routed to by the locator until this default filter is taken out: " + err.Error()}.diagnostic(origin))
			return
		}
	}
	if does.host != model.HostEndpoint {
		g.Diagnostics = append(g.Diagnostics, fault{"", 0, "default-filters", model.CodeUnsupported, model.Warning,
			"the default filter for the Host header has no effect on routes of the locator"}.diagnostic(origin))
	}
	spec, err := t.corsOf(nil, model.PathMatch{}, func(x fault) { g.Diagnostics = append(g.Diagnostics, x.diagnostic(origin)) })
	if err != nil {
		return
	}
	if spec != nil {
		does.filters = append([]model.FilterSpec{*spec}, does.filters...)
	}
	out := model.Locator{ID: t.c.Name, Origin: origin, Attach: []model.Class{t.c.Class}, Priority: t.c.Priority, Keeper: t.c.Keeper, Prefix: t.c.Prefix,
		LowerCase: l.Get("lower-case-service-id").IsTrue(), Rank: model.Rank{Position: afterAll}, Filters: does.filters,
		TLS: model.UpstreamTLS{SkipVerify: t.insecure}}
	if t.c.Self != "" {
		out.Except = []string{t.c.Self}
	}
	g.Locators = []model.Locator{out}
}
