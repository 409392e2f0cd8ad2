package explain

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// find is the lookup that serves. Where chance decides between routes, it follows the one that did take the request, or
// the likeliest, and returns all with their shares.
func (x *walker) find() (found snapshot.Found, ok bool, chances []Candidate) {
	site := x.w.Snapshot.Site(x.serving.EffectiveClass())
	look := func() (snapshot.Found, bool) { return snapshot.Find(site, x.serving.HostRule, x.a.http.Host, x.a) }
	starts := x.starts()
	if len(starts) == 0 {
		found, ok = look()
		return found, ok, nil
	}
	took := x.done.happenedAt()
	shares := map[*snapshot.Route]int{}
	best, group := map[string]int{}, slices.Sorted(maps.Keys(starts))[0]
	for i, from := range starts[group] {
		until := model.ShareWhole
		if i+1 < len(starts[group]) {
			until = starts[group][i+1]
		}
		x.a.draws = map[string]int{group: from}
		f, is := look()
		if !is || until == from {
			continue
		}
		shares[f.Route] += until - from
		chosen := shares[f.Route] > shares[found.Route]
		if took != nil && took.Route != "" {
			chosen = f.Route.ID == took.Route
		}
		if chosen || !ok {
			found, ok, best = f, true, x.a.draws
		}
	}
	x.a.draws = best
	if len(shares) < 2 {
		return found, ok, nil
	}
	for r, share := range shares {
		chances = append(chances, Candidate{Name: routeName(r), Share: float64(share) / model.ShareWhole, Chosen: r == found.Route})
	}
	slices.SortFunc(chances, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), strings.Compare(a.Name, b.Name))
	})
	return found, ok, chances
}

// starts are the draws at which shares begin, by group, of the routes for the host. 0 is one of them.
func (x *walker) starts() map[string][]int {
	out := map[string][]int{}
	for _, t := range x.w.Snapshot.Tables(x.serving.EffectiveClass()) {
		if !t.Host.Matches(x.a.http.Host) {
			continue
		}
		for _, r := range t.Routes() {
			for _, s := range r.Match.Shares {
				out[s.Group] = append(out[s.Group], 0, s.From, s.Until)
			}
		}
	}
	for group, at := range out {
		slices.Sort(at)
		out[group] = slices.DeleteFunc(slices.Compact(at), func(n int) bool { return n >= model.ShareWhole })
	}
	return out
}

// chanceText says between which routes chance decides.
func chanceText(chances []Candidate) string {
	if len(chances) == 0 {
		return ""
	}
	var out []string
	for _, c := range chances {
		out = append(out, fmt.Sprintf("%s %s", c.Name, percent(c.Share)))
	}
	return ", by chance (" + strings.Join(out, ", ") + ")"
}
