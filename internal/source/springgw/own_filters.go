package springgw

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
	"paifang/internal/model"
)

// The keys that hold filters of ours, which have no name in Spring: of a route's metadata, because Spring Cloud Gateway takes anything there, and of
// the gateway, where it reads over what it does not know, for all routes. So the file stays one that both serve. Those of the first key
// stand in front of default-filters and of the route's own, so that nothing is answered, not out of a cache either, before they have let
// a request pass.
const (
	ownFiltersKey    = "paifang-filters"
	behindFiltersKey = "paifang-filters-behind"
)

func ownKeys() [2]string { return [2]string{ownFiltersKey, behindFiltersKey} }

// maxOwnFilters bounds one list, and maxOwnText one that is written as a text.
const (
	maxOwnFilters = 50
	maxOwnText    = 256 << 10
)

// ownFilter is a filter in the form that routes of ours have. In place of the Secret, which files of Spring do not have, its values are
// written down, most often as placeholders.
type ownFilter struct {
	Kind      string            `json:"kind"`
	Config    json.RawMessage   `json:"config"`
	Data      map[string]string `json:"data"`
	Upstreams []string          `json:"upstreams"` // as in uri
}

// ownList is a list of them as it stands somewhere.
type ownList struct {
	at      *bootconfig.Property
	key     string
	filters []ownFilter
	err     error // why it cannot be read
}

func newOwnList(p *bootconfig.Property, key string) ownList {
	l := ownList{at: p, key: key}
	l.filters, l.err = readOwnFilters(p, key)
	return l
}

// equal tells whether two lists come to the same.
func (l ownList) equal(m ownList) bool { return l.key == m.key && l.at.Equal(m.at) }

// readOwnFilters reads a list: YAML as it stands in the file, or, as an annotation of an Ingress has it, in a text.
func readOwnFilters(p *bootconfig.Property, key string) ([]ownFilter, error) {
	if p == nil {
		return nil, nil
	}
	root := p.Node()
	if p.IsText() {
		if len(p.Text()) > maxOwnText {
			return nil, wrong(p, key, "has %d bytes, more than %d", len(p.Text()), maxOwnText)
		}
		docs, problems := document.Split(p.File, []byte(p.Text()))
		switch {
		case len(problems) > 0:
			return nil, wrong(p, key, "is no list of filters: %s", problems[0].Message)
		case len(docs) != 1:
			return nil, wrong(p, key, "has %d documents: want one list of filters", len(docs))
		}
		root = docs[0].Root
	}
	if root.Kind != document.List || len(root.Items) == 0 || len(root.Items) > maxOwnFilters {
		return nil, wrong(p, key, "want a list of 1 to %d filters", maxOwnFilters)
	}
	var out []ownFilter
	for i, item := range root.Items {
		var f ownFilter
		at := fmt.Sprintf("%s[%d]", key, i)
		if problems := document.Decode(document.Document{File: p.File, Root: item}, &f); len(problems) > 0 {
			return nil, ownProblem(p, at, problems[0])
		}
		if f.Kind == "" {
			return nil, wrong(p, at+".kind", "is missing")
		}
		out = append(out, f)
	}
	return out, nil
}

// ownProblem is what does not fit, at its line where the list stands in the file itself.
func ownProblem(p *bootconfig.Property, at string, x document.Problem) error {
	place := *p
	if !p.IsText() {
		place.Line = cmp.Or(x.Line, p.Line)
	}
	switch x.Field {
	case "":
	case "secret":
		x.Message = "there is no Secret to name here: write its values below data, as placeholders if you like"
		fallthrough
	default:
		at += "." + x.Field
	}
	return wrong(&place, at, "%s", x.Message)
}

// targetsOf are where the filters of a list send requests of their own to, for each of them.
func (t *translator) targetsOf(l ownList) ([][]target, error) {
	out := make([][]target, len(l.filters))
	for i, f := range l.filters {
		for j, uri := range f.Upstreams {
			to, err := readTarget(uri)
			if err == nil && to.service != "" && to.service == t.c.Self {
				err = fmt.Errorf("lb://%s is this gateway itself: a request would come back for ever", to.service)
			}
			if err != nil {
				return nil, wrong(l.at, fmt.Sprintf("%s[%d].upstreams[%d]", l.key, i, j), "%s", err)
			}
			out[i] = append(out[i], to)
		}
	}
	return out, l.err
}

// ownFilters are those of a list as routes have them, with the upstreams that they send requests of their own to.
func (t *translator) ownFilters(g *model.Objects, l ownList, origin model.Origin) ([]model.FilterSpec, error) {
	targets, err := t.targetsOf(l)
	if err != nil {
		return nil, err
	}
	var out []model.FilterSpec
	for i, f := range l.filters {
		spec := model.FilterSpec{Kind: f.Kind, Config: f.Config, Data: model.NewSecretData(f.Data)}
		for _, to := range targets[i] {
			spec.Upstreams = append(spec.Upstreams, t.reach(g, to, origin))
		}
		out = append(out, spec)
	}
	return out, nil
}

// sharedFilters are those of the lists that all routes have. What is wrong with one is said by checkDefaults.
func (t *translator) sharedFilters(g *model.Objects, origin model.Origin) (out [2][]model.FilterSpec, err error) {
	for i, lists := range t.own {
		for _, l := range lists {
			now := t.client
			t.as(l.at.File)
			filters, fault := t.ownFilters(g, l, origin)
			t.client = now
			out[i] = append(out[i], filters...)
			err = cmp.Or(err, fault)
		}
	}
	return out, err
}

// reach returns the upstream of a target, and sees to it that there is one.
func (t *translator) reach(g *model.Objects, to target, origin model.Origin) model.UpstreamID {
	up := to.upstream(t.c, origin)
	t.client.of(&up, to)
	if to.service == "" {
		t.lead(to, up)
		return up.ID
	}
	if !slices.ContainsFunc(g.Upstreams, func(have model.Upstream) bool { return have.ID == up.ID }) {
		g.Upstreams = append(g.Upstreams, up)
	}
	return up.ID
}
