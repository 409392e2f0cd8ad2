package springgw

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// lane is a part of a service's instances, by their metadata, and the requests that go there.
type lane struct {
	name      string
	instances model.Tags
	strict    bool // 503 while none of them is up; otherwise the others have the requests
	when      []model.Lane
}

// lanes is what the metadata of a route says of lanes.
type lanes struct {
	all      []lane
	header   string // in which the name of a lane comes and travels on
	fallback string // the lane that has the requests of no lane while nobody else is up
}

// The keys of a route's metadata, of a lane and of one of its conditions.
const (
	laneKey         = "lanes"
	laneHeaderKey   = "lane-header"
	laneFallbackKey = "lane-fallback"
)

var (
	laneFields = []string{"name", "instances", "fallback", "when"}
	whenFields = []string{"header", "cookie", "query", "value", "pattern", "weight", "weight-total", "by"}
)

// readLanes reads the lanes of a route's metadata; nil where it has none.
func readLanes(metadata *bootconfig.Property) (*lanes, error) {
	list := metadata.Get(laneKey)
	if list == nil {
		for _, key := range []string{laneHeaderKey, laneFallbackKey} {
			if p := metadata.Get(key); p != nil {
				return nil, wrong(p, key, "has no effect without %s", laneKey)
			}
		}
		return nil, nil
	}
	out := &lanes{fallback: metadata.Get(laneFallbackKey).Text()}
	if p := metadata.Get(laneHeaderKey); p != nil {
		out.header = p.Text()
		if !http1.IsToken(out.header) || !http1.MayTrail(out.header) { // what a request needs before its body has a meaning of its own
			return nil, wrong(p, laneHeaderKey, "%q is no header that a gateway may set: want one that says nothing else, such as X-Lane", out.header)
		}
	}
	for i, item := range list.List() {
		l, err := readLane(item, fmt.Sprintf("%s[%d]", laneKey, i), out.header != "")
		if err != nil {
			return nil, err
		}
		for _, other := range out.all {
			switch {
			case other.name == l.name:
				return nil, wrong(item, fmt.Sprintf("%s[%d].name", laneKey, i), "%q is the name of another lane", l.name)
			case slices.Equal(other.instances, l.instances):
				return nil, wrong(item, fmt.Sprintf("%s[%d].instances", laneKey, i), "are those of lane %s: give that one the conditions of both", other.name)
			}
		}
		out.all = append(out.all, *l)
	}
	if len(out.all) == 0 {
		return nil, wrong(list, laneKey, "is empty: want a list of lanes, or none")
	}
	if err := besideEachOther(out.all, list); err != nil {
		return nil, err
	}
	conditions := 0
	for _, l := range out.all {
		conditions += len(l.when)
		if out.header != "" {
			conditions++
		}
	}
	if conditions > model.MaxLanes {
		return nil, wrong(list, laneKey, "have %d conditions together: at most %d", conditions, model.MaxLanes)
	}
	if out.fallback != "" && !slices.ContainsFunc(out.all, func(l lane) bool { return l.name == out.fallback }) {
		return nil, wrong(metadata.Get(laneFallbackKey), laneFallbackKey, "%q is none of the lanes", out.fallback)
	}
	return out, nil
}

// besideEachOther has the weights of lanes that one thing decides, chance or the same parts of requests, stand beside each other: 30 and
// 30 of 100 are 60, and not 30 and then 30 of those that are left, nor the same 30 users twice.
func besideEachOther(all []lane, at *bootconfig.Property) error {
	type total struct {
		of int
		by string
	}
	taken := map[total]int{}
	for i := range all {
		for j := range all[i].when {
			w := &all[i].when[j]
			if w.From != model.LaneShare {
				continue
			}
			t := total{w.Of, fmt.Sprint(w.Hash)}
			if w.Beside = taken[t]; w.Beside+w.Share > w.Of {
				return wrong(at, fmt.Sprintf("%s[%d].when[%d].weight", laneKey, i, j), "%d of %d: lanes before it have %d of them already", w.Share, w.Of, w.Beside)
			}
			taken[t] += w.Share
		}
	}
	return nil
}

func readLane(p *bootconfig.Property, at string, byHeader bool) (*lane, error) {
	l := &lane{}
	for _, k := range p.Kids {
		switch bootconfig.Relaxed(k.Name) {
		case "name":
			l.name = k.Text()
		case "instances":
			l.instances = model.NewTags(k.Flat())
		case "fallback":
			switch k.Text() {
			case "others":
			case "none":
				l.strict = true
			default:
				return nil, wrong(k, at+".fallback", "%q is neither others nor none", k.Text())
			}
		case "when":
			for i, item := range k.List() {
				w, err := readWhen(item, fmt.Sprintf("%s.when[%d]", at, i))
				if err != nil {
					return nil, err
				}
				l.when = append(l.when, w)
			}
		default:
			return nil, unknownKey(k, at, laneFields)
		}
	}
	switch {
	case l.name == "" || strings.ContainsFunc(l.name, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, wrong(p, at+".name", "%q is no name: want visible ASCII without spaces", l.name)
	case len(l.instances) == 0:
		return nil, wrong(p, at+".instances", "is missing: say what the metadata of its instances have, as in {version: v2}")
	case len(l.when) == 0 && !byHeader:
		return nil, wrong(p, at+".when", "is missing, and there is no %s: no request would ever be in this lane", laneHeaderKey)
	}
	for i := range l.when {
		l.when[i].Name = l.when[i].Rule(l.name)
	}
	return l, nil
}

func unknownKey(k *bootconfig.Property, at string, known []string) error {
	text := "is no key here: want one of " + strings.Join(known, ", ")
	if near := document.Nearest(k.Name, known); near != "" {
		text = "is no key here: did you mean " + near + "?"
	}
	return wrong(k, at+"."+k.Name, "%s", text)
}

// readWhen reads one condition.
func readWhen(p *bootconfig.Property, at string) (model.Lane, error) {
	var l model.Lane
	total := 100
	weight := false
	for _, k := range p.Kids {
		var err error
		switch bootconfig.Relaxed(k.Name) {
		case "header", "cookie", "query":
			if l.From != "" {
				return l, wrong(k, at+"."+k.Name, "stands beside another condition: give each an item of its own")
			}
			l.From = map[string]model.LaneSource{"header": model.LaneHeader, "cookie": model.LaneCookie, "query": model.LaneQuery}[bootconfig.Relaxed(k.Name)]
			l.Field = k.Text()
		case "value":
			l.Value = k.Text()
		case "pattern":
			l.Pattern = k.Text()
			if re, bad := compileFor(ofPart, l.Pattern); bad != nil {
				err = bad
			} else {
				l.Pattern = re.String()
			}
		case "weight":
			weight = true
			l.Share, err = strconv.Atoi(k.Text())
		case "weighttotal":
			total, err = strconv.Atoi(k.Text())
		case "by":
			l.Hash, err = readHash(k.Text())
		default:
			return l, unknownKey(k, at, whenFields)
		}
		if err != nil {
			return l, wrong(k, at+"."+k.Name, "%q: %w", k.Text(), err)
		}
	}
	switch {
	case weight && l.From != "":
		return l, wrong(p, at, "has a weight and another condition: give each an item of its own")
	case weight && (total < 1 || total > model.MaxOf || l.Share < 0 || l.Share > total):
		return l, wrong(p, at+".weight", "%d of %d is no share", l.Share, total)
	case weight:
		l.From, l.Of = model.LaneShare, total
		return l, nil
	case l.From == "":
		return l, wrong(p, at, "has no condition: want one of header, cookie, query, weight")
	case len(l.Hash) > 0:
		return l, wrong(p, at+".by", "belongs to a weight")
	case l.Field == "":
		return l, wrong(p, at, "has a %s without a name", strings.ToLower(string(l.From)))
	case l.Value != "" && l.Pattern != "":
		return l, wrong(p, at, "has a value and a pattern: want one")
	}
	l.Present = l.Value == "" && l.Pattern == ""
	return l, nil
}

// readHash reads what keeps a client in its lane: "header X-User", "cookie uid", "query user" or "source".
func readHash(text string) ([]model.HashPart, error) {
	from, name, _ := strings.Cut(text, " ")
	name = strings.TrimSpace(name)
	part := model.HashPart{Name: name}
	switch strings.ToLower(from) {
	case "header":
		part.From = model.HashHeader
	case "cookie":
		part.From = model.HashCookie
	case "query":
		part.From = model.HashQuery
	case "source":
		part.From = model.HashClient
	}
	if part.From == "" || (part.From == model.HashClient) != (name == "") {
		return nil, errors.New("want header NAME, cookie NAME, query NAME or source")
	}
	return []model.HashPart{part}, nil
}

// divide makes the targets of a forward from the upstream of a whole service: one for each lane, and one for who is in none.
// It returns the upstreams of the parts.
func (ls *lanes) divide(f *model.Forward, whole model.Upstream) []model.Upstream {
	part := func(u model.Upstream) model.Upstream {
		u.ID += model.UpstreamID(u.PartText())
		return u
	}
	rest := whole
	var parts []model.Upstream
	byName := map[string]model.UpstreamID{}
	for _, l := range ls.all {
		rest.Except = append(rest.Except, l.instances)
		u := whole
		u.Select = l.instances
		u = part(u)
		byName[l.name] = u.ID
		parts = append(parts, u)
	}
	rest = part(rest)
	f.LaneOrder = model.CookieAsDraws
	f.Targets = []model.Target{{Upstream: rest.ID, Weight: 1, Else: byName[ls.fallback]}}
	for i, l := range ls.all {
		t := model.Target{Upstream: parts[i].ID}
		if !l.strict {
			t.Else = rest.ID
		}
		if ls.header != "" {
			t.Carry = model.Tag{Name: ls.header, Value: l.name}
			told := model.Lane{Target: t.Upstream, From: model.LaneHeader, Field: ls.header, Value: l.name}
			told.Name = told.Rule(l.name)
			f.Lanes = append(f.Lanes, told)
		}
		f.Targets = append(f.Targets, t)
	}
	for i, l := range ls.all {
		for _, w := range l.when {
			w.Target = parts[i].ID
			f.Lanes = append(f.Lanes, w)
		}
	}
	return append([]model.Upstream{rest}, parts...)
}
