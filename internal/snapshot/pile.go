package snapshot

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// A pile is routes that no segment tells apart: those with one path, and those whose paths no tree holds. A few are
// tried one after the other. Many are sorted by the first header, query parameter or cookie that they ask a value of, or how it
// begins, so that a host that tells its tenants apart by a header answers as fast with many as with few.
type pile struct {
	few  []*Route // in the total order
	many *sorted  // in its stead
}

const (
	mostInPile    = 4
	leastInSorted = 2 // as leastInBranch
)

type sorted struct {
	plain  *ordered // routes that ask nothing for a value
	fields []field
	alike  shard.Map[*ordered] // all routes by their sign
	count  int                 // of all routes
}

// field is a header, query parameter or cookie with the routes that ask a value of it first.
type field struct {
	question
	values shard.Map[*ordered]
}

// question is a header, query parameter or cookie of which something is asked: all of its value, or so many bytes that it begins with.
type question struct {
	in    Place
	name  string
	bytes int // 0: all
}

// longestStart bounds how many there are of one name.
const longestStart = 32

// of is the part of a value that is asked.
func (a *question) of(value string) (string, bool) {
	if a.bytes > len(value) {
		return "", false
	}
	if a.bytes > 0 {
		return value[:a.bytes], true
	}
	return value, true
}

// asks returns what a route asks first that a value has to be, or else what one has to begin with.
func (r *Route) asks() (a question, text string, ok bool) {
	if r.also == nil {
		return question{}, "", false
	}
	var start *fieldTest
	for i := range r.also.fields {
		switch t := &r.also.fields[i]; {
		case t.any || t.none:
		case t.whole == nil:
			return question{t.in, t.name, 0}, t.value, true
		case t.start != "" && start == nil:
			start = t
		}
	}
	if start == nil {
		return question{}, "", false
	}
	text = start.start[:min(len(start.start), longestStart)]
	return question{start.in, start.name, len(text)}, text, true
}

// sign is the same for routes with the same match, and hardly for others.
func (r *Route) sign() string {
	m := &r.Match
	path := m.Path.Value
	if m.Path.Kind == model.PathPrefix {
		path = strings.TrimSuffix(path, "/") // as model.SameMatch has it
	}
	text := fmt.Append(nil, r.late, m.Path.Kind, path)
	for _, method := range m.Methods {
		text = append(append(text, 0), method...)
	}
	for _, fields := range [...][]model.FieldMatch{m.Headers, m.Query, m.Cookies} {
		text = append(text, 1)
		for i := range fields {
			text = append(append(append(append(text, 0), fields[i].Name...), 0), fields[i].Value...)
		}
	}
	for i := range m.Addresses {
		for _, p := range m.Addresses[i].Ranges {
			text = p.AppendTo(append(text, 0))
		}
	}
	for i := range m.Shares {
		text = fmt.Append(text, m.Shares[i].Group, m.Shares[i].From, m.Shares[i].Until)
	}
	return string(binary.LittleEndian.AppendUint64(nil, shard.Hash(string(text))))
}

// pileOf makes a pile of routes in their total order.
func pileOf(routes []*Route) pile {
	if len(routes) <= mostInPile {
		return pile{few: routes}
	}
	s := &sorted{count: len(routes)}
	var plain []*Route
	by, alike := map[question]map[string][]*Route{}, map[string][]*Route{}
	for _, r := range routes {
		sign := r.sign()
		alike[sign] = append(alike[sign], r)
		a, text, ok := r.asks()
		if !ok {
			plain = append(plain, r)
			continue
		}
		if by[a] == nil {
			by[a] = map[string][]*Route{}
		}
		by[a][text] = append(by[a][text], r)
	}
	s.plain, s.alike = orderedOf(plain), orderedBy(alike)
	for a, values := range by {
		s.fields = append(s.fields, field{a, orderedBy(values)})
	}
	return pile{many: s}
}

func orderedBy(routes map[string][]*Route) shard.Map[*ordered] {
	e := shard.Map[*ordered]{}.Edit()
	for key, rs := range routes {
		e.Set(key, orderedOf(rs))
	}
	return e.Map()
}

// with and less are maps of sets with a route more or less in one of them.
func with(m shard.Map[*ordered], key string, r *Route) shard.Map[*ordered] {
	of, _ := m.Get(key)
	e := m.Edit()
	e.Set(key, of.add(r))
	return e.Map()
}

func less(m shard.Map[*ordered], key string, r *Route) shard.Map[*ordered] {
	of, _ := m.Get(key)
	e := m.Edit()
	if of, _ = of.remove(r); of == nil {
		e.Delete(key)
	} else {
		e.Set(key, of)
	}
	return e.Map()
}

func (s *sorted) field(a question) int {
	return slices.IndexFunc(s.fields, func(f field) bool { return f.question == a })
}

func (p pile) add(r *Route) pile {
	if p.many == nil {
		few := inserted(p.few, r)
		return pileOf(few)
	}
	s := *p.many
	s.count++
	s.alike = with(s.alike, r.sign(), r)
	a, text, ok := r.asks()
	if !ok {
		s.plain = s.plain.add(r)
		return pile{many: &s}
	}
	s.fields = slices.Clone(s.fields)
	i := s.field(a)
	if i < 0 {
		i = len(s.fields)
		s.fields = append(s.fields, field{question: a})
	}
	s.fields[i].values = with(s.fields[i].values, text, r)
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
	s.alike = less(s.alike, r.sign(), r)
	a, text, ok := r.asks()
	if !ok {
		s.plain, _ = s.plain.remove(r)
		return pile{many: &s}
	}
	s.fields = slices.Clone(s.fields)
	i := s.field(a)
	f := &s.fields[i]
	if f.values = less(f.values, text, r); f.values.Len() == 0 {
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
	for _, of := range p.many.alike.All() {
		of.all(func(r *Route) bool { f(r); return true })
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
	of, _ := p.many.alike.Get(r.sign())
	of.all(yield)
}
