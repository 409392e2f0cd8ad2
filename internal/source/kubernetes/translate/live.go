package translate

import (
	"iter"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/source"
)

// Get returns an object and whether it is there.
func (s *Store) Get(k Key) (Object, bool) {
	o := s.objects[k]
	if o == nil {
		return Object{}, false
	}
	return o.Object, true
}

// Each yields the objects of a kind, in no order.
func (s *Store) Each(kind Kind) iter.Seq2[Key, Object] {
	return func(yield func(Key, Object) bool) {
		for k, o := range s.objects {
			if k.Kind == kind && !yield(k, o.Object) {
				return
			}
		}
	}
}

// Served tells whether an Ingress is there and served here, as far as its class goes.
func (s *Store) Served(k Key) bool {
	o := s.objects[k]
	if o == nil {
		return false
	}
	v, ok := o.Value.(*networkingv1.Ingress)
	b := &builder{store: s, facts: map[string]bool{}}
	return ok && b.class(v) == served
}

// Reference is a Secret or ConfigMap that came to be named by somebody, or is named by nobody any more.
type Reference struct {
	Key    Key
	Wanted bool
}

// References returns what changed since the last call, in the order of the keys. Only a store that is for a cluster
// (Options.Slices) keeps it: who reads files has every object anyway.
func (s *Store) References() []Reference {
	if len(s.named) == 0 {
		return nil
	}
	out := make([]Reference, 0, len(s.named))
	for _, fact := range slices.Sorted(maps.Keys(s.named)) {
		kind, rest, _ := strings.Cut(fact, "/")
		namespace, name, _ := strings.Cut(rest, "/")
		readers := s.readers[fact]
		out = append(out, Reference{Key{Kind(kind), namespace, name}, readers.Len() > 0})
	}
	s.named = map[string]struct{}{}
	return out
}

// Recall has References return everything that is named now: for who begins to follow it.
func (s *Store) Recall() {
	for fact := range s.readers {
		s.note(fact)
	}
}

// note remembers that the readers of a fact changed, where it is an object that is read only if it is named.
func (s *Store) note(fact string) {
	if s.opt.Slices && (strings.HasPrefix(fact, string(KindSecret)+"/") || strings.HasPrefix(fact, string(KindConfigMap)+"/")) {
		s.named[fact] = struct{}{}
	}
}

// Try returns the groups that would come out if an object were put, without putting it.
func (s *Store) Try(o Object) ([]source.Group, error) {
	before, old := s.dirty, Object{}
	key, known := o.Key()
	if known {
		old, known = s.Get(key)
	}
	s.dirty = map[string]struct{}{}
	defer func() { s.dirty = before }()
	if err := s.Put(o); err != nil {
		return nil, err
	}
	touched := slices.Sorted(maps.Keys(s.dirty))
	out := make([]source.Group, 0, len(touched))
	for _, group := range touched {
		b := &builder{store: s, facts: map[string]bool{}}
		b.make(group)
		g := source.Group{Key: group}
		if !b.gone && !b.out.Empty() {
			g.Objects = &b.out
		}
		out = append(out, g)
	}
	if known {
		return out, s.Put(old)
	}
	s.Delete(key)
	return out, nil
}
