package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/model"
)

// table is a section of rows.
type table struct {
	ID    string
	Title string
	Head  []column
	Rows  [][]cell
	More  int    // rows that are not shown
	Kind  string // under which `paifang get` lists them all
	Empty string // what is said where there are none
	Total int
}

// column is a heading. Numbers stand to the right; only what is long is folded.
type column struct {
	Name  string
	Class string // num, long or neither
}

// cell is one of: a text, a state, a number of the live counts.
type cell struct {
	Text  string
	Word  bool // the text is a label, and translated
	State state
	Count counts
	Show  string // which number of Count: count, errors, refused, average
	Class string // of its column
}

// maxRows is how many rows a table shows.
const maxRows = 200

func newTable(kind adminapi.Kind, id, title string, heads ...string) *table {
	t := &table{ID: id, Title: title, Kind: string(kind), Empty: "There are none."}
	for _, h := range heads {
		c := column{Name: h}
		if name, is := strings.CutPrefix(h, "#"); is {
			c = column{name, "num"}
		} else if name, is := strings.CutPrefix(h, "~"); is {
			c = column{name, "long"}
		}
		t.Head = append(t.Head, c)
	}
	return t
}

func (t *table) add(cells ...cell) {
	t.Total++
	if len(t.Rows) >= maxRows {
		t.More++
		return
	}
	for i := range cells {
		cells[i].Class = t.Head[i].Class
	}
	t.Rows = append(t.Rows, cells)
}

func text(s string) cell   { return cell{Text: s} }
func number(n any) cell    { return cell{Text: fmt.Sprint(n)} }
func word(s string) cell   { return cell{Text: s, Word: true} }
func stands(s state) cell  { return cell{State: s} }
func list(s []string) cell { return cell{Text: strings.Join(s, ", ")} }

// live are the cells of what went through a part.
func live(c counts) []cell {
	return []cell{{Count: c, Show: "count"}, {Count: c, Show: "errors"}, {Count: c, Show: "refused"}, {Count: c, Show: "average"}}
}

func tables(v adminapi.View, s sums, now time.Time) []table {
	all := []*table{diagnosticsTable(v), applicationsTable(v), routesTable(v, s), endpointsTable(v, s), nodesTable(v, s, now), podsTable(v, now), servicesTable(v),
		recordsTable(v, s), listenersTable(v, s), sourcesTable(v, now)}
	out := make([]table, 0, len(all))
	for _, t := range all {
		out = append(out, *t)
	}
	return out
}

func diagnosticsTable(v adminapi.View) *table {
	t := newTable(adminapi.Diagnostics, "diagnostics", "Diagnostics", "Severity", "Where", "~Object", "~Message", "Code")
	t.Empty = "Nothing is wrong."
	worst := slices.Clone(v.Diagnostics)
	slices.SortStableFunc(worst, func(a, b model.Diagnostic) int { return cmp.Compare(b.Severity, a.Severity) })
	for _, d := range worst {
		t.add(stands(severityState(d.Severity)), text(place(v, d.Origin.At())), text(strings.TrimSpace(d.Origin.Object()+" "+d.Field)), text(d.Message), text(string(d.Code)))
	}
	return t
}

func applicationsTable(v adminapi.View) *table {
	t := newTable(adminapi.Roads, "applications", "Applications", "Application", "Road", "Ready", "~Way in", "~Rule kept in", "Addresses from")
	for _, r := range v.Roads {
		t.add(text(r.Application), word(r.Road), stands(ratio(r.Ready, r.Total, r.Known)), list(r.WayIn), list(r.RuleKeptIn), list(r.AddressesFrom))
	}
	return t
}

func routesTable(v adminapi.View, s sums) *table {
	t := newTable(adminapi.Routes, "routes", "Routes", "Host", "Path", "To", "Road", "State", "Bound on", "#Requests", "#Errors", "#4xx", "#Average", "Source")
	for _, r := range v.Routes {
		road := "–"
		if r.Road > 0 {
			road = fmt.Sprint(r.Road)
		}
		row := []cell{text(r.Host), text(r.Path), text(r.Effect), text(road), stands(routeState(r)), list(r.BoundOn)}
		t.add(append(append(row, live(s.of(adminapi.Requests, key(adminapi.OfRoute, "", r.ID)))...), text(place(v, r.Source)))...)
	}
	return t
}

// endpointsTable has the endpoints of every upstream as one process sees them; their counts are of all processes.
func endpointsTable(v adminapi.View, s sums) *table {
	t := newTable(adminapi.Upstreams, "endpoints", "Endpoints", "Upstream", "Address", "Pod", "Node", "State", "#Share", "#Open", "#Count", "#Errors", "#4xx", "#Average")
	shown := map[string]bool{}
	for _, u := range v.Upstreams {
		unit := adminapi.Requests
		if u.L4 {
			unit = adminapi.Connections
		}
		for _, e := range u.State.Endpoints {
			k := key(adminapi.OfEndpoint, u.ID, e.Addr.String())
			if shown[k] {
				continue
			}
			shown[k] = true
			pod, node := podName(v.Pods, e), e.Node
			if p, ok := podAt(v.Pods, e.Addr); ok {
				node = cmp.Or(node, p.Node)
			}
			row := []cell{text(u.Name), text(e.Addr.String()), text(pod), text(node), stands(endpointState(e)), text(fmt.Sprintf("%.0f %%", e.Share*100)), number(e.Open)}
			t.add(append(row, live(s.of(unit, k))...)...)
		}
	}
	return t
}

func nodesTable(v adminapi.View, s sums, now time.Time) *table {
	t := newTable(adminapi.Nodes, "nodes", "Nodes", "Node", "Address", "Behind", "State", "Since", "#Open", "#Share")
	for _, n := range v.Nodes {
		t.add(text(n.Name), text(n.Addr.String()), text(n.Behind), stands(nodeState(n)), text(since(n.Since, now)), number(n.Open), text(fmt.Sprintf("%.0f %%", n.Share*100)))
	}
	return t
}

func podsTable(v adminapi.View, now time.Time) *table {
	t := newTable(adminapi.Pods, "pods", "Pods", "Pod", "Namespace", "Node", "Address", "State", "Since", "#Process", "#Restarts")
	for _, p := range v.Pods {
		var at []string
		for _, a := range p.Reached {
			at = append(at, a.String())
		}
		if len(at) == 0 && p.Addr.IsValid() {
			at = append(at, p.Addr.String())
		}
		pid := "–"
		if p.PID > 0 {
			pid = fmt.Sprint(p.PID)
		}
		t.add(text(p.Name), text(p.Namespace), text(p.Node), list(at), stands(podState(p)), text(since(p.Since, now)), text(pid), number(p.Restarts))
	}
	return t
}

func servicesTable(v adminapi.View) *table {
	t := newTable(adminapi.Services, "services", "Services", "Name", "Namespace", "Group", "Kept by", "State", "In use")
	for _, s := range v.Services {
		name, used := s.Name, "no"
		if s.Port != "" {
			name += ":" + s.Port
		}
		if s.InUse {
			used = "yes"
		}
		t.add(text(name), text(s.Namespace), text(s.Group), text(s.KeptBy), stands(ratio(s.Ready, s.Total, true)), word(used))
	}
	return t
}

func recordsTable(v adminapi.View, s sums) *table {
	t := newTable(adminapi.Records, "records", "DNS records", "Name", "Type", "Address", "#TTL", "#Questions", "Source")
	for _, r := range v.Records {
		asked := s.of(adminapi.Questions, key(adminapi.OfName, "", r.Name))
		t.add(text(r.Name), text(r.Type), text(joined(r.Addrs)), text(fmt.Sprintf("%d s", r.TTL)), cell{Count: asked, Show: "count"}, text(cmp.Or(place(v, r.Source), r.Origin.Source)))
	}
	return t
}

func listenersTable(v adminapi.View, s sums) *table {
	t := newTable(adminapi.Listeners, "listeners", "Listeners", "Listener", "Address", "Protocol", "Node", "State", "#Open", "#Count", "Of", "#Errors", "#4xx", "#Average")
	for _, l := range v.Listeners {
		unit := adminapi.Requests
		if l.Protocol != "HTTP" && l.Protocol != "HTTPS" {
			unit = adminapi.Connections
		}
		row := []cell{text(l.ID), list(l.Bind), text(l.Protocol), text(l.Node), stands(listenerState(l)), number(l.Open)}
		if l.Protocol == "DNS" { // the DNS plane does not count
			t.add(append(row, make([]cell, 5)...)...)
			continue
		}
		c := live(s.of(unit, key(adminapi.OfListener, "", l.ID)))
		t.add(append(row, c[0], word(string(unit)), c[1], c[2], c[3])...)
	}
	return t
}

func sourcesTable(v adminapi.View, now time.Time) *table {
	t := newTable(adminapi.Sources, "sources", "Sources", "Name", "State", "Since")
	for _, s := range v.Sources {
		t.add(text(s.Name), stands(sourceState(s.Failed, s.Synced, s.Error)), text(since(s.Since, now)))
	}
	return t
}

// place is file:line, relative to a directory that a process watches.
func place(v adminapi.View, at string) string {
	for _, i := range v.Info {
		if i.Dir != "" {
			at = strings.TrimPrefix(at, i.Dir+"/")
		}
	}
	return at
}
