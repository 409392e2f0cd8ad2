package springgw

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
	"paifang/internal/watch"
)

// Definition is a route definition as Spring's actuator lists it.
type Definition struct {
	ID         string
	URI        string
	Predicates []Part
	Filters    []Part // its own
	Combined   []Part // with the default ones, in the order in which they act
	Order      int
	Metadata   json.RawMessage // a JSON object; nil = none
	File       string          // where it is written, or the name of its feed
	Line       int
}

// Part is a predicate or filter of a definition.
type Part struct {
	Name string
	Args []Argument
}

// Argument is one argument of a part. Those of the short form are called _genkey_0 and so on, as in Spring.
type Argument struct{ Name, Value string }

// Definitions are those that are in force, in the order of files and, in each, of the file. Those that are switched off, and second
// ones of an ID, are not among them. Without Config.List there are none.
func (s *Source) Definitions() []Definition {
	above, all := s.inForce()
	return definitions(above, all)
}

func (s *Source) list(apps, above []*application) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed, s.above = configs(apps), configs(above)
}

// inForce are what is listed, and what holds for it from above.
func (s *Source) inForce() (above, all []gatewayConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.above, s.listed
}

// configs are what applications say, which does not change any more. Those that are switched off are not among them.
func configs(apps []*application) []gatewayConfig {
	var out []gatewayConfig
	for _, a := range apps {
		if !a.config.off {
			out = append(out, a.config)
		}
	}
	return out
}

// defaultsOf are the filters of all routes.
func defaultsOf(above, all []gatewayConfig) (out []part) {
	for _, c := range slices.Concat(above, all) {
		out = append(out, c.defaults...)
	}
	return out
}

func definitions(above, all []gatewayConfig) []Definition {
	defaults := defaultsOf(above, all)
	var out []Definition
	seen := map[string]bool{}
	for i := range all {
		for _, d := range all[i].routes {
			if seen[d.name()] {
				continue
			}
			seen[d.name()] = true
			out = append(out, Definition{ID: d.name(), URI: d.uri.Text(), Predicates: shown(d.predicates), Filters: shown(d.filters),
				Combined: shown(interleave(defaults, d.filters)), Order: d.order, Metadata: listedMetadata(d.metadata, all[i].definitions), File: d.file, Line: d.line})
		}
	}
	return out
}

// Located returns the definition by which the discovery locator routes to a service, as Spring's actuator lists it, with the metadata of an
// instance: false where no file has a locator. Without Config.List none has.
func (s *Source) Located(service string, metadata model.Tags) (Definition, bool) {
	above, all := s.inForce()
	i := slices.IndexFunc(all, func(c gatewayConfig) bool { return c.locator.Get("enabled").IsTrue() })
	if i < 0 {
		return Definition{}, false
	}
	l := all[i].locator
	base, _ := all[i].around.basePath()
	out := Definition{ID: LocatedPrefix + service, URI: "lb://" + service, File: l.File, Line: l.Line}
	if len(metadata) > 0 {
		texts := make(map[string]string, len(metadata))
		for _, m := range metadata {
			texts[m.Name] = m.Value
		}
		out.Metadata, _ = json.Marshal(texts) // texts always have a JSON form
	}
	if l.Get("lower-case-service-id").IsTrue() {
		service = strings.ToLower(service)
	}
	of := func(kind string, usual []part) []part {
		parts := template(l, kind, all[i].around)
		if l.Get(kind) == nil {
			parts = usual
		}
		named := make([]part, len(parts))
		for i := range parts {
			var tags []string
			now, err := parts[i].evaluated(&tags)
			if err != nil { // StripPrefix, which has no argument that is one
				now = parts[i]
			}
			places := []string{model.LocatorService, service}
			for j, tag := range tags {
				value, _ := metadata.Get(tag)
				places = append(places, model.LocatorTag(j), value)
			}
			named[i] = now.with(strings.NewReplacer(places...))
		}
		return named
	}
	out.Predicates = shown(of("predicates", []part{{name: "Path", words: []string{"'" + base + "/' + serviceId + '/**'"}}}))
	own := of("filters", []part{rewriteService()})
	out.Filters = shown(own)
	out.Combined = shown(interleave(defaultsOf(above, all), own))
	return out, true
}

// LocatedPrefix begins the IDs of the discovery locator's routes.
const LocatedPrefix = "ReactiveCompositeDiscoveryClient_"

// with returns the part for one service, and what its instance says.
func (p part) with(places *strings.Replacer) part {
	fill := places.Replace
	words := make([]string, len(p.words))
	for i, w := range p.words {
		words[i] = fill(w)
	}
	p.words, p.args = words, p.args.Map(fill)
	return p
}

// listedMetadata is metadata as it is written: nested, with its lists, numbers and texts. null tells that nothing is null there. Filters of ours are
// left out: they may hold secrets.
func listedMetadata(p *bootconfig.Property, null bool) json.RawMessage {
	if p == nil || len(p.Kids) == 0 {
		return nil
	}
	return p.Without(ownFiltersKey).Without(behindFiltersKey).Bound(null).JSON()
}

func shown(parts []part) []Part {
	out := make([]Part, 0, len(parts))
	for _, p := range parts {
		now := Part{Name: p.name}
		position := func(value string) {
			now.Args = append(now.Args, Argument{"_genkey_" + strconv.Itoa(len(now.Args)), value})
		}
		for _, w := range p.words {
			position(w)
		}
		if p.args != nil {
			for _, item := range p.args.List() {
				position(item.Text())
			}
			for _, k := range p.args.Kids {
				if k.IsText() {
					now.Args = append(now.Args, Argument{k.Name, k.Text()})
					continue
				}
				for i, item := range k.List() {
					now.Args = append(now.Args, Argument{k.Name + "." + strconv.Itoa(i), item.Text()})
				}
				inner := k.Flat()
				for _, name := range slices.Sorted(maps.Keys(inner)) {
					now.Args = append(now.Args, Argument{k.Name + "." + name, inner[name]})
				}
			}
		}
		out = append(out, now)
	}
	return out
}

// Judge reads a JSON list of definitions as a feed of them is read, and says what is wrong with it. check says whether the
// configuration of a filter is one.
func Judge(c Config, list string, check func(model.FilterSpec) (model.Code, error)) ([]Definition, []model.Diagnostic) {
	c = c.withDefaults()
	const name = "definitions"
	c.Feeds = []Feed{{Name: name, Plain: true}}
	r := newReading(&c)
	r.take([]watch.File{{Path: name, Data: routesText(list), Settled: true}})
	apps := r.applications()
	var wrong []model.Diagnostic
	for _, g := range translate(c, apps, nil, nil).groups {
		for _, d := range g.Objects.Diagnostics {
			if d.Code != CodeUnresolved {
				wrong = append(wrong, d)
			}
		}
		for _, route := range g.Objects.Routes {
			for _, f := range route.Filters {
				if code, err := check(f); err != nil {
					wrong = append(wrong, model.Diagnostic{Origin: route.Origin, Field: "filters", Severity: model.Error, Code: code, Message: err.Error()})
				}
			}
		}
	}
	return definitions(nil, configs(apps)), wrong
}
