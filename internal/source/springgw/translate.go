package springgw

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
	"paifang/internal/source"
)

// result is what all files together come to.
type result struct {
	groups []source.Group    // sorted by key
	hosts  map[string]target // host names to resolve, by place
	memory *memory           // for the next time
}

// known is what is known of the addresses of a host name.
type known struct {
	addrs []netip.Addr // the last good ones; nil = never resolved
	err   error        // of the last attempt
}

// translator turns files into groups. It is pure: addresses come in through resolved.
type translator struct {
	c        *Config
	resolved map[string]known
	groups   map[string]*model.Objects
	hosts    map[string]target
	seen     map[string]*definition // by id
	refusals int                    // default filters that cannot be served
	weights  groups
	common
	settings    map[*setting]*setting // see memory
	told        common                // the first of them, of which another source says what is wrong
	client                            // of the application that is under way
	before, now *memory
	leads       []*lead // to hosts, of the definition that is under way
	files       []*application
	services    []string    // that routes lead to, sorted; nil until a definition goes by them
	depends     *dependence // of the definition that is under way
}

// common is what files say for all routes.
type common struct {
	defaults []part
	own      [2][]ownList // our own filters
	cors     []corsRule
	clients  map[string]client // of applications, by the paths of their files
	above    *setting          // what texts that are kept elsewhere have above them; nil = nothing
}

// The positions of routes: those of a file, and of a text that is kept elsewhere, have so many. Those of other sources begin behind the files.
const (
	perFile    = 1_000_000
	afterFiles = afterAll / 2
)

// translate makes the groups of files, which are in their order. What is as it was in before, which may be nil, is not translated again: its
// objects are the same pointers.
func translate(c Config, files []*application, resolved map[string]known, before *memory) result {
	if before == nil {
		before = &memory{}
	}
	t := &translator{c: &c, resolved: resolved, groups: make(map[string]*model.Objects, len(before.routes)), hosts: map[string]target{},
		seen: make(map[string]*definition, len(before.routes)), weights: groups{}, before: before, files: files}
	t.above, t.settings = aboveFed(slices.Concat(c.above, files)), map[*setting]*setting{}
	preflights := false
	for _, f := range c.above {
		t.hold(f)
	}
	t.told = t.common
	for _, f := range files {
		if f.config.off {
			continue
		}
		t.hold(f)
		preflights = preflights || f.config.preflights
		for _, d := range f.config.routes {
			t.weights.add(d.name(), d.predicates)
		}
	}
	t.clients = clients(slices.Concat(c.above, files))
	t.remember()
	c.descriptors.begin()
	t.checkDefaults()
	t.tellClients(files)
	if preflights {
		t.preflight(t.cors[len(t.told.cors):])
	}
	first := 0
	if c.Behind > 0 {
		first = afterFiles + (c.Behind-1)*perFile
	}
	for i, f := range files {
		for _, x := range slices.Concat(f.broken, f.config.faults) {
			t.say(x)
		}
		if f.config.off {
			continue
		}
		for _, d := range f.config.routes {
			t.definition(d, first+i*perFile+d.index+1, f.fed)
		}
		t.locator(f)
	}
	out := result{hosts: t.hosts, memory: t.now, groups: make([]source.Group, 0, len(t.groups))}
	for _, key := range slices.Sorted(maps.Keys(t.groups)) {
		out.groups = append(out.groups, source.Group{Key: key, Objects: t.groups[key]})
	}
	return out
}

// hold has what an application says for all routes hold for them.
func (t *translator) hold(f *application) {
	if f.config.off {
		return
	}
	defaults := f.config.defaults
	if f.fed {
		defaults = t.partsUnder(defaults)
	}
	t.defaults = append(t.defaults, defaults...)
	for i := range t.own {
		t.own[i] = append(t.own[i], f.config.own[i]...)
	}
	t.cors = append(t.cors, f.config.cors...)
}

func (t *translator) group(key string) *model.Objects {
	if t.groups[key] == nil {
		t.groups[key] = &model.Objects{}
	}
	return t.groups[key]
}

// say reports a fault of a file as a whole.
func (t *translator) say(x fault) {
	g := t.group("file/" + x.file)
	origin := model.Origin{Source: t.c.Name, Kind: "routes", File: x.file, Line: x.line}
	g.Diagnostics = append(g.Diagnostics, x.diagnostic(origin))
}

func (x fault) diagnostic(origin model.Origin) model.Diagnostic {
	if x.line > 0 {
		origin.Line = x.line
	}
	return model.Diagnostic{Origin: origin, Field: x.field, Severity: x.severity, Code: x.code, Message: x.message}
}

// checkDefaults reports filters of all routes that cannot be served, once and not for each route.
func (t *translator) checkDefaults() {
	every := "every route"
	if t.c.Above != nil { // what stands in the files above is told there
		every = "every route that stands there"
	}
	for _, l := range slices.Concat(t.own[0][len(t.told.own[0]):], t.own[1][len(t.told.own[1]):]) {
		if _, err := t.targetsOf(l); err != nil {
			x := fault{l.at.File, l.at.Line, l.key, model.CodeInvalid, model.Error, err.Error() + "; " + every + " answers 503 until it is mended"}
			if f, ok := errors.AsType[*metadataFault](err); ok {
				x.line, x.field = lineOf(f.at, x.line), f.path
			}
			t.say(x)
		}
	}
	for i := range t.defaults {
		d := &t.defaults[i]
		e := effect{}
		err := e.add(d)
		if err != nil {
			t.refusals++
		}
		if i < len(t.told.defaults) {
			continue
		}
		if err != nil {
			t.say(fault{d.file, d.line, d.field, model.CodeUnsupported, model.Error, err.Error() + "; " + every + " answers 503 until it is taken out"})
		}
		for _, n := range e.notes {
			n.file = d.file
			t.say(n)
		}
	}
}

func (t *translator) definition(d *definition, position int, fed bool) {
	name := d.name()
	if first := t.seen[name]; first != nil {
		t.say(fault{d.file, d.line, "id", model.CodeDuplicateID, model.Error,
			fmt.Sprintf("route %s is already defined at %s: give this one another id", name, t.origin(first).At())})
		return
	}
	t.seen[name] = d
	if t.recall(d, position) {
		return
	}
	r := translated{key: "route/" + d.file + "#" + name, position: position}
	t.leads, t.depends = nil, nil
	t.as(d.file)
	r.objects = t.group(r.key)
	r.weights, r.shares = t.route(r.objects, t.within(d, fed), position)
	r.leads, r.depends = t.leads, t.depends
	t.now.routes[d] = r
}

func (t *translator) origin(d *definition) model.Origin {
	return model.Origin{Source: t.c.Name, Kind: "route", Name: d.name(), File: d.file, Line: d.line}
}

// route makes the objects of a definition, and tells the weights it has with what they came to.
func (t *translator) route(g *model.Objects, d *definition, position int) ([]weight, []model.Share) {
	origin := t.origin(d)
	name := origin.Name
	say := func(x fault) { g.Diagnostics = append(g.Diagnostics, x.diagnostic(origin)) }
	for _, x := range d.faults {
		say(x)
	}
	failed := slices.ContainsFunc(d.faults, func(x fault) bool { return x.severity == model.Error })

	var when condition
	readable := true
	for i := range d.predicates {
		if err := when.add(&d.predicates[i]); err != nil {
			readable = false
			say(fault{"", d.predicates[i].line, d.predicates[i].field, model.CodeUnsupported, model.Error, err.Error() + "; the route is left out"})
		}
	}
	for _, n := range when.notes {
		say(n)
	}
	for i := range d.predicates {
		if p := &d.predicates[i]; p.name == "XForwardedRemoteAddr" && t.c.NobodyTrusted {
			say(fault{"", p.line, p.field, model.CodeUnsupported, model.Warning,
				"predicate XForwardedRemoteAddr: X-Forwarded-For is believed from gateway.trusted only, which is empty: the address of the connection is compared; list there who stands in front"})
		}
	}
	when.match.Shares = t.weights.shares(name, when.weights)
	if err := when.withinBase(d.around); err != nil && readable {
		readable = false
		say(fault{"", d.line, "predicates", model.CodeUnsupported, model.Error, err.Error() + "; the route is left out"})
	}
	if len(d.predicates) == 0 {
		readable = false
		say(fault{"", d.line, "predicates", model.CodeInvalid, model.Error, "a route needs at least one predicate; the route is left out"})
	}

	does := effect{host: model.HostEndpoint}
	for _, p := range interleave(t.defaults, d.filters) {
		does.notes = nil
		err := does.add(&p)
		failed = failed || err != nil
		if p.shared {
			continue // see checkDefaults
		}
		if err != nil {
			say(fault{"", p.line, p.field, model.CodeUnsupported, model.Error, err.Error() + "; the route answers 503"})
		}
		for _, n := range does.notes {
			say(n)
		}
	}
	versioned, err := checkVersion(d.around)
	failed = failed || err != nil          // see judgeVersions
	own, err := t.sharedFilters(g, origin) // in front of these filters, and behind
	failed = failed || err != nil
	for i, key := range ownKeys() {
		filters, err := t.ownFilters(g, newOwnList(d.metadata.Get(key), key), origin)
		own[i] = append(own[i], filters...)
		if err != nil {
			failed = true
			say(refusal(err, d))
		}
	}
	if !strings.HasPrefix(d.uri.Text(), "forward:") { // the other route tells
		err = does.tellPrefix(d.around)
		failed = failed || err != nil
	}
	does.filters = append(does.filters, own[1]...)
	hosts, err := when.hostVariablesOf(slices.Concat(own[0], does.filters))
	if err != nil {
		failed = true
		say(fault{"", d.line, "filters", model.CodeUnsupported, model.Error, err.Error() + "; the route answers 503"})
	}
	for i := range does.texts {
		if err := does.texts[i].check(&when); err != nil && readable {
			failed = true
			say(does.texts[i].fault(err, d.line))
		}
	}
	if does.call != nil {
		if err := t.become(&does); err != nil {
			p := &does.call.part
			failed = true
			say(fault{"", p.line, p.field, model.CodeUnsupported, model.Error, "filter JsonToGrpc: " + err.Error() + "; the route answers 503"})
		}
	}
	if err := misspelt(d.metadata); err != nil {
		failed = true
		say(refusal(err, d))
	}
	parts, err := readLanes(d.metadata)
	if err != nil {
		failed = true
		say(refusal(err, d))
	}
	var action model.Action
	if does.naming == nil {
		action, err = t.action(g, d, &does, parts, origin)
	} else {
		action, err = t.named(g, d, &does, &when, origin)
	}
	if err != nil {
		failed = true
		say(fault{"", lineOf(d.uri, d.line), "uri", model.CodeUnsupported, model.Error, err.Error() + "; the route answers 503"})
	}
	route := model.Route{Origin: origin, Attach: []model.Class{t.c.Class}, Hosts: when.names(), Match: when.match, HostVariables: hosts,
		Rank: model.Rank{Order: d.order, Position: position}, Priority: t.c.Priority, Filters: slices.Concat(versioned, own[0], does.filters), Action: action}
	route.Timeouts = t.timeoutsOf(d, say)
	route.Timeouts.Request = does.limit
	if failed {
		route.Filters, route.Action = nil, model.Respond{Status: 503, Code: model.CodeUnsupported}
	}
	if !readable {
		g.Upstreams = nil
		return when.weights, when.match.Shares
	}
	var cors *corsRule
	if p := d.metadata.Get("cors"); p != nil {
		cors = &corsRule{at: p}
		if cors.spec, cors.err = readCORS(p); cors.err != nil {
			say(fault{"", p.Line, "metadata.cors", model.CodeUnsupported, model.Error, cors.err.Error() + "; the route answers 503"})
		}
	}
	t.place(g, route, when.paths, func(r *model.Route) {
		spec, err := t.corsOf(cors, r.Match.Path, say)
		switch {
		case err != nil:
			r.Filters, r.Action = nil, model.Respond{Status: 503, Code: model.CodeUnsupported}
		case spec != nil && !failed:
			r.Filters = append([]model.FilterSpec{*spec}, r.Filters...)
		}
	})
	return when.weights, when.match.Shares
}

// place adds the route once for each of its path patterns, with what depends on these.
func (t *translator) place(g *model.Objects, route model.Route, paths []model.PathMatch, finish func(*model.Route)) {
	if len(paths) == 0 {
		paths = []model.PathMatch{{}}
	}
	for i, p := range paths {
		r := route
		r.ID = model.RouteID(t.c.Name + "/" + route.Origin.Name)
		if i > 0 {
			r.ID += model.RouteID(fmt.Sprintf("/%d", i+1))
		}
		r.Match.Path = p
		finish(&r)
		g.Routes = append(g.Routes, r)
	}
}

func lineOf(p *bootconfig.Property, otherwise int) int {
	if p != nil {
		return p.Line
	}
	return otherwise
}

// action returns the effect of a route's uri and adds the upstream it needs.
func (t *translator) action(g *model.Objects, d *definition, does *effect, parts *lanes, origin model.Origin) (model.Action, error) {
	if d.uri.Text() == "no://op" && parts == nil { // a filter answers, or nobody does
		return model.Respond{Status: 200}, nil
	}
	if strings.HasPrefix(d.uri.Text(), "forward:") && parts == nil {
		return does.elsewhere(d.uri.Text())
	}
	to, err := readTarget(d.uri.Text())
	if err != nil {
		return nil, fmt.Errorf("uri %w", err)
	}
	if to.service != "" && to.service == t.c.Self {
		g.Diagnostics = append(g.Diagnostics, fault{"", lineOf(d.uri, d.line), "uri", model.CodeLoop, model.Error,
			fmt.Sprintf("lb://%s is this gateway itself: a request would come back for ever; the route answers 508", to.service)}.diagnostic(origin))
		return model.Respond{Status: 508, Code: model.CodeLoop}, nil
	}
	up := to.upstream(t.c, origin)
	t.client.of(&up, to)
	if does.call != nil {
		overHTTP2(&up, to.secure)
	}
	forward := model.Forward{Targets: []model.Target{{Upstream: up.ID}}, Target: model.TargetReceived, Retry: does.tries()}
	switch {
	case to.service == "" && parts != nil:
		return nil, errors.New("uri leads to a host: lanes are parts of a service, want lb://service")
	case to.service == "":
		t.lead(to, up)
	case parts != nil:
		g.Upstreams = append(g.Upstreams, parts.divide(&forward, up)...)
	default:
		g.Upstreams = append(g.Upstreams, up)
	}
	if to.service == "" && does.host == model.HostEndpoint {
		does.host, does.hostName = model.HostLiteral, to.authority() // the host of the uri, not the address that it has today
	}
	forward.Host, forward.HostName = does.host, does.hostName
	return forward, nil
}

// elsewhere has the request answered by another route, with the path of the uri, as the filters change it.
func (e *effect) elsewhere(uri string) (model.Action, error) {
	path, err := forwardPath(uri, false)
	if err != nil {
		return nil, fmt.Errorf("uri %w", err)
	}
	own := e.filters
	e.filters = nil
	if err := errors.Join(e.emit("set-path", struct {
		Template string `json:"template"`
	}{path}), e.emit("reroute", struct{}{})); err != nil {
		return nil, err
	}
	e.filters = slices.Insert(e.filters, 1, own...)
	return model.Respond{Status: 508, Code: model.CodeLoop}, nil // it does not come to that
}

// timeoutsOf are those of httpclient, and of the route's metadata where it has its own.
func (t *translator) timeoutsOf(d *definition, say func(fault)) model.Timeouts {
	out := t.timeouts
	for _, one := range [...]struct {
		name string
		into *time.Duration
	}{{"connect-timeout", &out.Connect}, {"response-timeout", &out.Response}} {
		if p := d.metadata.Get(one.name); p != nil {
			if err := (*timeout)(one.into).set(p.Text()); err != nil {
				say(fault{"", p.Line, "metadata." + one.name, model.CodeInvalid, model.Warning, err.Error() + "; it has no effect"})
			}
		}
	}
	return out
}
