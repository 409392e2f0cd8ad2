package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"paifang/internal/adminapi"
	"paifang/internal/model"
)

// nginxKinds are what routes in nginx's words are made of.
func nginxKinds() []adminapi.Kind {
	return []adminapi.Kind{adminapi.Routes, adminapi.Upstreams, adminapi.Listeners}
}

// nginxScope says where rows came from.
type nginxScope struct {
	files bool // files, not what runs: addresses and sockets are not known
	part  bool // only some of the routes
}

// printNginx writes routes as blocks of an nginx.conf, for those who read such files. What nginx cannot say stands there
// as a comment; so does everything that would not mean the same in nginx.
func printNginx(w io.Writer, v adminapi.View, scope nginxScope) error {
	n := &nginx{view: v, scope: scope, names: map[string]string{}}
	for _, s := range n.sites() {
		n.server(s)
	}
	var out strings.Builder
	out.WriteString(`# What paifang serves, in nginx's words: to read, never to run. No nginx is here, and nothing reads this text back.
# Locations stand in the order in which they are tried; the first one that takes the request counts, whatever its form.
`)
	for _, l := range v.Listeners {
		if l.Protocol == string(model.TCP) {
			fmt.Fprintf(&out, "# %s (%s) passes connections on and reads no request: paifang get nodes\n", shown(strings.Join(l.Bind, ", ")), shown(l.ID))
		}
	}
	for _, block := range slices.Concat(n.upstreams, n.splits, n.servers) {
		out.WriteString("\n" + strings.Join(block, "\n") + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// nginx collects blocks, each a list of lines.
type nginx struct {
	view      adminapi.View
	scope     nginxScope
	names     map[string]string // of upstreams in nginx's words, by ID
	upstreams [][]string
	splits    [][]string
	servers   [][]string
}

// site is what becomes a server block: the routes of a host on a class of listeners.
type site struct {
	class, host string
	routes      []adminapi.Route // in the order in which they are tried
	lost        []adminapi.Route
	rest        bool // no route is for these hosts
}

// sites puts rows together again: those of several processes come sorted by name.
func (n *nginx) sites() []*site {
	var out []*site
	find := func(class, host string) *site {
		i := slices.IndexFunc(out, func(s *site) bool { return s.class == class && s.host == host })
		if i < 0 {
			out, i = append(out, &site{class: class, host: host}), len(out)
		}
		return out[i]
	}
	for _, r := range n.view.Routes {
		s := find(r.Class, r.Host)
		if r.LostTo != "" {
			s.lost = append(s.lost, r)
		} else {
			s.routes = append(s.routes, r)
		}
	}
	for _, l := range n.view.Listeners {
		if isHTTP(l) && !n.scope.part {
			s := find(l.Class, "*")
			s.rest = len(s.routes) == 0
		}
	}
	for _, s := range out {
		slices.SortStableFunc(s.routes, func(a, b adminapi.Route) int { return model.CompareRoutes(&a.Rule, &b.Rule) })
	}
	slices.SortStableFunc(out, func(a, b *site) int {
		return cmp.Or(cmp.Compare(a.class, b.class), modelHost(a.host).Compare(modelHost(b.host)))
	})
	return out
}

func modelHost(text string) model.Host {
	if text == "*" {
		return ""
	}
	return model.Host(text)
}

func isHTTP(l adminapi.Listener) bool {
	return l.Protocol == string(model.HTTP) || l.Protocol == string(model.HTTPS)
}

func (n *nginx) server(s *site) {
	block := []string{comment("class %s, host %s", s.class, s.host), "server {"}
	falls := false
	var names []string
	for _, l := range n.view.Listeners {
		if l.Class == s.class && isHTTP(l) {
			block = append(block, indent(n.listen(l, s.host)...)...)
			falls = falls || l.HostRule == model.HostFalls
			for _, name := range l.Names {
				names = once(names, name)
			}
		}
	}
	block = append(block, indent(serverName(s.host, names, slices.Concat(s.routes, s.lost)))...)
	if falls && s.host != "*" {
		block = append(block, indent(comment("what no location takes is tried again with the routes of host *"))...)
	}
	if s.rest {
		block = append(block, indent("return 404;  # no-host: no route is for it")...)
	}
	all := places(s.routes)
	for _, place := range all {
		block = append(append(block, ""), indent(n.location(place)...)...)
	}
	takesAll := slices.ContainsFunc(all, func(p place) bool { return p.key == "/" })
	if !takesAll && !s.rest && !n.scope.part && (!falls || s.host == "*") {
		block = append(block, "", "    location / {", "        return 404;  # no-route", "    }")
	}
	for _, r := range s.lost {
		block = append(block, indent(neverReached(r, r.LostTo))...)
	}
	n.servers = append(n.servers, append(block, "}"))
}

// listen is the lines of a listener. Those of TLS are comments: what they need beside them, keys, is shown to nobody.
func (n *nginx) listen(l adminapi.Listener, host string) []string {
	var out []string
	for _, at := range l.Bind {
		line, note := "listen "+at, l.ID
		if host == "*" {
			line += " default_server"
		}
		switch {
		case l.Error != "":
			line, note = "# "+line, note+": "+l.Error
		case !l.Bound && !n.scope.files:
			line, note = "# "+line, note+": not bound"
		}
		if l.Protocol == string(model.HTTPS) {
			line, note = "# "+strings.TrimPrefix(line, "# ")+" ssl", note+"; "+certificateOf(l, modelHost(host))+clientAuth(l, modelHost(host))
		}
		out = append(out, line+";  # "+shown(note))
	}
	return out
}

func certificateOf(l adminapi.Listener, host model.Host) string {
	_, name := host.Split()
	for _, c := range l.Certificates {
		if slices.ContainsFunc(c.Hosts, func(h model.Host) bool { return h == host || host != "" && h.Matches(name) }) {
			return fmt.Sprintf("ssl_certificate of Secret %s (%s), its key is not shown", cmp.Or(c.Secret, c.ID), from(c.Source, c.Origin))
		}
	}
	return "no certificate of its own"
}

// serverName says a host as nginx does, and which objects are for it. nginx's own *.shop.test means any number of labels.
func serverName(host string, names []string, routes []adminapi.Route) string {
	var line string
	var notes, objects []string
	switch shape, fixed := modelHost(host).Split(); shape {
	case model.HostAny:
		line, notes = "server_name _;", append(notes, "any host")
		if len(names) > 0 {
			notes = append(notes, "its own name is "+strings.Join(names, ", "))
		}
	case model.HostOneMore:
		line, notes = directive("server_name", fixedText(`~^[^.]+\.`+quoteMeta(fixed)+`$`)), append(notes, "one label more")
	case model.HostAnyMore:
		line = directive("server_name", fixedText("*."+fixed))
	default:
		line = directive("server_name", fixedText(host))
	}
	for _, r := range routes {
		objects = once(objects, r.Origin.Object())
	}
	if more := len(objects) - mostObjects; more > 0 {
		objects = append(objects[:mostObjects], fmt.Sprintf("%d more", more))
	}
	if len(objects) > 0 {
		notes = append(notes, strings.Join(objects, ", "))
	}
	if len(notes) > 0 {
		line += "  # " + shown(strings.Join(notes, "; "))
	}
	return line
}

// mostObjects is how many objects a server_name names; each stands at its locations.
const mostObjects = 3

// place is a location: nginx has each only once, while several routes may share a path.
type place struct {
	key    string // modifier and path
	line   string // "location = /order {"
	routes []adminapi.Route
}

func places(routes []adminapi.Route) []place {
	var out []place
	for _, r := range routes {
		key, line := locationOf(r.Rule.Match.Path)
		i := slices.IndexFunc(out, func(p place) bool { return p.key == key })
		if i < 0 {
			out, i = append(out, place{key: key, line: line}), len(out)
		}
		out[i].routes = append(out[i].routes, r)
	}
	return out
}

// location is a place's block.
func (n *nginx) location(p place) []string {
	lines := []string{comment("%s", from(p.routes[0].Source, p.routes[0].Origin)), p.line}
	taken := "" // the route that takes every request
	for i, r := range p.routes {
		if taken != "" {
			lines = append(lines, indent(neverReached(r, taken))...)
			continue
		}
		if i > 0 {
			lines = append(lines, indent(comment("%s", from(r.Source, r.Origin)))...)
		}
		body := n.effect(r)
		if only := r.Rule.Match.Text(); only != "" {
			lines = append(lines, indent(comment("only with %s:", only))...)
			body = commented(body)
		} else {
			taken = r.ID
		}
		lines = append(lines, indent(body...)...)
	}
	if taken == "" {
		lines = append(lines, "    return 404;  # no-route, unless a later location takes it")
	}
	lines = append(lines, "}")
	if strings.HasPrefix(p.line, "#") { // a path that cannot be said
		return commented(lines)
	}
	return lines
}

func neverReached(r adminapi.Route, before string) string {
	return comment("never reached, because %s comes first: %s (%s)", before, r.Match, from(r.Source, r.Origin))
}

func commented(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "# " + strings.TrimPrefix(l, "# ")
	}
	return out
}

// from is where an object stands and what it is.
func from(source string, o model.Origin) string {
	return strings.Trim(source+", "+o.Object(), ", ")
}

func once(all []string, s string) []string {
	if slices.Contains(all, s) {
		return all
	}
	return append(all, s)
}
