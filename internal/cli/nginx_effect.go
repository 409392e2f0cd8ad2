package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/filter/builtin"
	"paifang/internal/model"
)

// effect is what stands inside a location: filters first, then what becomes of the request. A route that was rejected
// responds with its code.
func (n *nginx) effect(r adminapi.Route) []string {
	var filters []string
	for _, f := range r.Rule.Filters {
		filters = append(filters, filterLines(f)...)
	}
	switch a := r.Rule.Action.(type) {
	case model.Redirect:
		return append(rewrites(filters, false), directive("return", number(a.Status), valueText(a.Location)))
	case model.Respond:
		return append(rewrites(filters, false), respond(a))
	case model.Forward:
		lines, goesOn := n.forward(r, a)
		return append(rewrites(filters, goesOn), lines...)
	default:
		return filters
	}
}

// rewrites has only the last rewrite of a location break, which would keep nginx from the others, and none where the
// request goes nowhere.
func rewrites(lines []string, goesOn bool) []string {
	for i := len(lines) - 1; i >= 0; i-- {
		if !strings.HasPrefix(lines[i], "rewrite ") {
			continue
		}
		if !goesOn {
			lines[i] = "# " + lines[i]
		} else if slices.ContainsFunc(lines[i+1:], func(l string) bool { return strings.HasPrefix(l, "rewrite ") }) {
			lines[i] = strings.TrimSuffix(lines[i], " break;") + ";"
		}
	}
	return lines
}

// longestBody is how much of an answer's body is worth a line.
const longestBody = 200

func respond(a model.Respond) string {
	line := directive("return", number(a.Status))
	switch {
	case a.Body == "":
	case len(a.Body) > longestBody || !valueText(a.Body).said:
		line += fmt.Sprintf("  # with a body of %d bytes", len(a.Body))
	default:
		line = directive("return", number(a.Status), valueText(a.Body))
	}
	if a.Code != "" {
		line += "  # " + shown(string(a.Code))
	}
	return line
}

// forward is where the request goes; goesOn is false where nobody is there to take it.
func (n *nginx) forward(r adminapi.Route, a model.Forward) (out []string, goesOn bool) {
	switch a.Host {
	case model.HostKeep:
		out = append(out, "proxy_set_header Host $http_host;")
	case model.HostEndpoint:
		out = append(out, "# Host is the address of the server that is chosen")
	case model.HostLiteral:
		out = append(out, directive("proxy_set_header", fixedText("Host"), valueText(a.HostName)))
	}
	out = append(out, timeouts(r.Rule.Timeouts)...)
	switch {
	case a.Retry.Attempts < 0:
		out = append(out, "proxy_next_upstream off;")
	case a.Retry.Attempts > 0:
		out = append(out, directive("proxy_next_upstream_tries", number(a.Retry.Attempts+1)))
	}
	if len(a.Targets) == 1 {
		name, why := n.upstream(a.Targets[0].Upstream, r.BoundOn)
		row, _ := n.row(a.Targets[0].Upstream, r.BoundOn)
		scheme, secure := secured(row.TLS)
		out = append(out, secure...)
		switch why {
		case "":
			return append(out, "proxy_pass "+scheme+name+";"), true
		case unknown:
			return append(out, "# proxy_pass "+scheme+name+";  # "+n.unknownText()), true
		default:
			return append(out, "return 503;  # "+why, "# proxy_pass "+scheme+name+";"), false
		}
	}
	for _, t := range a.Targets {
		switch row, _ := n.row(t.Upstream, r.BoundOn); row.TLS.Mode {
		case model.TLSAlways:
			out = append(out, comment("%s is spoken to over TLS", row.ID))
		case model.TLSAsAsked:
			out = append(out, comment("%s is spoken to over TLS where the request came over TLS", row.ID))
		}
	}
	return append(out, "proxy_pass http://"+n.split(r, a)+";"), true
}

// split writes the shares of several upstreams and returns the variable that names the one chosen.
func (n *nginx) split(r adminapi.Route, a model.Forward) string {
	variable := fmt.Sprintf("$split_%d", len(n.splits)+1)
	block := []string{comment("%s", from(r.Source, r.Origin)), `split_clients "$request_id" ` + variable + " {"}
	total, last := 0, -1
	equal := !slices.ContainsFunc(a.Targets, func(t model.Target) bool { return t.Weight > 0 })
	share := func(t model.Target) int {
		if equal {
			return 1
		}
		return t.Weight
	}
	for i, t := range a.Targets {
		if total += share(t); share(t) > 0 {
			last = i
		}
	}
	for i, t := range a.Targets {
		name, why := n.upstream(t.Upstream, r.BoundOn)
		percent, note := fmt.Sprintf("%.2f%%", 100*float64(share(t))/float64(total)), why
		line := percent + " " + name + ";"
		switch {
		case i == last: // what nginx rounds away goes to the last
			line, note = "* "+name+";", strings.TrimSuffix(percent+", "+why, ", ")
		case percent == "0.00%": // nginx has no smaller share
			line = "# " + line
		}
		if note != "" {
			line += "  # " + note
		}
		block = append(block, indent(line)...)
	}
	n.splits = append(n.splits, append(block, "}"))
	return variable
}

// unknown is why an upstream whose addresses nobody has told has no servers here.
const unknown = "endpoints-unknown"

func (n *nginx) unknownText() string {
	if n.scope.files {
		return "its addresses are known while it runs"
	}
	return "its addresses are not known yet"
}

// upstream names an upstream in nginx's words and writes its block once. why is the code of the answer where no server
// of it can be chosen.
func (n *nginx) upstream(id model.UpstreamID, seenBy []string) (name, why string) {
	row, ok := n.row(id, seenBy)
	name, written := n.names[string(id)]
	if !written {
		name = n.newName(string(id), row)
		n.names[string(id)] = name
	}
	state := row.State
	takesTurn := func(e explain.Endpoint) bool { return e.Share > 0 }
	switch {
	case !ok || !state.Known:
		why = unknown
	case len(state.Endpoints) == 0:
		why = "no-endpoints"
	case !slices.ContainsFunc(state.Endpoints, takesTurn):
		why = "all-unhealthy"
	}
	if written {
		return name, why
	}
	block := []string{comment("%s", from(row.Source, row.Origin)), "upstream " + name + " {"}
	if ok {
		block[1] += "  # " + shown(row.Balance+" over "+strings.Join(row.Lists, ", "))
	}
	if why == unknown {
		block = append(block, "    # "+n.unknownText())
	}
	unit := 0
	for _, e := range state.Endpoints {
		unit = gcd(unit, e.Weight)
	}
	for _, e := range state.Endpoints {
		line := fmt.Sprintf("server %s weight=%d;", e.Addr, e.Weight/max(unit, 1))
		if !takesTurn(e) {
			line = "# " + line
		}
		block = append(block, indent(line+"  # "+shown(endpointNote(e, row.Lists)))...)
	}
	block = append(block, "}")
	if why != "" { // nginx has no upstream without servers
		for i := 1; i < len(block); i++ {
			block[i] = "# " + strings.Replace(block[i], "    # ", "    ", 1)
		}
	}
	n.upstreams = append(n.upstreams, block)
	return name, why
}

// row is the upstream as one of the nodes that use it sees it, or as the first process that tells of it.
func (n *nginx) row(id model.UpstreamID, seenBy []string) (adminapi.Upstream, bool) {
	is := func(u adminapi.Upstream) bool { return u.ID == string(id) }
	i := slices.IndexFunc(n.view.Upstreams, func(u adminapi.Upstream) bool { return is(u) && slices.Contains(seenBy, u.SeenBy) })
	if i < 0 {
		i = slices.IndexFunc(n.view.Upstreams, is)
	}
	if i < 0 {
		return adminapi.Upstream{ID: string(id)}, false
	}
	return n.view.Upstreams[i], true
}

// newName is a name that nginx takes: as ingress-nginx has it, default-order-service-80.
func (n *nginx) newName(id string, row adminapi.Upstream) string {
	text := cmp.Or(row.Name, id)
	if _, rest, ok := strings.Cut(id, "/"); ok && row.Road == 1 {
		text = rest
	}
	base := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, text)
	taken := func(name string) bool {
		for _, other := range n.names {
			if strings.EqualFold(other, name) { // host names, to nginx
				return true
			}
		}
		return false
	}
	name := base
	for i := 2; taken(name); i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return name
}

// endpointNote says who it is and, unless it is simply ready, how it stands. Whom nobody has named comes from a list.
func endpointNote(e explain.Endpoint, lists []string) string {
	note := e.Name
	if note == "" {
		note = strings.ReplaceAll("of "+strings.Join(lists, " or of "), "of "+string(model.KeeperRegistry)+":", "instance of ")
	}
	if e.Node != "" {
		note += " on " + e.Node
	}
	var state []string
	if e.State != model.Ready {
		state = append(state, e.State.String())
	}
	if !e.Healthy {
		state = append(state, strings.TrimSuffix("down, "+e.Why, ", "))
	} else if e.Why != "" {
		state = append(state, e.Why)
	}
	if e.Weight == 0 {
		state = append(state, "weight 0: nothing new")
	}
	if len(state) == 0 && e.Share == 0 {
		state = append(state, "takes no turn")
	}
	if len(state) == 0 {
		return note
	}
	return note + ": " + strings.Join(state, ", ")
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func timeouts(t model.Timeouts) []string {
	var out []string
	add := func(name string, d time.Duration) {
		if d > 0 {
			out = append(out, directive(name, fixedText(fmt.Sprintf("%dms", d.Milliseconds()))))
		}
	}
	add("proxy_connect_timeout", t.Connect)
	add("proxy_read_timeout", t.Response)
	if t.Idle > 0 {
		out = append(out, comment("a body may pause for %s", t.Idle))
	}
	return out
}

// filterLines says a filter with the directive that comes nearest. Values with variables have none: $ cannot be escaped.
func filterLines(f model.FilterSpec) []string {
	told := []string{comment("%s %s", f.Kind, f.Config)}
	read := func(into any) bool { return json.Unmarshal(f.Config, into) == nil }
	switch f.Kind {
	case "strip-prefix":
		var c builtin.StripPrefix
		if read(&c) {
			return []string{directive("rewrite", fixedText(fmt.Sprintf("^(?:/[^/]*){1,%d}/?(.*)$", c.Parts)), fixedText("/$1"), fixedText("break"))}
		}
	case "prefix-path":
		var c builtin.PrefixPath
		if read(&c) && !strings.Contains(c.Prefix, "{") {
			return []string{directive("rewrite", fixedText("^(.*)$"), pathText(strings.TrimSuffix(c.Prefix, "/")).then("$1"), fixedText("break"))}
		}
	case "set-path":
		var c builtin.SetPath
		if read(&c) && !strings.Contains(c.Template, "{") {
			return []string{directive("rewrite", fixedText("^"), pathText(c.Template), fixedText("break"))}
		}
	case "rewrite-path":
		var c builtin.RewritePath
		if read(&c) {
			line := directive("rewrite", fixedText(c.Regexp), fixedText(c.Replacement), fixedText("break"))
			return []string{"# " + strings.TrimPrefix(line, "# ") + "  # of every part that matches"}
		}
	case "request-headers":
		var c builtin.Headers
		if read(&c) {
			return requestHeaders(c)
		}
	case "response-headers":
		var c builtin.Headers
		if read(&c) {
			return responseHeaders(c)
		}
	}
	return told
}

func requestHeaders(c builtin.Headers) []string {
	var out []string
	for _, name := range c.Remove {
		out = append(out, directive("proxy_set_header", fixedText(name), fixedText("")))
	}
	for _, h := range c.Set {
		out = append(out, directive("proxy_set_header", fixedText(h.Name), template(h.Value)))
	}
	for _, h := range c.Add {
		out = append(out, comment("a further request header %s: %q", h.Name, h.Value))
	}
	return out
}

func responseHeaders(c builtin.Headers) []string {
	var out []string
	for _, name := range c.Remove {
		out = append(out, directive("proxy_hide_header", fixedText(name)))
	}
	for _, h := range c.Set {
		out = append(out, directive("proxy_hide_header", fixedText(h.Name)), directive("add_header", fixedText(h.Name), template(h.Value), fixedText("always")))
	}
	for _, h := range c.Add {
		out = append(out, directive("add_header", fixedText(h.Name), template(h.Value), fixedText("always")))
	}
	return out
}
