package springgw

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
	"paifang/internal/model"
)

// notList is what is wrong with one definition where a list of them is wanted.
const notList = "is no list: begin each definition with a dash"

// routeless says what is wrong with a text that is kept for routes and from which none can be read. An empty list is one, and so is a text
// that says nothing at all: who takes routes away says so, and everything else is a slip. It returns nil where all is well.
func routeless(path string, data []byte, docs []bootconfig.Document) *document.Problem {
	problem := func(line int, field, message string) *document.Problem {
		return &document.Problem{File: path, Line: line, Field: field, Message: message}
	}
	const none = "it holds no routes: want a JSON list of definitions, or spring.cloud.gateway.routes"
	settings := false // for all routes, which may be all that a text is for
	misspelt := false // an unknown key may have been meant for routes
	var unknown, other *document.Problem
	for _, d := range docs {
		for _, prefix := range prefixes() {
			for _, k := range below(d.Root.Get(prefix...)) {
				v, _, inside := propertyVerdicts().of(append(slices.Clone(prefix), k.Name))
				switch {
				case bootconfig.Same(k.Name, "routes"):
					if p := noDefinitions(k); p != nil && p != k {
						return problem(p.Line, fmt.Sprintf("routes[%s]", p.Name), "is no definition: want an object with uri and predicates")
					} else if p != nil {
						return problem(p.Line, "routes", notList)
					}
					return nil
				case v != nil && strings.HasPrefix(v.Why, noSuchProperty):
					unknown = problem(k.Line, k.Name, v.Why)
					misspelt = misspelt || document.Nearest(k.Name, []string{"routes"}) != ""
				case !inside || !bootconfig.Same(k.Name, "server"):
					settings = true
				}
			}
		}
		switch {
		case len(d.Root.Kids) == 0 || d.Root.Get(prefixes()[0]...) != nil:
		case d.Root.Get("uri") != nil || d.Root.Get("predicates") != nil:
			other = problem(d.Root.Line, "", "it is one definition: put it into a list, [ ]")
		default:
			other = problem(d.Root.Line, "", none)
		}
	}
	switch all, _ := document.Split(path, data); {
	case unknown != nil && (misspelt || !settings):
		return unknown
	case settings: // which count, whatever stands beside them: a filter may guard all routes
		return nil
	case other == nil && len(docs) == 0 && len(all) > 0: // a text, a list without brackets, or an object of somebody else
		return problem(all[0].Root.Line, "", none)
	}
	return other
}

// noDefinitions returns what is no definition in place of a list of them, or in one; nil where there is nothing like that.
func noDefinitions(routes *bootconfig.Property) *bootconfig.Property {
	if len(routes.Kids) > 0 {
		return routes
	}
	if routes.Text() != "" {
		return routes
	}
	if !routes.IsList() {
		return nil
	}
	for _, item := range routes.List() {
		if item.Get("uri") == nil && item.Get("predicates") == nil {
			return item
		}
	}
	return nil
}

// strays warns of definitions of routes that stand where nobody looks for them, most often below a misspelt key, and of all that is below a
// key that looks like spring.cloud.gateway.
func strays(root *bootconfig.Property) []fault {
	var out []fault
	judged(root, nil, func(p *bootconfig.Property, path []string) bool {
		name := strings.Join(path, ".")
		warn := func(instead string) {
			out = append(out, fault{p.File, p.Line, name, model.CodeUnsupported, model.Warning,
				"nothing is read there, and the routes and filters below it are not served: did you mean " + instead + "?"})
		}
		switch {
		case canonical(path) == "spring.cloud.gateway":
			return false
		case len(path) == 3 && canonical(path[:2]) == "spring.cloud" && document.Nearest(p.Name, []string{"gateway"}) != "":
			warn("spring.cloud.gateway")
			return false
		case p.IsList():
			if slices.ContainsFunc(p.List(), func(item *bootconfig.Property) bool { return item.Get("uri") != nil && item.Get("predicates") != nil }) {
				warn("spring.cloud.gateway.routes")
			}
			return false
		}
		return true
	})
	return out
}
