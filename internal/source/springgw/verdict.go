package springgw

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
)

// Judgement is what becomes of a predicate, filter or property.
type Judgement string

// The judgements.
const (
	Supported   Judgement = "supported"   // it does what it does in Spring
	Differs     Judgement = "differs"     // what it is for is done here in another way, or set in another place
	Ignored     Judgement = "ignored"     // it has nothing to act on here
	Unsupported Judgement = "unsupported" // what it is for is not done
)

// rank is higher for what takes more notice.
func (j Judgement) rank() int {
	return slices.Index([]Judgement{Supported, Ignored, Differs, Unsupported}, j)
}

// Verdict is what becomes of one predicate, filter or property, and why.
type Verdict struct {
	Kind    string // "predicate", "filter" or "property"
	Name    string // of a property: its key, in kebab case
	Verdict Judgement
	Why     string // "" where it is supported without a remark
}

// sentence is the verdict as a diagnostic has it.
func (v *Verdict) sentence() string {
	name := v.Name[strings.LastIndexByte(v.Name, '.')+1:]
	switch v.Verdict {
	case Differs:
		return fmt.Sprintf("%s has no effect here: %s", name, v.Why)
	case Ignored:
		return fmt.Sprintf("%s has nothing to act on here: %s", name, v.Why)
	default:
		return fmt.Sprintf("%s is not supported and has no effect: %s", name, v.Why)
	}
}

// Verdicts are those of all predicates, filters and properties that are known, by kind and name.
func Verdicts() []Verdict {
	var out []Verdict
	for kind, all := range map[string]map[string]bool{"predicate": readers(predicates()), "filter": readers(filters())} {
		why := instead
		if kind == "filter" {
			why = insteadOf
		}
		for name, has := range all {
			v := Verdict{kind, name, Supported, ""}
			switch {
			case differences()[name].why != "":
				v.Verdict, v.Why = Differs, differences()[name].why
			case !has:
				v.Verdict, v.Why = Unsupported, strings.TrimPrefix(why(name), ": ")
			}
			out = append(out, v)
		}
	}
	out = append(out, slices.Collect(maps.Values(propertyVerdicts()))...)
	slices.SortFunc(out, func(a, b Verdict) int {
		return strings.Compare(a.Kind+" "+a.Name, b.Kind+" "+b.Name)
	})
	return out
}

func readers[F any](all map[string]func(*F, *part) error) map[string]bool {
	out := map[string]bool{}
	for name, read := range all {
		out[name] = read != nil
	}
	return out
}

// propertyTable is the verdicts of properties by their relaxed key. A key stands for what is below it too, unless that has
// a line of its own.
type propertyTable map[string]Verdict

// balancerKey is what the properties of the balancer begin with.
const balancerKey = "spring.cloud.loadbalancer."

// ourKeys is what the properties of the gateway begin with.
const ourKeys = "spring.cloud.gateway."

// noSuchProperty begins what is said of a key that nobody reads.
const noSuchProperty = "Spring Cloud Gateway has no such property"

// of returns the verdict of a property; nil where there is none. below says that what is below it has verdicts of its own,
// inside that it has none itself and something below it has.
func (t propertyTable) of(path []string) (v *Verdict, below, inside bool) {
	key := canonical(path)
	if len(path) == 5 && canonical(path[:4]) == balancerKey+"clients" {
		return nil, true, true
	}
	if len(path) > 5 && canonical(path[:4]) == balancerKey+"clients" { // the same properties for one service: what is done is said of clients
		v, below, inside := t.of(slices.Concat(path[:3], path[5:]))
		if v != nil && v.Verdict.rank() < Unsupported.rank() && v.Verdict != Ignored {
			return nil, below, inside
		}
		return v, below, inside
	}
	below = key == balancerKey+"clients"
	for k := range t {
		below = below || strings.HasPrefix(k, key+".")
	}
	if v, ok := t[key]; ok {
		return &v, below, false
	}
	every := anyPart(key)
	for k := range t {
		below = below || every != "" && strings.HasPrefix(k, every+".")
	}
	if v, ok := t[every]; ok {
		return &v, below, false
	}
	if below {
		return nil, true, true
	}
	ours, whose := ourKeys, noSuchProperty
	name, ok := strings.CutPrefix(key, ours)
	if !ok {
		if name, ok = strings.CutPrefix(key, balancerKey); !ok {
			return nil, false, false
		}
		ours, whose = balancerKey, "Spring Cloud LoadBalancer has no such property"
	}
	if above, ok := t.above(key); ok && above.Verdict != Supported { // what has no effect as a whole has none in this part
		return nil, false, false
	}
	v = &Verdict{"property", strings.Join(path, "."), Unsupported, whose}
	var known []string
	for k := range t {
		if rest, ok := strings.CutPrefix(k, ours); ok {
			known = append(known, rest)
		}
	}
	if near := document.Nearest(name, known); near != "" {
		v.Why += ": did you mean " + strings.TrimPrefix(t[ours+near].Name, ours) + "?"
	}
	return v, false, false
}

// anyPart is the key of a property that every filter, or predicate, has: with a star in place of the name. "" where it is of none.
func anyPart(key string) string {
	const gw = "spring.cloud.gateway."
	for _, kind := range [...]string{gw + "filter.", gw + "predicate."} {
		if name, ok := strings.CutPrefix(key, kind); ok {
			if _, rest, deeper := strings.Cut(name, "."); deeper {
				return kind + "*." + rest
			}
			return kind + "*"
		}
	}
	return ""
}

// above is the line of the nearest key that a key is below.
func (t propertyTable) above(key string) (Verdict, bool) {
	for i := strings.LastIndexByte(key, '.'); i > 0; i = strings.LastIndexByte(key, '.') {
		key = key[:i]
		if v, ok := t[key]; ok {
			return v, true
		}
	}
	return Verdict{}, false
}

// canonical is a key in its relaxed form, with the prefix of 4.3 in that of 4.2.
func canonical(path []string) string {
	parts := make([]string, len(path))
	for i, p := range path {
		parts[i] = bootconfig.Relaxed(p)
	}
	key := strings.Join(parts, ".")
	if rest, ok := strings.CutPrefix(key, "spring.cloud.gateway.server.webflux"); ok {
		return "spring.cloud.gateway" + rest
	}
	return key
}

func propertyVerdicts() propertyTable {
	out := propertyTable{}
	for _, v := range properties() {
		v.Kind = "property"
		out[canonical(strings.Split(v.Name, "."))] = v
	}
	return out
}
