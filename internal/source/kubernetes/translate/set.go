package translate

import "slices"

// set holds a few members, and most often one. A map for each would be most of what a store takes: with thousands of
// objects there are several sets for each.
type set[T comparable] struct {
	few  []T
	many map[T]struct{} // in its stead, from mostInFew on
}

const mostInFew = 16

func (s *set[T]) add(x T) {
	switch {
	case s.many != nil:
		s.many[x] = struct{}{}
	case slices.Contains(s.few, x):
	case len(s.few) < mostInFew:
		s.few = append(s.few, x)
	default:
		s.many = map[T]struct{}{x: {}}
		for _, y := range s.few {
			s.many[y] = struct{}{}
		}
		s.few = nil
	}
}

func (s *set[T]) remove(x T) {
	delete(s.many, x)
	if i := slices.Index(s.few, x); i >= 0 {
		s.few = slices.Delete(s.few, i, i+1)
	}
}

func (s set[T]) len() int { return len(s.few) + len(s.many) }

// all yields the members, in no order.
func (s set[T]) all(yield func(T) bool) {
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

// put adds a member to one of many sets.
func put[K, T comparable](sets map[K]set[T], k K, x T) {
	s := sets[k]
	s.add(x)
	sets[k] = s
}

// take removes a member from one of many sets, and with the last one the set.
func take[K, T comparable](sets map[K]set[T], k K, x T) {
	s := sets[k]
	if s.remove(x); s.len() > 0 {
		sets[k] = s
	} else {
		delete(sets, k)
	}
}
