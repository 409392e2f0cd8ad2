package explain

import (
	"fmt"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// The codes of a 404, as the engine gives them in header and log.
const (
	codeNoHost  = "no-host"  // no route of the listener names the host
	codeNoRoute = "no-route" // routes name the host, none takes the request
)

// noRoute explains a 404: what would have matched, and where.
func (x *walker) noRoute() bool {
	class := x.serving.EffectiveClass()
	host := x.a.http.Host
	var named []*snapshot.HostTable
	tables := x.w.Snapshot.Tables(class)
	for _, t := range tables {
		if t.Host.Matches(host) {
			named = append(named, t)
		}
	}
	if len(named) == 0 {
		text := fmt.Sprintf("no route of listener %s names host %s", x.serving.ID, host)
		if len(tables) == 0 {
			text += ": it has no routes"
		} else {
			hosts := hostsOf(tables)
			near(hosts, host)
			text += "; its hosts: " + some(hosts, 4)
		}
		return x.endStatus("route", text+x.servedElsewhere(), "", 404, codeNoHost)
	}
	var close, there []string
	for _, t := range named {
		for _, r := range t.Routes() {
			name := fmt.Sprintf("%s%s", Condition(r), in(x.w.at(r.Origin)))
			if r.Fits(x.a.LookupPath()) { // were the path all that it asks for
				close = append(close, name)
			}
			there = append(there, name)
		}
		if x.serving.HostRule == model.HostOwns && t.Host != "" {
			break // the most specific host decides alone
		}
	}
	text := fmt.Sprintf("host %s has no route for %s %s", snapshot.HostText(named[0].Host), x.a.http.Method, x.a.http.Path)
	if len(close) > 0 {
		text += "; the path fits, other conditions do not: " + some(close, 3)
	} else {
		near(there, x.a.http.Path)
		text += "; there are " + some(there, 4)
	}
	return x.endStatus("route", text+x.servedElsewhere(), "", 404, codeNoRoute)
}

// servedElsewhere names listeners of other classes that would serve the request.
func (x *walker) servedElsewhere() string {
	var out []string
	seen := map[model.Class]bool{x.serving.EffectiveClass(): true}
	for l := range x.w.Snapshot.Listeners() {
		class := l.EffectiveClass()
		if !speaksHTTP(l) || seen[class] {
			continue
		}
		if f, ok := snapshot.Find(x.w.Snapshot.Site(class), l.HostRule, x.a.http.Host, x.a); ok && len(l.Addresses()) > 0 {
			seen[class] = true
			r := f.Route
			out = append(out, fmt.Sprintf("%s (class %s, route %s)", l.Addresses()[0], class, routeName(r)))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; it is served at " + some(out, 2)
}
