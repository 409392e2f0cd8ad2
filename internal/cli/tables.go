package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/model"
)

// tableOf is the rows of a kind as a table.
func tableOf(v adminapi.View, kind adminapi.Kind, wide bool, now time.Time) *table {
	switch kind {
	case adminapi.Roads:
		return roadsTable(v.Roads)
	case adminapi.Nodes:
		return nodesTable(v.Nodes, now)
	case adminapi.Pods:
		return podsTable(v.Pods, now)
	case adminapi.Records:
		return recordsTable(v.Records)
	case adminapi.Routes:
		return routesTable(v.Routes, wide)
	case adminapi.Upstreams:
		return upstreamsTable(v.Upstreams, wide)
	case adminapi.Endpoints:
		return endpointsTable(v.Endpoints)
	case adminapi.Services:
		return servicesTable(v.Services)
	case adminapi.Listeners:
		return listenersTable(v.Listeners)
	case adminapi.Diagnostics:
		return diagnosticsTable(v.Diagnostics)
	case adminapi.Sources:
		return sourcesTable(v, now)
	case adminapi.Infos:
		return infoTable(v.Info)
	case adminapi.Traffics:
		return trafficTable(v.Traffic)
	default:
		return listsTable(v.Lists, now)
	}
}

func roadsTable(all []adminapi.Road) *table {
	t := &table{head: []string{"APPLICATION", "ROAD", "WAY IN", "RULE KEPT IN", "ADDRESSES FROM", "READY"}}
	on := map[string]int{}
	for _, r := range all {
		on[r.Road]++
		t.add(c(r.Application), c(r.Road), c(dash(several(r.WayIn, 3))), c(dash(several(r.RuleKeptIn, 3))), c(several(r.AddressesFrom, 3)), ratio(r.Ready, r.Total, r.Known))
	}
	t.foot = fmt.Sprintf("%s: %d on road 1, %d on road 2, %d on both, %d on none", plural(len(all), "application"), on["1"], on["2"], on["both"], on["none"])
	return t
}

// ratio is "2/2", in red where none is ready.
func ratio(ready, total int, known bool) cell {
	text := fmt.Sprintf("%d/%d", ready, total)
	switch {
	case !known:
		return c("?")
	case ready == 0:
		return toned(text, bad)
	case ready < total:
		return toned(text, warn)
	default:
		return toned(text, good)
	}
}

func dash(s string) string { return cmp.Or(s, "-") }

func nodesTable(all []adminapi.Node, now time.Time) *table {
	t := &table{head: []string{"NODE", "ADDRESS", "BEHIND", "HEALTH", "OPEN", "SINCE", "WHY"}}
	for _, n := range all {
		health := toned(n.Health, good)
		if n.Health != "healthy" {
			health.tone = bad
		}
		if n.Draining {
			health = toned(n.Health+", draining", warn)
		}
		t.add(c(n.Name), c(n.Addr.String()), c(n.Behind), health, c(fmt.Sprint(n.Open)), c(since(n.Since, now)), c(n.Why))
	}
	return t
}

func podsTable(all []explain.Pod, now time.Time) *table {
	t := &table{head: []string{"POD", "NODE", "ADDRESS", "READY", "PHASE", "PROCESS", "RESTARTS", "SINCE", "REASON"}}
	for _, p := range all {
		ready := toned("yes", good)
		if !p.Ready {
			ready = toned("no", bad)
		}
		addr, pid := "-", "-"
		switch {
		case len(p.Reached) > 0:
			var at []string
			for _, a := range p.Reached {
				at = append(at, a.String())
			}
			addr = several(at, 3)
		case p.Addr.IsValid():
			addr = p.Addr.String()
		}
		switch {
		case p.PID > 0:
			pid = fmt.Sprint(p.PID)
		case p.Attached:
			pid = "attached"
		}
		t.add(c(p.Name), c(dash(p.Node)), c(addr), ready, c(p.Phase), c(pid), c(fmt.Sprint(p.Restarts)), c(since(p.Since, now)), c(p.Reason))
	}
	return t
}

func recordsTable(all []adminapi.Record) *table {
	t := &table{head: []string{"NAME", "TYPE", "ADDRESS", "TTL", "SOURCE"}}
	for _, r := range all {
		var addrs []string
		for _, a := range r.Addrs {
			addrs = append(addrs, a.String())
		}
		t.add(c(r.Name), c(r.Type), c(strings.Join(addrs, ", ")), c(fmt.Sprint(r.TTL)), c(cmp.Or(r.Source, r.Origin.Source)))
	}
	return t
}

func routesTable(all []adminapi.Route, wide bool) *table {
	t := &table{head: []string{"HOST", "PATH", "UPSTREAM", "SERVERS", "BOUND ON", "SOURCE", "REJECTED"}}
	if wide {
		t.head = append(t.head, "MATCH", "FILTERS", "ROUTE")
	}
	for _, r := range all {
		trouble := toned(r.Reject, bad)
		if r.LostTo != "" {
			trouble = toned("never reached, "+r.LostTo+" comes first", warn)
		}
		cells := []cell{c(r.Host), c(r.Path), c(r.Effect), c(several(r.Servers, 3)), c(dash(strings.Join(r.BoundOn, ", "))), c(r.Source), trouble}
		if wide {
			cells = append(cells, c(r.Match), c(strings.Join(r.Filters, ", ")), c(r.ID))
		}
		t.add(cells...)
	}
	return t
}

func upstreamsTable(all []adminapi.Upstream, wide bool) *table {
	t := &table{head: []string{"UPSTREAM", "ROAD", "READY", "NEXT", "BALANCE", "NOT READY", "SEEN BY", "SOURCE"}}
	if wide {
		t.head = append(t.head, "LISTS", "ID")
	}
	for _, u := range all {
		ready := 0
		var others []string
		for _, e := range u.State.Endpoints {
			if e.Ready() {
				ready++
				continue
			}
			others = append(others, e.Addr.String()+": "+cmp.Or(e.Why, e.State.String()))
		}
		road, next := "-", "-"
		if u.Road > 0 {
			road = fmt.Sprint(u.Road)
		}
		if u.State.Next.IsValid() {
			next = u.State.Next.String()
		}
		cells := []cell{c(u.Name), c(road), ratio(ready, len(u.State.Endpoints), u.State.Known), c(next), c(u.Balance), c(several(others, 3)), c(u.SeenBy), c(u.Source)}
		if wide {
			cells = append(cells, c(strings.Join(u.Lists, ", ")), c(u.ID))
		}
		t.add(cells...)
	}
	return t
}

func endpointsTable(all []adminapi.Endpoint) *table {
	t := &table{head: []string{"LIST", "ADDRESS", "STATE", "POD", "NODE", "WEIGHT", "KEPT BY", "FOUND BY", "WHY"}}
	for _, e := range all {
		state := toned(e.State, good)
		if e.State != model.Ready.String() {
			state.tone = warn
		}
		if e.Down {
			state = toned(e.State+", down", bad)
		}
		t.add(c(e.List), c(e.Addr.String()), state, c(e.Name), c(e.Node), c(fmt.Sprint(e.Weight)), c(e.Keeper), c(e.By), c(e.Why))
	}
	return t
}

func servicesTable(all []adminapi.Service) *table {
	t := &table{head: []string{"SERVICE", "NAMESPACE", "GROUP", "PORT", "KEPT BY", "READY", "IN USE"}}
	for _, s := range all {
		used := "no"
		if s.InUse {
			used = "yes"
		}
		keeper := c(s.KeptBy)
		if s.Local {
			keeper = toned(s.KeptBy+" (local)", warn)
		}
		t.add(c(s.Name), c(s.Namespace), c(s.Group), c(s.Port), keeper, ratio(s.Ready, s.Total, true), c(used))
	}
	return t
}

func listenersTable(all []adminapi.Listener) *table {
	t := &table{head: []string{"LISTENER", "ADDRESS", "PROTOCOL", "TLS", "NODE", "CLASS", "STATE", "OPEN", "SOURCE"}}
	for _, l := range all {
		state := toned("bound", good)
		switch {
		case l.Error != "":
			state = toned(l.Error, bad)
		case l.Draining:
			state = toned("draining", warn)
		case !l.Bound:
			state = toned("not bound", warn)
		}
		t.add(c(l.ID), c(strings.Join(l.Bind, ", ")), c(l.Protocol), tlsCell(l.TLS, len(l.Passed)), c(l.Node), c(l.Class), state, c(fmt.Sprint(l.Open)), c(l.Source))
	}
	return t
}

// tlsCell says what a listener asks of handshakes: versions, the hosts that ask for more, and how many are passed on.
func tlsCell(t *adminapi.ListenerTLS, passed int) cell {
	if t == nil {
		return c("")
	}
	text := string(t.MinVersion)
	if t.MaxVersion != t.MinVersion {
		text += " to " + string(t.MaxVersion)
	}
	asked, refused := 0, 0
	for _, p := range t.Policies {
		switch {
		case p.Reject != "":
			refused += len(p.Hosts)
		case p.ClientAuth != model.ClientNone:
			asked += len(p.Hosts)
		}
	}
	if asked > 0 {
		text += ", client certificates at " + plural(asked, "host")
	}
	if passed > 0 {
		text += ", " + plural(passed, "host") + " passed on"
	}
	if refused > 0 {
		return toned(text+", "+plural(refused, "host")+" refused", bad)
	}
	return c(text)
}

func severityTone(s model.Severity) tone {
	switch s {
	case model.Error:
		return bad
	case model.Warning:
		return warn
	default:
		return plain
	}
}

func diagnosticsTable(all []model.Diagnostic) *table {
	t := &table{head: []string{"WHERE", "SEVERITY", "CODE", "OBJECT", "MESSAGE"}}
	counts := map[model.Severity]int{}
	for _, d := range all {
		counts[d.Severity]++
		object := strings.TrimSpace(d.Origin.Object() + " " + d.Field)
		t.add(c(dash(d.Origin.At())), toned(d.Severity.String(), severityTone(d.Severity)), c(string(d.Code)), c(object), c(d.Message))
	}
	t.foot = countLine(counts)
	return t
}

func countLine(counts map[model.Severity]int) string {
	return fmt.Sprintf("%s, %s, %s", plural(counts[model.Error], "error"), plural(counts[model.Warning], "warning"), plural(counts[model.Info], "note"))
}

func sourcesTable(v adminapi.View, now time.Time) *table {
	t := &table{head: []string{"SOURCE", "STATE", "SINCE", "LAST HEARD", "REQUIRED", "GROUPS", "LISTS OF", "ERROR"}}
	for _, s := range v.Sources {
		state := toned("running", good)
		switch {
		case s.Failed:
			state = toned("failed, its last good state is served", bad)
		case !s.Synced:
			state = toned("not synced yet", warn)
		case s.Error != "":
			state.tone = warn
		}
		required := ""
		if s.Required {
			required = "yes"
		}
		t.add(c(s.Name), state, c(since(s.Since, now)), c(since(s.Heard, now)), c(required), c(fmt.Sprint(s.Groups)), c(strings.Join(s.Keepers, ", ")), c(s.Error))
	}
	return t
}

func infoTable(all []adminapi.Info) *table {
	t := &table{head: []string{"PROCESS", "PID", "VERSION", "READY", "GENERATION", "WATCHES", "STATE IN", "PIECES", "WHY"}}
	for _, i := range all {
		ready := toned("yes", good)
		if !i.Ready {
			ready = toned("no", bad)
		}
		t.add(c(i.Name), c(fmt.Sprint(i.PID)), c(i.Version), ready, c(fmt.Sprint(i.Snapshot)), c(i.Dir), c(i.State), c(strings.Join(i.Pieces, ", ")), c(strings.Join(i.Why, "; ")))
	}
	return t
}

func listsTable(all []explain.List, now time.Time) *table {
	t := &table{head: []string{"LIST", "KNOWN", "REVISION", "HEARD", "ADDRESSES", "ERROR"}}
	for _, l := range all {
		known := "yes"
		if !l.Known {
			known = "no"
		}
		t.add(c(l.ID.String()), c(known), c(fmt.Sprint(l.Revision)), c(since(l.Heard, now)), c(fmt.Sprint(len(l.Endpoints))), c(l.Error))
	}
	return t
}

func trafficTable(all []adminapi.Traffic) *table {
	t := &table{head: []string{"PART", "NAME", "THROUGH", "COUNT", "OF", "ERRORS", "REFUSED", "AVERAGE", "OPEN", "SEEN BY"}}
	for _, r := range all {
		errors, average, nameless := c(fmt.Sprint(r.Errors)), "", "(no route)"
		if r.Part == adminapi.OfName {
			nameless = "(not published)"
		}
		if r.Errors > 0 {
			errors.tone = bad
		}
		if r.Latency > 0 {
			average = fmt.Sprintf("%.2f ms", r.Average())
		}
		t.add(c(string(r.Part)), c(cmp.Or(r.Name, nameless)), c(r.Upstream), c(fmt.Sprint(r.Count)), c(string(r.Unit)), errors, c(fmt.Sprint(r.Refused)),
			c(average), c(fmt.Sprint(r.Open)), c(r.SeenBy))
	}
	return t
}

// since is how long ago a moment is, in one unit.
func since(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	switch d := max(now.Sub(at), 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	default:
		return fmt.Sprintf("%dd", int(d/(24*time.Hour)))
	}
}
