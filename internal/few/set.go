// Package few holds sets that have most often one member. A map for each would be most of what keeps them takes: of thousands
// of objects there are several sets for each.
package few

import "slices"

// Set is a set. The zero Set is empty.
type Set[T comparable] struct {
	few  []T
	many map[T]struct{} // in its stead, from most on
}

// most is how many members are looked through one by one.
const most = 16

// Add adds a member, once.
func (s *Set[T]) Add(x T) {
	switch {
	case s.many != nil:
		s.many[x] = struct{}{}
	case slices.Contains(s.few, x):
	case len(s.few) < most:
		s.few = append(s.few, x)
	default:
		s.many = map[T]struct{}{x: {}}
		for _, y := range s.few {
			s.many[y] = struct{}{}
		}
		s.few = nil
	}
}

// Remove removes a member, if it is one.
func (s *Set[T]) Remove(x T) {
	delete(s.many, x)
	if i := slices.Index(s.few, x); i >= 0 {
		s.few = slices.Delete(s.few, i, i+1)
	}
}

// Len is how many members there are.
func (s Set[T]) Len() int { return len(s.few) + len(s.many) }

// All yields the members, in no order. The set must not change meanwhile.
func (s Set[T]) All(yield func(T) bool) {
	for _, x := range s.few {
		if !yield(x) {
			return
		}
	}
	for x := range s.many {
		if !yield(x) {
			return
		}
	}
}

// Put adds a member to one of many sets.
func Put[K, T comparable](sets map[K]Set[T], k K, x T) {
	s := sets[k]
	s.Add(x)
	sets[k] = s
}

// Take removes a member from one of many sets, and with the last one the set.
func Take[K, T comparable](sets map[K]Set[T], k K, x T) {
	s := sets[k]
	if s.Remove(x); s.Len() > 0 {
		sets[k] = s
	} else {
		delete(sets, k)
	}
}
