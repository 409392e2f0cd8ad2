package compile

import (
	"fmt"
	"maps"
	"strings"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// tables makes the next versions of the tables of the hosts that a route joined or left.
func (c *compiler) tables() {
	places := map[place]bool{}
	for p := range c.added {
		places[p] = true
	}
	for p := range c.removed {
		places[p] = true
	}
	if len(places) == 0 {
		return
	}
	editors := map[model.Class]*snapshot.HostsEditor[*snapshot.HostTable]{}
	for p := range places {
		site := c.old.Sites[p.class]
		if site == nil {
			site = &snapshot.Site{}
		}
		e := editors[p.class]
		if e == nil {
			e = site.Edit()
			editors[p.class] = e
		}
		before, _ := site.Get(p.host)
		now := c.table(p, before)
		if now == nil {
			e.Delete(p.host)
		} else {
			e.Set(p.host, now)
		}
		c.rivals(p, before, now)
	}
	sites := maps.Clone(c.old.Sites)
	if sites == nil {
		sites = map[model.Class]*snapshot.Site{}
	}
	for class, e := range editors {
		site := e.Hosts()
		if site.Len() == 0 {
			delete(sites, class)
		} else {
			sites[class] = &site
		}
	}
	c.next.Sites = sites
}

// table is the next version of one table; nil where no route is left for the host.
func (c *compiler) table(p place, before *snapshot.HostTable) *snapshot.HostTable {
	if before == nil {
		return snapshot.NewHostTable(p.host, c.added[p])
	}
	return before.With(c.removed[p], c.added[p])
}

// rivals says of the routes that joined or left a host which others have the same match.
func (c *compiler) rivals(p place, before, now *snapshot.HostTable) {
	done := map[string]bool{}
	for _, changed := range [][]*snapshot.Route{c.removed[p], c.added[p]} {
		for _, r := range changed {
			rivals := now.Rivals(r)
			if len(rivals) < 2 && len(before.Rivals(r)) < 2 {
				continue // alone, as it was
			}
			if key := rivalry(p, r); !done[key] {
				done[key] = true
				c.say(key, duplicates(now, rivals))
			}
		}
	}
}

// rivalry is the key of what is said about routes with one match at one host.
func rivalry(p place, r *snapshot.Route) string {
	m := r.Match
	if m.Path.Kind == model.PathPrefix {
		m.Path.Value, m.Path.Strict = strings.TrimSuffix(m.Path.Value, "/"), false // as model.SameMatch has it
	}
	return fmt.Sprintf("host %s %s %q %t", p.class, p.host, fmt.Sprint(m), r.Default)
}

func duplicates(t *snapshot.HostTable, rivals []*snapshot.Route) []model.Diagnostic {
	var ds []model.Diagnostic
	for i, r := range rivals {
		if i == 0 || r.Default {
			continue // a default backend beside another one is not an error of anybody
		}
		ds = append(ds, model.Diagnostic{Origin: r.Origin, Severity: model.Warning, Code: model.CodeDuplicateRoute,
			Message: fmt.Sprintf("host %s, %s is already served by %s, which comes first", snapshot.HostText(t.Host), r.Match.Path, rivals[0].Origin)})
	}
	return ds
}
