package snapshot

import (
	"slices"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// A pile is routes that no segment tells apart: those with one path, and those whose paths no tree holds. A few are
// tried one after the other. Many are sorted by the first header, query parameter or cookie that they ask a value of, so that a
// host that tells its tenants apart by a header answers as fast with many as with few.
type pile struct {
	few  []*Route // in the total order
	many *sorted  // in its stead
}

const (
	mostInPile    = 4
	leastInSorted = 2 // as leastInBranch
)

type sorted struct {
	plain  *ordered // routes that ask nothing for one value
	fields []field
	count  int // of all routes
}

// field is a header, query parameter or cookie with the routes that ask a value of it first.
type field struct {
	in     Place
	name   string
	values shard.Map[*ordered]
}

// asks returns the first header, query parameter or cookie of which a route asks one value, which has to be there.
func (r *Route) asks() (in Place, m model.FieldMatch, ok bool) {
	for in, fields := range [...][]model.FieldMatch{InHeaders: r.Match.Headers, InQuery: r.Match.Query, InCookies: r.Match.Cookies} {
		for _, f := range fields {
			if !f.Present && !f.Regex && !f.OrAbsent {
				return Place(in), f, true
			}
		}
	}
	return 0, model.FieldMatch{}, false
}

// pileOf makes a pile of routes in their total order.
func pileOf(routes []*Route) pile {
	if len(routes) <= mostInPile {
		return pile{few: routes}
	}
	s := &sorted{count: len(routes)}
	var plain []*Route
	type place struct {
		in   Place
		name string
	}
	by := map[place]map[string][]*Route{}
	for _, r := range routes {
		in, m, ok := r.asks()
		if !ok {
			plain = append(plain, r)
			continue
		}
		p := place{in, m.Name}
		if by[p] == nil {
			by[p] = map[string][]*Route{}
		}
		by[p][m.Value] = append(by[p][m.Value], r)
	}
	s.plain = orderedOf(plain)
	for p, values := range by {
		e := shard.Map[*ordered]{}.Edit()
		for v, rs := range values {
			e.Set(v, orderedOf(rs))
		}
		s.fields = append(s.fields, field{p.in, p.name, e.Map()})
	}
	return pile{many: s}
}

func (s *sorted) field(in Place, name string) int {
	return slices.IndexFunc(s.fields, func(f field) bool { return f.in == in && f.name == name })
}

func (p pile) add(r *Route) pile {
	if p.many == nil {
		few := inserted(p.few, r)
		return pileOf(few)
	}
	s := *p.many
	s.count++
	in, m, ok := r.asks()
	if !ok {
		s.plain = s.plain.add(r)
		return pile{many: &s}
	}
	s.fields = slices.Clone(s.fields)
	i := s.field(in, m.Name)
	if i < 0 {
		i = len(s.fields)
		s.fields = append(s.fields, field{in: in, name: m.Name})
	}
	f := &s.fields[i]
	of, _ := f.values.Get(m.Value)
	e := f.values.Edit()
	e.Set(m.Value, of.add(r))
	f.values = e.Map()
	return pile{many: &s}
}

func (p pile) remove(r *Route) pile {
	if p.many == nil {
		return pile{few: without(p.few, r)}
	}
	s := *p.many
	s.count--
	if s.count <= leastInSorted {
		rest := make([]*Route, 0, s.count)
		p.all(func(x *Route) {
			if x != r {
				rest = append(rest, x)
			}
		})
		slices.SortFunc(rest, compare)
		return pile{few: rest}
	}
	in, m, ok := r.asks()
	if !ok {
		s.plain, _ = s.plain.remove(r)
		return pile{many: &s}
	}
	s.fields = slices.Clone(s.fields)
	i := s.field(in, m.Name)
	f := &s.fields[i]
	of, _ := f.values.Get(m.Value)
	e := f.values.Edit()
	if of, _ = of.remove(r); of == nil {
		e.Delete(m.Value)
	} else {
		e.Set(m.Value, of)
	}
	if f.values = e.Map(); f.values.Len() == 0 {
		s.fields = slices.Delete(s.fields, i, i+1)
	}
	return pile{many: &s}
}

func (p *pile) all(f func(*Route)) {
	for _, r := range p.few {
		f(r)
	}
	if p.many == nil {
		return
	}
	each := func(r *Route) bool { f(r); return true }
	p.many.plain.all(each)
	for i := range p.many.fields {
		for _, of := range p.many.fields[i].values.All() {
			of.all(each)
		}
	}
}

func (p *pile) beside(r *Route, yield func(*Route) bool) {
	if p.many == nil {
		for _, x := range p.few {
			if !yield(x) {
				return
			}
		}
		return
	}
	in, m, ok := r.asks()
	if !ok {
		p.many.plain.all(yield)
		return
	}
	if i := p.many.field(in, m.Name); i >= 0 {
		of, _ := p.many.fields[i].values.Get(m.Value)
		of.all(yield)
	}
}
