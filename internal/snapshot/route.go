package snapshot

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/shard"
)

// Request is what a lookup sees of a request.
type Request interface {
	LookupMethod() string
	LookupPath() string // normalised
	// LookupValue returns value i, from 0, of those that a name has in a place.
	LookupValue(in Place, name string, i int) (string, bool)
	LookupPeer() netip.Addr // of the connection, or what a trusted PROXY header says
	// LookupForwarded returns address n, from 1, from the right of what a trusted proxy says, or else LookupPeer.
	LookupForwarded(n int) netip.Addr
	LookupTime() time.Time
	LookupDraw(group string) int // below model.ShareWhole; the same whenever it is asked of one request
}

// Place is where a request holds values under names.
type Place uint8

// The places.
const (
	InHeaders Place = iota
	InQuery
	InCookies
)

// Route is a compiled route. Its pointer stays the same from one snapshot to the next as long as the route, its
// filters and its upstreams are the same, so planes keep what they bound to it. What NewRoute was given does not change
// afterwards; a route that is rejected has a copy of it, with another action.
type Route struct {
	// What most lookups read of a route stands together, in the first two lines of the cache.
	head    string // the part of the path that a tree of segments holds
	kind    pathKind
	late    bool   // Default
	start   string // text that paths of kind startPath begin with
	pattern *pattern
	regex   *expression
	also    *conditions // besides the path; nil = none
	hosts   hostVariables
	rank    model.Rank
	class   int // of the path's specificity
	length  int
	hash    uint64

	*model.Route                    // as its source has it: there are as many as routes
	Upstreams    []*model.Upstream  // of the Forward's targets, in their order
	Targets      []model.UpstreamID // that the source named, whatever became of the route
	Lanes        Lanes              // of the Forward
	Naming       *Naming            // of the Forward; nil = none
	Fallback     *model.Upstream    // of the Forward; nil = none
	Asked        []*model.Upstream  // that filters send requests of their own to
	Paths        []model.FilterPath // that filters may have requests looked up again with, as they are looked up
	Doubts       []model.Diagnostic // what was said of the route, which is served all the same
	Reject       model.Code         // why it answers 503 in place of what it says; empty = it is fine
}

// pathKind is model.PathKind as a number.
type pathKind uint8

const (
	anyPath pathKind = iota
	exactPath
	prefixPath
	startPath
	patternPath
	regexPath
)

// NewRoute compiles the conditions and the lanes of a route. A pattern that is none is an error. A regular expression that cannot be
// used is an error too, beside a route that stands in its place for every path that it could mean: nothing less specific may answer
// for it.
func NewRoute(r *model.Route) (*Route, error) {
	out := &Route{Route: r, rank: r.Rank, late: r.Default, hash: shard.Hash(string(r.ID))}
	m := &out.Match
	also, err := newConditions(m, slices.ContainsFunc(r.Filters, func(f model.FilterSpec) bool { return f.Kind == model.FilterCORS }))
	if err != nil {
		return nil, err
	}
	out.also = also
	out.class, out.length = m.Path.Specificity()
	text := http1.EncodePath(m.Path.Value) // as requests have it
	switch m.Path.Kind {
	case model.PathExact:
		out.kind, out.head = exactPath, text
	case model.PathPrefix:
		out.kind, out.head = prefixPath, strings.TrimSuffix(text, "/")
	case model.PathStart:
		out.kind, out.start = startPath, text
		out.head = text[:max(strings.LastIndexByte(text, '/'), 0)]
	case model.PathPattern:
		p, err := parsePattern(m.Path.Value, m.Path.Strict)
		if err != nil {
			return nil, err
		}
		out.kind, out.pattern, out.head = patternPath, p, p.head
	case model.PathRegex:
		x, err := parseExpression(m.Path.Value, m.Path.IgnoreCase)
		if err != nil {
			if x, _ = coverExpression(m.Path.Value, m.Path.IgnoreCase); x == nil {
				return nil, err
			}
			out.kind, out.regex, out.head = regexPath, x, x.head
			return out, err
		}
		out.kind, out.regex, out.head = regexPath, x, x.head
	}
	if out.hosts, err = newHostVariables(r, out.variables()); err != nil {
		return nil, err
	}
	if f, ok := r.Action.(model.Forward); ok {
		lanes, err := newLanes(f.Lanes)
		if err != nil {
			return nil, err
		}
		out.Lanes = lanes
		if out.Naming, err = newNaming(&f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Forward returns the route's forward action, unless it has another or was rejected.
func (r *Route) Forward() (model.Forward, bool) {
	f, ok := r.Action.(model.Forward)
	return f, ok
}

// Hash is the hash of the route's ID, for maps whose keys are routes.
func (r *Route) Hash() uint64 { return r.hash }

// Captures fills dst with the variables of the route in a path and a host, in lower case and without port, that it matched, and returns how
// many. The values are parts of these.
func (r *Route) Captures(path, host string, dst *[MaxCaptures]Capture) (n int) {
	switch r.kind {
	case patternPath:
		n = r.pattern.captures(path, dst)
	case regexPath:
		n = r.regex.captures(path, dst)
	}
	if r.hosts != nil {
		n += r.hosts.captures(host, dst[n:])
	}
	return n
}

// HasVariables tells whether Captures can find any.
func (r *Route) HasVariables() bool {
	return r.kind == patternPath || r.kind == regexPath || r.hosts != nil
}

// variables is how many the path has.
func (r *Route) variables() int {
	switch r.kind {
	case patternPath:
		return len(r.pattern.vars)
	case regexPath:
		return len(r.regex.names)
	default:
		return 0
	}
}

// Variables are the names of what Captures can find.
func (r *Route) Variables() []string {
	var out []string
	switch r.kind {
	case patternPath:
		for i := range r.pattern.vars {
			out = append(out, r.pattern.vars[i].name)
		}
	case regexPath:
		out = append(out, r.regex.names...)
	}
	for _, re := range r.hosts {
		out = append(out, re.SubexpNames()...)
	}
	return out
}

// before tells whether a route comes before another one in the total order.
func (r *Route) before(o *Route) bool { return compare(r, o) < 0 }

// compare is model.CompareRoutes, with its first steps taken from what was worked out once. Routes that are equal in
// all that it looks at differ in conditions only; their order has to be some fixed one.
func compare(a, b *Route) int {
	if a == b {
		return 0
	}
	if a.late != b.late {
		if b.late {
			return -1
		}
		return 1
	}
	if c := a.rank.Compare(b.rank); c != 0 {
		return c
	}
	if a.class != b.class {
		return a.class - b.class
	}
	if a.length != b.length {
		return b.length - a.length
	}
	if c := model.CompareRoutes(a.Route, b.Route); c != 0 {
		return c
	}
	return model.CompareConditions(&a.Match, &b.Match)
}

// step takes the segment of the head that begins at off and returns where the next one begins. It ends where the tree
// cannot hold the route any further.
func (r *Route) step(off int) (seg string, next int, kind stepKind) {
	if off >= len(r.head) || len(r.head) == 1 { // "/" alone has no segment
		return "", off, stepEnds
	}
	next = len(r.head)
	if i := strings.IndexByte(r.head[off+1:], '/'); i >= 0 {
		next = off + 1 + i
	}
	seg = r.head[off+1 : next]
	switch {
	case r.kind != patternPath:
		return seg, next, stepLiteral
	case seg == "*" && next == len(r.head): // which may be empty, where a tree has nothing
		return seg, next, stepEnds
	case isVariable(seg):
		return seg, next, stepVariable
	case isWild(seg):
		return seg, next, stepEnds
	default:
		return seg, next, stepLiteral
	}
}

// stepKind says where a segment leads in a tree.
type stepKind uint8

const (
	stepEnds     stepKind = iota // nowhere: the route stands here
	stepLiteral                  // to what begins with this text
	stepVariable                 // to what takes any segment
)

// takes tells whether a route takes a request; without one, whether it may take some request for the path.
func (r *Route) takes(path string, q Request) bool {
	return r.Fits(path) && (r.also == nil || q == nil || r.also.hold(q))
}

// Fits tells whether a path is one that the route means. It is the definition: an index only finds candidates for it.
func (r *Route) Fits(path string) bool {
	switch r.kind {
	case anyPath:
		return true
	case exactPath:
		return path == r.head
	case prefixPath:
		n := len(r.head)
		return n == 0 || len(path) >= n && path[:n] == r.head && (len(path) == n || path[n] == '/')
	case startPath:
		return strings.HasPrefix(path, r.start)
	case patternPath:
		return r.pattern.matches(path)
	default:
		return r.regex.matches(path)
	}
}
