package snapshot

import (
	"strings"

	"paifang/internal/model"
)

// Request is what a lookup sees of a request.
type Request interface {
	LookupMethod() string
	LookupPath() string // normalised
	LookupHeader(name string) (string, bool)
	LookupQuery(name string) (string, bool)
}

// Route is a compiled route. Its pointer stays the same from one snapshot to the next as long as the route, its
// filters and its upstreams are the same, so planes keep what they bound to it.
type Route struct {
	model.Route
	Upstreams []*model.Upstream  // of the Forward's targets, in their order
	Targets   []model.UpstreamID // that the source named, whatever became of the route
	Reject    model.Code         // why it answers 503 in place of what it says; empty = it is fine
	pattern   *pattern           // of a PathPattern
}

// Forward returns the route's forward action, unless it has another or was rejected.
func (r *Route) Forward() (model.Forward, bool) {
	f, ok := r.Action.(model.Forward)
	return f, ok
}

// NewRoute compiles the path of a route. A pattern that is none is an error.
func NewRoute(r model.Route) (*Route, error) {
	out := &Route{Route: r}
	if r.Match.Path.Kind == model.PathPattern {
		p, err := parsePattern(r.Match.Path.Value, r.Match.Path.Strict)
		if err != nil {
			return nil, err
		}
		out.pattern = p
	}
	return out, nil
}

// HostTable is what a host does with paths. It is immutable.
type HostTable struct {
	Host   model.Host
	Routes []*Route // that can be reached, in the total order
	Lost   []Lost   // that another one hides

	exact map[string][]int32 // routes by their whole path
	tree  *node              // prefixes and patterns, by segment
	loose []int32            // patterns a tree of segments cannot hold
}

// Lost is a route that can never be reached, and the one that takes its place.
type Lost struct{ Route, To *Route }

type node struct {
	literal map[string]*node
	param   *node   // one segment of any text
	here    []int32 // patterns that end here
	below   []int32 // prefixes, and patterns that end in ** or {*rest}: here or further down
}

// NewHostTable indexes the routes of a host, given in the total order.
func NewHostTable(host model.Host, routes []*Route) *HostTable {
	t := &HostTable{Host: host, tree: &node{}}
	for _, r := range routes {
		if to := t.hiddenBy(r); to != nil {
			t.Lost = append(t.Lost, Lost{r, to})
			continue
		}
		t.add(r, int32(len(t.Routes)))
		t.Routes = append(t.Routes, r)
	}
	return t
}

// Table returns t: a table is its own bound form.
func (t *HostTable) Table() *HostTable { return t }

func (t *HostTable) hiddenBy(r *Route) *Route {
	var candidates []int32
	switch r.Match.Path.Kind {
	case model.PathExact:
		candidates = t.exact[r.Match.Path.Value]
	case model.PathPattern:
		if r.pattern.loose {
			candidates = t.loose
			break
		}
		fallthrough
	default:
		n := t.tree
		for seg := range segments(r.treePath()) {
			if n = n.child(seg, isParam(r, seg)); n == nil {
				return nil
			}
		}
		candidates = append(append([]int32{}, n.here...), n.below...)
	}
	for _, i := range candidates {
		if o := t.Routes[i]; model.SameMatch(o.Match, r.Match) && o.Default == r.Default {
			return o
		}
	}
	return nil
}

// treePath is the part of the path that the tree holds.
func (r *Route) treePath() string {
	switch r.Match.Path.Kind {
	case model.PathAny:
		return "/"
	case model.PathPattern:
		return r.pattern.head
	default:
		return strings.TrimSuffix(r.Match.Path.Value, "/")
	}
}

func isParam(r *Route, seg string) bool {
	return r.pattern != nil && (seg == "*" || strings.HasPrefix(seg, "{"))
}

func (n *node) child(seg string, param bool) *node {
	if param {
		return n.param
	}
	return n.literal[seg]
}

func (t *HostTable) add(r *Route, i int32) {
	switch {
	case r.Match.Path.Kind == model.PathExact:
		if t.exact == nil {
			t.exact = map[string][]int32{}
		}
		t.exact[r.Match.Path.Value] = append(t.exact[r.Match.Path.Value], i)
		return
	case r.pattern != nil && r.pattern.loose:
		t.loose = append(t.loose, i)
		return
	}
	n := t.tree
	for seg := range segments(r.treePath()) {
		param := isParam(r, seg)
		next := n.child(seg, param)
		if next == nil {
			next = &node{}
			if param {
				n.param = next
			} else {
				if n.literal == nil {
					n.literal = map[string]*node{}
				}
				n.literal[seg] = next
			}
		}
		n = next
	}
	if r.pattern != nil && !r.pattern.rest {
		n.here = append(n.here, i)
	} else {
		n.below = append(n.below, i)
	}
}

// match returns the first route in the total order that takes the request.
func (t *HostTable) match(q Request, onlyDefaults bool) (int, bool) {
	m := matcher{t: t, q: q, path: q.LookupPath(), best: int32(len(t.Routes)), onlyDefaults: onlyDefaults}
	m.consider(t.exact[m.path])
	m.walk(t.tree, 0)
	for _, i := range t.loose {
		if i >= m.best {
			break
		}
		if t.Routes[i].pattern.matches(m.path) {
			m.one(i)
		}
	}
	return int(m.best), m.best < int32(len(t.Routes))
}

type matcher struct {
	t            *HostTable
	q            Request
	path         string
	best         int32
	onlyDefaults bool
}

func (m *matcher) consider(list []int32) {
	for _, i := range list {
		if i >= m.best {
			return
		}
		if m.one(i) {
			return
		}
	}
}

func (m *matcher) one(i int32) bool {
	r := m.t.Routes[i]
	if m.onlyDefaults && !r.Default || !holds(&r.Match, m.q) {
		return false
	}
	if i < m.best {
		m.best = i
	}
	return true
}

// walk goes down the segments from at, the index of a slash (or the end of the path).
func (m *matcher) walk(n *node, at int) {
	m.consider(n.below)
	if at >= len(m.path) {
		m.consider(n.here)
		return
	}
	if at == len(m.path)-1 { // a trailing slash, or the root
		if at == 0 {
			m.consider(n.here)
		} else {
			m.lenient(n.here)
		}
		if c := n.literal[""]; c != nil { // patterns that end in a slash themselves
			m.consider(c.here)
		}
		return
	}
	end := strings.IndexByte(m.path[at+1:], '/')
	if end < 0 {
		end = len(m.path)
	} else {
		end += at + 1
	}
	seg := m.path[at+1 : end]
	if c := n.literal[seg]; c != nil {
		m.walk(c, end)
	}
	if n.param != nil && seg != "" {
		m.walk(n.param, end)
	}
}

// lenient considers patterns whose last segment is followed by a slash in the request.
func (m *matcher) lenient(list []int32) {
	for _, i := range list {
		if i >= m.best {
			return
		}
		if !m.t.Routes[i].Match.Path.Strict && m.one(i) {
			return
		}
	}
}

// holds tells whether the conditions besides the path hold.
func holds(m *model.Match, q Request) bool {
	if len(m.Methods) > 0 {
		ok := false
		for _, x := range m.Methods {
			ok = ok || x == q.LookupMethod()
		}
		if !ok {
			return false
		}
	}
	for i := range m.Headers {
		if v, ok := q.LookupHeader(m.Headers[i].Name); !ok || !m.Headers[i].Present && v != m.Headers[i].Value {
			return false
		}
	}
	for i := range m.Query {
		if v, ok := q.LookupQuery(m.Query[i].Name); !ok || !m.Query[i].Present && v != m.Query[i].Value {
			return false
		}
	}
	return true
}

// Candidates returns every route of the table whose conditions the request meets, in the total order, for those
// who explain. The first of them is the one that Find returns.
func (t *HostTable) Candidates(q Request) []*Route {
	var out []*Route
	for _, r := range t.Routes {
		if pathMatches(r, q.LookupPath()) && holds(&r.Match, q) {
			out = append(out, r)
		}
	}
	return out
}

// pathMatches is the definition that the index must agree with; a test compares them.
func pathMatches(r *Route, path string) bool {
	switch p := r.Match.Path; p.Kind {
	case model.PathAny:
		return true
	case model.PathExact:
		return path == p.Value
	case model.PathPrefix:
		v := strings.TrimSuffix(p.Value, "/")
		return strings.HasPrefix(path, v) && (len(path) == len(v) || path[len(v)] == '/')
	default:
		return r.pattern.matches(path)
	}
}

// segments yields the segments of a path: "/a/b" gives a and b, "/" nothing, "/a/" a and the empty one.
func segments(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		path = strings.TrimPrefix(path, "/")
		if path == "" {
			return
		}
		for seg := range strings.SplitSeq(path, "/") {
			if !yield(seg) {
				return
			}
		}
	}
}
