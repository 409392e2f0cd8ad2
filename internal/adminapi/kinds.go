package adminapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/document"
	"paifang/internal/explain"
	"paifang/internal/hub"
	"paifang/internal/model"
)

// Kind names what can be listed: /api/v1/KIND and `get KIND`.
type Kind string

// The kinds, in the order in which they are told of.
const (
	Roads       Kind = "roads"
	Nodes       Kind = "nodes"
	Pods        Kind = "pods"
	Records     Kind = "records"
	Routes      Kind = "routes"
	Upstreams   Kind = "upstreams"
	Endpoints   Kind = "endpoints"
	Services    Kind = "services"
	Listeners   Kind = "listeners"
	Diagnostics Kind = "diagnostics"
	Sources     Kind = "sources"
	Infos       Kind = "info"
	Lists       Kind = "lists"
	Traffics    Kind = "traffic"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{Roads, Nodes, Pods, Records, Routes, Upstreams, Endpoints, Services, Listeners, Diagnostics, Sources, Infos, Lists, Traffics}
}

// ParseKind reads the name of a kind; the error names the nearest one and all others.
func ParseKind(name string) (Kind, error) {
	var names []string
	for _, k := range Kinds() {
		if string(k) == name || strings.TrimSuffix(string(k), "s") == name {
			return k, nil
		}
		names = append(names, string(k))
	}
	return "", fmt.Errorf("nothing is called %q: there are %s", name, strings.Join(nearestFirst(name, names), ", "))
}

// nearestFirst returns the words with the one closest to a given one in front.
func nearestFirst(word string, words []string) []string {
	near := document.Nearest(word, words)
	if near == "" {
		return words
	}
	out := []string{near}
	for _, w := range words {
		if w != near {
			out = append(out, w)
		}
	}
	return out
}

// section is what can be done with the rows of one kind.
type section struct {
	encode func(*View) ([]byte, error)
	decode func([]byte, *View) error
	merge  func(into *View, from View)
	narrow func(v *View, name string)
}

type items[T any] struct {
	Items []T `json:"items"`
}

// rows makes a section. key is what rows of several processes are sorted and told apart by, name what a filter looks at.
func rows[T any](at func(*View) *[]T, key, name func(T) string) section {
	return section{
		encode: func(v *View) ([]byte, error) {
			all := *at(v)
			if all == nil {
				all = []T{}
			}
			return json.Marshal(items[T]{all})
		},
		decode: func(b []byte, v *View) error {
			var in items[T]
			if err := json.Unmarshal(b, &in); err != nil {
				return err
			}
			*at(v) = in.Items
			return nil
		},
		merge: func(into *View, from View) {
			all := append(*at(into), *at(&from)...)
			slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
			*at(into) = slices.CompactFunc(all, func(a, b T) bool { return key(a) == key(b) })
		},
		narrow: func(v *View, want string) {
			*at(v) = slices.DeleteFunc(*at(v), func(x T) bool { return !strings.Contains(name(x), want) })
		},
	}
}

func (k Kind) section() section {
	switch k {
	case Roads:
		return rows(func(v *View) *[]Road { return &v.Roads }, func(r Road) string { return r.Application },
			func(r Road) string { return r.Application + " " + strings.Join(r.WayIn, " ") })
	case Nodes:
		return rows(func(v *View) *[]Node { return &v.Nodes }, func(n Node) string { return n.Name + " " + n.Addr.String() }, func(n Node) string { return n.Name })
	case Pods:
		return rows(func(v *View) *[]explain.Pod { return &v.Pods }, func(p explain.Pod) string { return p.Namespace + "/" + p.Name },
			func(p explain.Pod) string { return p.Name })
	case Records:
		return rows(func(v *View) *[]Record { return &v.Records }, func(r Record) string { return r.Name + " " + r.Type }, func(r Record) string { return r.Name })
	case Routes:
		s := rows(func(v *View) *[]Route { return &v.Routes }, Route.key, func(r Route) string { return r.ID + " " + r.Host + r.Path })
		s.merge = mergeRoutes
		return s
	case Upstreams:
		return rows(func(v *View) *[]Upstream { return &v.Upstreams }, func(u Upstream) string { return u.ID + " " + u.SeenBy }, func(u Upstream) string { return u.ID })
	case Endpoints:
		s := rows(func(v *View) *[]Endpoint { return &v.Endpoints }, Endpoint.key, func(e Endpoint) string { return e.List + " " + e.Name })
		s.merge = mergeEndpoints
		return s
	case Services:
		return rows(func(v *View) *[]Service { return &v.Services }, Service.key, func(s Service) string { return s.Name })
	case Listeners:
		return rows(func(v *View) *[]Listener { return &v.Listeners }, func(l Listener) string { return l.ID }, func(l Listener) string { return l.ID })
	case Diagnostics:
		return rows(func(v *View) *[]model.Diagnostic { return &v.Diagnostics }, diagnosticKey, func(d model.Diagnostic) string { return d.String() })
	case Sources:
		return rows(func(v *View) *[]hub.SourceStatus { return &v.Sources }, func(s hub.SourceStatus) string { return s.Name }, func(s hub.SourceStatus) string { return s.Name })
	case Infos:
		return rows(func(v *View) *[]Info { return &v.Info }, func(i Info) string { return fmt.Sprintf("%s %d", i.Name, i.PID) }, func(i Info) string { return i.Name })
	case Traffics:
		return rows(func(v *View) *[]Traffic { return &v.Traffic }, Traffic.key, func(t Traffic) string { return t.Name })
	default:
		return rows(func(v *View) *[]explain.List { return &v.Lists }, func(l explain.List) string { return l.ID.String() }, func(l explain.List) string { return l.ID.Name })
	}
}

func (e Endpoint) key() string { return e.Keeper + " " + e.List + " " + e.Addr.String() }

// mergeEndpoints has an endpoint be down where one of the processes finds that it is.
func mergeEndpoints(into *View, from View) {
	all := slices.Concat(into.Endpoints, from.Endpoints)
	slices.SortStableFunc(all, func(a, b Endpoint) int {
		if c := cmp.Compare(a.key(), b.key()); c != 0 || a.Down == b.Down {
			return c
		}
		if a.Down {
			return -1
		}
		return 1
	})
	into.Endpoints = slices.CompactFunc(all, func(a, b Endpoint) bool { return a.key() == b.key() })
}

func (s Service) key() string {
	return strings.Join([]string{s.KeptBy, s.Namespace, s.Group, s.Name, s.Port}, " ")
}

// diagnosticKey sorts as model.CompareDiagnostics does, for lines of up to ten digits.
func diagnosticKey(d model.Diagnostic) string {
	return strings.Join([]string{d.Origin.File, fmt.Sprintf("%010d", d.Origin.Line), d.Origin.Source, d.Origin.Object(), d.Field, string(d.Code), d.Message}, "\x00")
}

// Encode returns the rows of a kind as {"items":[…]}.
func (v View) Encode(k Kind) ([]byte, error) { return k.section().encode(&v) }

// Decode reads what Encode wrote.
func (v *View) Decode(k Kind, text []byte) error { return k.section().decode(text, v) }

// Narrow keeps the rows of a kind whose name contains a text.
func (v *View) Narrow(k Kind, name string) { k.section().narrow(v, name) }
