package explain

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// foundRoute is the route that takes the request, with the table that it stands in.
type foundRoute struct {
	route *snapshot.Route
	table *snapshot.HostTable
}

// maxRerouted is how often a request is looked up again, as the engine has it.
const maxRerouted = 4

// match is the route hop, or several: a filter may have the request looked up again.
func (x *walker) match() bool {
	found, ok, chances := x.find()
	for range maxRerouted {
		if !ok {
			break
		}
		r := found.Route
		path, again := x.rerouted(r)
		if !again {
			break
		}
		source := x.w.at(r.Origin)
		x.hop("route", fmt.Sprintf("%s, looks the request up again with the path %s%s", x.condition(r)+chanceText(chances), path, in(source)), source)
		if x.a.http.SetPath(path) != nil {
			return x.endStatus("route", "no request has this path", source, 500, "")
		}
		found, ok, chances = x.find()
	}
	if !ok {
		return x.noRoute()
	}
	x.route = foundRoute{found.Route, found.Table}
	r := x.route.route
	x.r.Route = r.ID
	for _, f := range r.Filters {
		x.r.Filters = append(x.r.Filters, f.Kind)
	}
	source := x.w.at(r.Origin)
	text := x.condition(r) + chanceText(chances)
	if status, location, ok := x.answered(r); ok {
		return x.answers(text, status, location, source)
	}
	switch action := r.Action.(type) {
	case model.Respond:
		return x.rejected(text, action, source)
	case model.Forward:
		if x.refusesNamed(r, text, source) {
			return false
		}
		x.forwards(text, action, source)
		return true
	default:
		return x.endStatus("route", text+", without an effect"+in(source), source, 503, "")
	}
}

// answers is a route that answers by itself, as it is told to.
func (x *walker) answers(text string, status int, location, source string) bool {
	x.r.Status = status
	x.ending = fmt.Sprint(status)
	does := fmt.Sprintf("answers %d itself", status)
	if location != "" {
		x.ending += " to " + location
		does = "redirects to " + location
	}
	x.hop("route", text+", "+does+in(source)+x.lost(), source)
	return false
}

// rejected is a route that answers by itself because it was rejected.
func (x *walker) rejected(text string, action model.Respond, source string) bool {
	r := x.route.route
	code := r.Reject
	if code == "" {
		code = action.Code
	}
	text += fmt.Sprintf(", rejected: %s", code)
	if why := x.diagnosis(r.Origin, code); why != "" {
		text += ": " + why
	}
	return x.endStatus("route", text+in(source), source, action.Status, string(code))
}

// diagnosis is what was said about an object under a code.
func (x *walker) diagnosis(o model.Origin, code model.Code) string {
	about := ""
	for _, d := range x.w.Snapshot.Diagnostics() {
		if d.Code != code || d.Origin.Source != o.Source || d.Origin.Object() != o.Object() || d.Origin.File != o.File {
			continue
		}
		if d.Origin.Line == o.Line {
			return d.Message
		}
		about = d.Message
	}
	return about
}

// forwards is the line of a route with one target or several, of which weights choose.
func (x *walker) forwards(text string, action model.Forward, source string) {
	r := x.route.route
	cs := shares(&action)
	best := 0
	for i := range cs {
		if cs[i].Share > cs[best].Share {
			best = i
		}
	}
	decided, by := x.namedTarget(r)
	if by < 0 {
		decided, by = x.lane(r, action)
	}
	if by >= 0 {
		best = by
	}
	x.target = action.Targets[best].Upstream
	if e := x.done.happenedAt(); e != nil && e.Upstream != "" {
		x.target = e.Upstream
		for i, t := range action.Targets {
			if t.Upstream == e.Upstream {
				best = i
			}
		}
	}
	x.r.Upstream = x.target
	cs[best].Chosen = true
	var names []string
	for i, t := range action.Targets {
		cs[i].Name = x.upstreamName(r, t.Upstream)
		name := cs[i].Name
		switch {
		case len(cs) == 1:
		case action.OfLanes(t):
			name += " (by its lanes)"
		case len(action.Lanes) > 0 && cs[i].Share == 1:
			name += " (the rest)"
		case len(action.Lanes) > 0:
			name += " (" + percent(cs[i].Share) + " of the rest)"
		default:
			name += " (" + percent(cs[i].Share) + ")"
		}
		names = append(names, name)
	}
	if SpringStyle(r) {
		text += " to " + strings.Join(names, " or ")
	} else {
		text += ", to " + strings.Join(names, " or ")
	}
	if len(cs) > 1 {
		if x.done != nil {
			text += "; took " + cs[best].Name
		} else {
			text += "; the next lines follow " + cs[best].Name
		}
		text += decided + x.inPlace(r, action.Targets[best])
	}
	if len(r.Filters) > 0 {
		var fs []string
		for _, f := range r.Filters {
			fs = append(fs, strings.TrimSpace(f.Kind+" "+shortened(string(f.Config))))
		}
		text += ", filters: " + strings.Join(fs, ", ")
	}
	if set := r.Timeouts.Settings() + action.Retry.Settings(); set != "" {
		text += "," + set
	}
	text += x.spelling(action) + fallbackText(&action.Fallback)
	h := x.hop("route", text+in(source)+x.lost(), source)
	if len(cs) > 1 {
		h.Candidates = cs
	}
	if e := x.done.happenedAt(); e != nil && e.Route != "" && e.Route != r.ID {
		h.Text += fmt.Sprintf("; the request was served by route %s: the rules changed meanwhile", e.Route)
		h.Problem = true
	}
}

// maxConfig bounds what is shown of a filter's configuration in bytes: some hold files.
const maxConfig = 1000

func shortened(config string) string {
	if len(config) <= maxConfig {
		return config
	}
	return strings.ToValidUTF8(config[:maxConfig], "") + "…"
}

// fallbackText says who answers in place of the endpoints, and when.
func fallbackText(f *model.Fallback) string {
	if f.Upstream == "" {
		return ""
	}
	var when []string
	for _, s := range f.Statuses {
		if text, err := s.MarshalText(); err == nil {
			when = append(when, string(text))
		}
	}
	if f.Empty {
		when = append(when, "no endpoint")
	}
	return fmt.Sprintf(", and for %s to %s", strings.Join(when, ", "), f.Upstream)
}

// spelling says which path counts, and which is sent, where the request's own is neither or another spelling of it.
func (x *walker) spelling(action model.Forward) string {
	q := &x.a.http
	switch {
	case q.RawPath == q.Path:
		return ""
	case action.Target == model.TargetReceived && !q.Differs:
		return ", path " + q.Path + ", sent as it came unless a filter changes it"
	case action.Target == model.TargetReceived:
		return ", path " + q.Path + ", sent so: it differs from what came"
	}
	return ", path " + q.Path
}

// shares are those of a route's targets: all zero means equal (model.Target), or by name alone (model.Naming).
func shares(action *model.Forward) []Candidate {
	targets, total := action.Targets, 0
	for _, t := range targets {
		total += t.Weight
	}
	out := make([]Candidate, len(targets))
	for i, t := range targets {
		if total == 0 && action.Naming != nil {
			continue
		}
		if total == 0 {
			out[i].Share = 1 / float64(len(targets))
		} else {
			out[i].Share = float64(t.Weight) / float64(total)
		}
	}
	return out
}

// SpringStyle tells whether a route's author writes it as a named list of predicates, as Spring Cloud Gateway has it,
// rather than as host and path.
func SpringStyle(r *snapshot.Route) bool {
	switch r.Origin.Kind {
	case "Ingress", "HTTPRoute":
		return false
	case "route", "locator":
		return true
	}
	return r.Match.Path.Kind == model.PathPattern
}

// condition is a route's match in the words of those who write such routes.
func (x *walker) condition(r *snapshot.Route) string {
	if SpringStyle(r) {
		return routeName(r) + ": " + Condition(r)
	}
	return "host " + snapshot.HostText(x.route.table.Host) + ", " + Condition(r)
}

func routeName(r *snapshot.Route) string {
	if r.Origin.Name != "" {
		return r.Origin.Name
	}
	id := string(r.ID)
	return id[strings.LastIndexByte(id, '/')+1:]
}

// Condition is the match of a route in one line, without its host where the route names one host.
func Condition(r *snapshot.Route) string {
	if SpringStyle(r) {
		return predicates(r)
	}
	text := r.Match.Path.String()
	if r.Default {
		text = "default backend"
	}
	if c := r.Match.Text(); c != "" {
		text += ", " + c
	}
	return text
}

func predicates(r *snapshot.Route) string {
	var out []string
	if len(r.Hosts) > 0 && r.Hosts[0] != "" {
		var hosts []string
		for _, h := range r.Hosts {
			hosts = append(hosts, string(h))
		}
		out = append(out, "Host="+strings.Join(hosts, ","))
	}
	switch p := r.Match.Path; p.Kind {
	case model.PathAny:
	case model.PathPrefix:
		out = append(out, "Path="+strings.TrimSuffix(p.Value, "/")+"/**")
	default:
		out = append(out, "Path="+p.Value)
	}
	out = append(out, otherPredicates(&r.Match)...)
	if len(out) == 0 {
		return "every request"
	}
	return strings.Join(out, ", ")
}

// upstreamName is an upstream as the author of the route calls it.
func (x *walker) upstreamName(r *snapshot.Route, id model.UpstreamID) string {
	u, ok := x.w.Snapshot.Upstream(id)
	if !ok {
		return string(id)
	}
	return UpstreamName(u, SpringStyle(r))
}

// UpstreamName is an upstream as people call it: "order-service:80", and in a route of predicates
// "lb://nacos-order-service".
func UpstreamName(u *model.Upstream, springStyle bool) string {
	part := u.PartText()
	id := strings.TrimSuffix(string(u.ID), part)
	if springStyle && len(u.Endpoints) > 0 && u.Endpoints[0].Road() == 2 {
		name := u.Endpoints[0].Name
		return "lb://" + name[strings.LastIndexByte(name, '/')+1:] + part
	}
	return nameOf(u, id) + part
}

// nameOf is what people call an upstream by its ID.
func nameOf(u *model.Upstream, id string) string {
	if scheme := strings.Index(id, "://"); scheme >= 0 {
		return id[strings.LastIndexByte(id[:scheme], '/')+1:]
	}
	if len(u.Endpoints) > 0 && u.Endpoints[0].Road() == 0 {
		return id // "slb/http": what is before the slash tells whose it is
	}
	return id[strings.LastIndexByte(id, '/')+1:]
}

// lost names the routes that the request meets too, and why they come later.
func (x *walker) lost() string {
	win := x.route.route
	var names []string
	for _, t := range x.competing() {
		for _, r := range t.Candidates(x.a) {
			if r == win || slices.Contains(names, x.lostText(win, r, t)) {
				continue
			}
			names = append(names, x.lostText(win, r, t))
		}
		for _, l := range t.Lost() {
			if l.To == win {
				names = append(names, x.lostName(l.Route)+" (the same match, "+x.laterBecause(win, l.Route)+")")
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; lost: " + some(names, 4)
}

// competing are the tables whose routes stand in one order for this request.
func (x *walker) competing() []*snapshot.HostTable {
	if x.serving.HostRule == model.HostOwns {
		return []*snapshot.HostTable{x.route.table}
	}
	var out []*snapshot.HostTable
	for _, t := range x.w.Snapshot.Tables(x.serving.EffectiveClass()) {
		if t.Host.Matches(x.a.http.Host) {
			out = append(out, t)
		}
	}
	return out
}

func (x *walker) lostName(r *snapshot.Route) string {
	switch {
	case SpringStyle(r):
		return routeName(r)
	case r.Match.Path.Kind == model.PathAny:
		return "any path"
	default:
		return r.Match.Path.Value
	}
}

func (x *walker) lostText(win, r *snapshot.Route, t *snapshot.HostTable) string {
	why := x.laterBecause(win, r)
	if t != x.route.table && win.Rank == r.Rank && win.Default == r.Default {
		why = "less specific host " + snapshot.HostText(t.Host)
	}
	return fmt.Sprintf("%s (%s)", x.lostName(r), why)
}

// laterBecause is the first step of model.CompareRoutes at which two routes differ.
func (x *walker) laterBecause(win, r *snapshot.Route) string {
	a, b := win.Match, r.Match
	switch {
	case win.Default != r.Default:
		return "default backend"
	case win.Rank.Order != r.Rank.Order:
		return fmt.Sprintf("order %d after %d", r.Rank.Order, win.Rank.Order)
	case win.Rank.Position != r.Rank.Position:
		return "later in its list"
	case a.Path.Kind == model.PathExact && b.Path.Kind != model.PathExact:
		return "not exact"
	case a.Path != b.Path:
		return laterPath(a.Path, b.Path)
	case a.Conditions() != b.Conditions():
		return "fewer conditions"
	case win.Priority != r.Priority:
		return "source " + r.Origin.Source + " comes after " + win.Origin.Source
	case !win.Origin.Created.Equal(r.Origin.Created):
		return "newer"
	default:
		return "later: " + x.w.at(r.Origin)
	}
}

// laterPath is why one of two paths comes after the other, where neither is the only exact one.
func laterPath(win, p model.PathMatch) string {
	class, length := win.Specificity()
	switch c, l := p.Specificity(); {
	case c != class || l != length:
		return "shorter"
	case win.Kind != p.Kind && p.Kind == model.PathRegex:
		return "as long, an expression"
	case win.Value != p.Value:
		return "as long, later by its text"
	default:
		return "as long"
	}
}
