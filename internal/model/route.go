package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// RouteID names a route within all sources: "ingress/shop/web/0/1", "springgw/order".
type RouteID string

// Route is a rule for HTTP requests: on the listeners of these classes, for these hosts, what matches has this
// effect.
type Route struct {
	ID       RouteID      `json:"id"`
	Origin   Origin       `json:"origin"`
	Attach   []Class      `json:"attach"`
	Hosts    []Host       `json:"hosts,omitempty"` // empty = any host
	HostLine int          `json:"-"`               // line of the hosts in Origin.File, where it is another than Origin.Line; 0 = unknown
	Match    Match        `json:"match"`
	Rank     Rank         `json:"rank,omitzero"`
	Priority int          `json:"priority,omitempty"` // of the source; lower first
	Filters  []FilterSpec `json:"filters,omitempty"`  // run in this order; on the response in reverse
	Action   Action       `json:"-"`
	Timeouts Timeouts     `json:"timeouts,omitzero"`
	Tracing  RouteTracing `json:"tracing,omitzero"`
	Default  bool         `json:"default,omitempty"` // chosen only when nothing else matches (a default backend)
	// HostVariables are RE2 expressions for the whole host, in lower case and without port. The named groups of the first that matches are
	// variables for filters, beside those of the path.
	HostVariables []string `json:"hostVariables,omitempty"`
}

// Rank is the order a source gives its routes itself (Spring's order and position). Lower first. The zero rank
// leaves the order to specificity.
type Rank struct {
	Order    int `json:"order,omitempty"`
	Position int `json:"position,omitempty"`
}

// Compare orders ranks, lower first.
func (r Rank) Compare(s Rank) int {
	return cmp.Or(cmp.Compare(r.Order, s.Order), cmp.Compare(r.Position, s.Position))
}

// Match is the condition of a route: all of its parts must hold.
type Match struct {
	Path    PathMatch    `json:"path"`
	Methods []string     `json:"methods,omitempty"` // any of; empty = every method. A route with FilterCORS takes their preflights too
	Headers []FieldMatch `json:"headers,omitempty"` // all of, as all that follow
	Query   []FieldMatch `json:"query,omitempty"`
	Cookies []FieldMatch `json:"cookies,omitempty"`

	Addresses []AddressMatch `json:"addresses,omitempty"`
	Time      Window         `json:"time,omitzero"`
	Shares    []Share        `json:"shares,omitempty"`
	Versions  []VersionMatch `json:"versions,omitempty"`
}

// PathKind says how a path is compared.
type PathKind string

// The kinds of path match. Paths are compared in their normalised form.
const (
	PathAny     PathKind = ""        // every path
	PathExact   PathKind = "Exact"   // the whole path
	PathPrefix  PathKind = "Prefix"  // whole segments: /order matches /order and /order/42, not /orders
	PathStart   PathKind = "Start"   // text that the path begins with: /order matches /orders too
	PathPattern PathKind = "Pattern" // segments with {name}, *, and a last {*rest} or **
	PathRegex   PathKind = "Regex"   // an RE2 expression that the path begins with a match of: "^" is put before it. See Expression for look-aheads
)

// PathMatch is a path condition.
type PathMatch struct {
	Kind  PathKind `json:"kind,omitempty"`
	Value string   `json:"value,omitempty"`
	// Strict makes a pattern tell /a from /a/. Exact always does, Prefix never.
	Strict bool `json:"strict,omitempty"`
	// IgnoreCase makes a Regex match in any case.
	IgnoreCase bool `json:"ignoreCase,omitempty"`
}

// String returns "/order Prefix", "/v[0-9]+ Regex in any case", or "any path".
func (p PathMatch) String() string {
	switch {
	case p.Kind == PathAny:
		return "any path"
	case p.IgnoreCase:
		return p.Value + " " + string(p.Kind) + " in any case"
	default:
		return p.Value + " " + string(p.Kind)
	}
}

// FilterCORS is the kind of filter that answers preflights.
const FilterCORS = "cors"

// FilterSpec names a filter kind and its configuration as that kind decodes it.
type FilterSpec struct {
	Kind   string          `json:"kind"`
	Config json.RawMessage `json:"config,omitempty"`
	Secret string          `json:"secret,omitempty"` // the Secret that Data is read from: "shop/users"
	Data   SecretData      `json:"-"`
	// Upstreams are those that the filter sends requests of its own to, where its kind does.
	Upstreams []UpstreamID `json:"upstreams,omitempty"`
}

// FilterFault is what is wrong with one of a route's filters. One that is an Error refuses the route.
type FilterFault struct {
	At       int // in the list
	Severity Severity
	Code     Code
	Message  string
}

// FilterPath is a path that one of a route's filters may have requests looked up again with, on the listener that they came to.
type FilterPath struct {
	At   int // in the list
	Path string
}

// FilterSetting is what one of a route's filters says that is no step of it: settings of the route, wherever the filter stands. What is zero is
// not said.
type FilterSetting struct {
	At       int // in the list
	Timeouts Timeouts
	Retry    Retry
}

// Action is the effect of a route. It is a closed set: Forward, Redirect, Respond.
type Action interface{ isAction() }

// Forward sends the request to an upstream.
type Forward struct {
	Targets []Target `json:"targets"` // chosen among by weight
	Host    HostMode `json:"host,omitempty"`
	// HostName is the Host sent when Host is HostLiteral.
	HostName string     `json:"hostName,omitempty"`
	Target   TargetMode `json:"target,omitempty"`
	Retry    Retry      `json:"retry,omitzero"`
	// Gather is up to which length, in bytes, a request body whose length is known is read whole before an endpoint is asked, so
	// that it can be sent again: in memory up to 64 KiB, else in a file. Default 64 KiB, and never less.
	Gather int64  `json:"gather,omitempty"`
	Lanes  []Lane `json:"lanes,omitempty"` // which targets requests go to before shares decide
	// Fallback answers in place of endpoints.
	Fallback Fallback `json:"fallback,omitzero"`
	// LaneOrder says what becomes of clients that a cookie keeps at a target.
	LaneOrder LaneOrder `json:"laneOrder,omitempty"`
	// Naming lets requests name their target, before lanes and cookies are looked at. nil = they do not.
	Naming *Naming `json:"naming,omitempty"`
}

// HostMode says which Host header the upstream sees.
type HostMode string

// The host modes.
const (
	HostKeep     HostMode = ""         // what the client sent (ingress)
	HostEndpoint HostMode = "endpoint" // the endpoint's own address (Spring Cloud Gateway)
	HostLiteral  HostMode = "literal"  // HostName
)

// Redirect answers with a location.
type Redirect struct {
	Status   int    `json:"status"`
	Location string `json:"location"`
}

// Respond answers at once. Code tells operators why in header and log; the client sees only the status.
type Respond struct {
	Status int    `json:"status"`
	Code   Code   `json:"code,omitempty"`
	Body   string `json:"body,omitempty"`
}

func (Forward) isAction()  {}
func (Redirect) isAction() {}
func (Respond) isAction()  {}

// routeFields has the fields of Route without its methods, so that the JSON codec below does not call itself.
type routeFields Route

// routeJSON is the text form of a route: its fields and exactly one of the three actions.
type routeJSON struct {
	routeFields
	Forward  *Forward  `json:"forward,omitempty"`
	Redirect *Redirect `json:"redirect,omitempty"`
	Respond  *Respond  `json:"respond,omitempty"`
}

// MarshalJSON writes the route with its action under forward, redirect or respond.
func (r Route) MarshalJSON() ([]byte, error) {
	out := routeJSON{routeFields: routeFields(r)}
	switch a := r.Action.(type) {
	case Forward:
		out.Forward = &a
	case Redirect:
		out.Redirect = &a
	case Respond:
		out.Respond = &a
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. More than one action is an error, none is left to Validate.
func (r *Route) UnmarshalJSON(b []byte) error {
	var in routeJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*r = Route(in.routeFields)
	n := 0
	if in.Forward != nil {
		r.Action, n = *in.Forward, n+1
	}
	if in.Redirect != nil {
		r.Action, n = *in.Redirect, n+1
	}
	if in.Respond != nil {
		r.Action, n = *in.Respond, n+1
	}
	if n > 1 {
		return fieldError("action", "is given more than once: one of forward, redirect, respond")
	}
	return nil
}

// EffectiveHosts is Hosts, or any host where none is given.
func (r Route) EffectiveHosts() []Host {
	if len(r.Hosts) == 0 {
		return []Host{""}
	}
	return r.Hosts
}

// CompareRoutes is the one total order of routes that claim the same host of the same class: default routes
// last, then rank, host specificity, path specificity, number of further conditions, source priority, creation time, namespace and
// name, and at last the ID.
func CompareRoutes(a, b *Route) int {
	return cmp.Or(
		boolFirst(a.Default, b.Default),
		a.Rank.Compare(b.Rank),
		compareSpecificity(a.Match, b.Match),
		cmp.Compare(a.Priority, b.Priority),
		a.Origin.Before(b.Origin),
		strings.Compare(string(a.ID), string(b.ID)),
		strings.Compare(a.Origin.Source, b.Origin.Source),
	)
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// compareSpecificity puts the match that fixes more first: Exact, then Prefix, Start, Pattern and Regex by length, then any
// path; of one length expressions come last; with equal paths the one with a method condition, then more headers, then more query parameters, then more
// conditions of any kind.
func compareSpecificity(a, b Match) int {
	ac, al := a.Path.Specificity()
	bc, bl := b.Path.Specificity()
	return cmp.Or(
		cmp.Compare(ac, bc),
		cmp.Compare(bl, al),
		boolFirst(a.Path.Kind == PathRegex, b.Path.Kind == PathRegex),
		compareText(a.Path, b.Path),
		boolFirst(len(a.Methods) == 0, len(b.Methods) == 0),
		cmp.Compare(len(b.Headers), len(a.Headers)),
		cmp.Compare(len(b.Query), len(a.Query)),
		cmp.Compare(b.Conditions(), a.Conditions()),
	)
}

// compareText orders paths of one length by their text: expressions the greater first, as ingress-nginx has them tried, since more
// than one may match; others the lesser. The two sorts are never compared by text: such an order would have circles.
func compareText(a, b PathMatch) int {
	if a.Kind == PathRegex {
		a, b = b, a
	}
	return strings.Compare(a.Value, b.Value)
}

// Specificity is how much a path fixes, as CompareRoutes has it: the lower class comes first, and within it the
// greater length. The length is in bytes: a prefix counts without its trailing slash, a pattern without what it leaves
// open, a regular expression as it is written, as ingress-nginx orders them.
func (p PathMatch) Specificity() (class, length int) {
	v := strings.TrimSuffix(p.Value, "/")
	switch p.Kind {
	case PathExact:
		return 0, len(v)
	case PathAny:
		return 2, 0
	case PathRegex, PathStart:
		return 1, len(p.Value)
	case PathPattern:
		for seg := range strings.SplitSeq(v, "/") {
			if !strings.ContainsAny(seg, "{*") {
				length += len(seg) + 1
			}
		}
		return 1, length
	default:
		return 1, len(v)
	}
}

// SameMatch tells whether two matches accept exactly the same requests, so that the later one can never be reached.
func SameMatch(a, b Match) bool {
	return samePath(a.Path, b.Path) && SameConditions(&a, &b)
}

func samePath(a, b PathMatch) bool {
	if a.Kind != b.Kind {
		return false
	}
	if a.Kind == PathPrefix {
		return strings.TrimSuffix(a.Value, "/") == strings.TrimSuffix(b.Value, "/")
	}
	return a.Value == b.Value && a.Strict == b.Strict && a.IgnoreCase == b.IgnoreCase
}

// Validate reports the first field that its type does not allow.
func (r Route) Validate() error {
	if r.ID == "" {
		return fieldError("id", "is empty")
	}
	if len(r.Attach) == 0 {
		return fieldError("attach", "is empty: name the class of listeners that serve it")
	}
	for i, h := range r.Hosts {
		if err := h.Validate(); err != nil {
			return fieldError(fmt.Sprintf("hosts[%d]", i), err.Error())
		}
	}
	if err := r.Match.Validate(); err != nil {
		return err
	}
	if err := within("tracing", r.Tracing.Validate()); err != nil {
		return err
	}
	return validateAction(r.Action)
}

// Validate reports a path that is no path and conditions without a name.
func (m Match) Validate() error {
	switch m.Path.Kind {
	case PathAny:
		if m.Path.Value != "" {
			return fieldError("match.path.value", "is set without a kind")
		}
	case PathExact, PathPrefix, PathStart, PathPattern, PathRegex:
		if !strings.HasPrefix(m.Path.Value, "/") {
			return fieldError("match.path.value", fmt.Sprintf("%q does not begin with /", m.Path.Value))
		}
	default:
		return fieldError("match.path.kind", fmt.Sprintf("%q is none of Exact, Prefix, Start, Pattern, Regex", m.Path.Kind))
	}
	if m.Path.IgnoreCase && m.Path.Kind != PathRegex {
		return fieldError("match.path.ignoreCase", "is set, and only a Regex can ignore case")
	}
	return m.validateConditions()
}

func validateAction(a Action) error {
	switch a := a.(type) {
	case Forward:
		if len(a.Targets) == 0 {
			return fieldError("forward.targets", "is empty: name at least one upstream")
		}
		if a.Target != TargetNormal && a.Target != TargetReceived {
			return fieldError("forward.target", fmt.Sprintf("%q is not known: leave it out, or say received", a.Target))
		}
		if a.Gather < 0 || a.Gather > 1<<40 {
			return fieldError("forward.gather", fmt.Sprintf("is %d: want 0 to %d bytes", a.Gather, int64(1<<40)))
		}
		if err := a.validateLanes(); err != nil {
			return err
		}
		if err := a.validateNaming(); err != nil {
			return err
		}
		for i, t := range a.Targets {
			if err := a.validateTarget(t, fmt.Sprintf("forward.targets[%d]", i)); err != nil {
				return err
			}
		}
	case Redirect:
		if a.Status < 300 || a.Status > 399 {
			return fieldError("redirect.status", fmt.Sprintf("%d is not a redirect", a.Status))
		}
		switch {
		case a.Location == "":
			return fieldError("redirect.location", "is empty")
		case strings.HasPrefix(a.Location, "//") || strings.HasPrefix(a.Location, `/\`):
			return fieldError("redirect.location", fmt.Sprintf("%q leads to another host: begin it with https:// or with one slash", a.Location))
		}
	case Respond:
		if a.Status < 200 || a.Status > 599 {
			return fieldError("respond.status", fmt.Sprintf("%d is not a final status", a.Status))
		}
	case nil:
		return fieldError("action", "is missing: one of forward, redirect, respond")
	}
	return nil
}
