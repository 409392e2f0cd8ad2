package shard

// A node branches sixteen ways, by four bits of the hash. A chain that grows beyond most cells becomes a node, unless
// the bits are used up. Sixteen ways keep the copy of a path small: at 100,000 keys it is four nodes of 272 bytes.
const (
	bits   = 4
	fan    = 1 << bits
	most   = 6
	few    = 3 // a node with no more cells than these becomes a chain again
	levels = 64 / bits
)

// slot is a part of the map: a node, or a chain of cells, or nothing.
type slot[K comparable, V any] struct {
	node  *node[K, V]
	cells *cell[K, V]
}

type node[K comparable, V any] struct {
	slots [fan]slot[K, V]
	owner *owner
}

// owner marks the nodes that an editor made and may change in place.
type owner struct{ _ byte }

// cell is one entry. Cells never change, so versions share the tails of chains.
type cell[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
	next  *cell[K, V]
}

// find returns the cell of a key in a part that lies depth levels down, or nil.
func (s *slot[K, V]) find(depth int, hash uint64, key K) *cell[K, V] {
	for h := hash >> (depth * bits); s.node != nil; h >>= bits {
		s = &s.node.slots[h&(fan-1)]
	}
	for c := s.cells; c != nil; c = c.next {
		if c.hash == hash && c.key == key {
			return c
		}
	}
	return nil
}

// own returns a node that the editor may change.
func (n *node[K, V]) own(by *owner) *node[K, V] {
	if n.owner == by {
		return n
	}
	c := *n
	c.owner = by
	return &c
}

// set returns the part with a value put under a key, and whether the key is new.
func (s slot[K, V]) set(by *owner, depth int, hash uint64, key K, value V) (slot[K, V], bool) {
	if s.node != nil {
		n := s.node.own(by)
		at := &n.slots[hash>>(depth*bits)&(fan-1)]
		next, added := at.set(by, depth+1, hash, key, value)
		*at = next
		return slot[K, V]{node: n}, added
	}
	length := 0
	for c := s.cells; c != nil; c = c.next {
		if c.hash == hash && c.key == key {
			return slot[K, V]{cells: s.cells.replace(c, &cell[K, V]{hash, key, value, c.next})}, false
		}
		length++
	}
	if length < most || depth == levels {
		return slot[K, V]{cells: &cell[K, V]{hash, key, value, s.cells}}, true
	}
	n := &node[K, V]{owner: by}
	n.put(depth, hash, key, value)
	for c := s.cells; c != nil; c = c.next {
		n.put(depth, c.hash, c.key, c.value)
	}
	return slot[K, V]{node: n}, true
}

// put adds a key that is new to a node without nodes below it. More than most cells in one chain are no harm: the next
// one splits it.
func (n *node[K, V]) put(depth int, hash uint64, key K, value V) {
	at := &n.slots[hash>>(depth*bits)&(fan-1)]
	at.cells = &cell[K, V]{hash, key, value, at.cells}
}

// replace returns the chain with x, which may be nil, in the place of one of its cells and what follows it.
func (c *cell[K, V]) replace(old, x *cell[K, V]) *cell[K, V] {
	if c == old {
		return x
	}
	return &cell[K, V]{c.hash, c.key, c.value, c.next.replace(old, x)}
}

// remove returns the part without a key that is in it.
func (s slot[K, V]) remove(by *owner, depth int, hash uint64, key K) slot[K, V] {
	if s.node != nil {
		n := s.node.own(by)
		at := &n.slots[hash>>(depth*bits)&(fan-1)]
		*at = at.remove(by, depth+1, hash, key)
		return n.tidy()
	}
	for c := s.cells; c != nil; c = c.next {
		if c.hash == hash && c.key == key {
			return slot[K, V]{cells: s.cells.replace(c, c.next)}
		}
	}
	return s
}

// tidy turns a node that has little left in it into a chain.
func (n *node[K, V]) tidy() slot[K, V] {
	count := 0
	for i := range n.slots {
		if n.slots[i].node != nil {
			return slot[K, V]{node: n}
		}
		for c := n.slots[i].cells; c != nil; c = c.next {
			if count++; count > few {
				return slot[K, V]{node: n}
			}
		}
	}
	var chain *cell[K, V]
	for i := range n.slots {
		for c := n.slots[i].cells; c != nil; c = c.next {
			chain = &cell[K, V]{c.hash, c.key, c.value, chain}
		}
	}
	return slot[K, V]{cells: chain}
}

func (s *slot[K, V]) all(yield func(K, V) bool) bool {
	if s.node != nil {
		for i := range s.node.slots {
			if !s.node.slots[i].all(yield) {
				return false
			}
		}
	}
	for c := s.cells; c != nil; c = c.next {
		if !yield(c.key, c.value) {
			return false
		}
	}
	return true
}

// changes yields what may differ between two versions of one part: everything that they do not share.
func (s *slot[K, V]) changes(depth int, old *slot[K, V], yield func(Change[K, V]) bool) bool {
	if *s == *old {
		return true
	}
	if s.node != nil && old.node != nil {
		for i := range s.node.slots {
			if !s.node.slots[i].changes(depth+1, &old.node.slots[i], yield) {
				return false
			}
		}
		return true
	}
	return s.each(func(c *cell[K, V]) bool {
		switch was := old.find(depth, c.hash, c.key); was {
		case c:
			return true
		case nil:
			return yield(Change[K, V]{Key: c.key, New: c.value, HasNew: true})
		default:
			return yield(Change[K, V]{c.key, was.value, c.value, true, true})
		}
	}) && old.each(func(c *cell[K, V]) bool {
		return s.find(depth, c.hash, c.key) != nil || yield(Change[K, V]{Key: c.key, Old: c.value, HadOld: true})
	})
}

func (s *slot[K, V]) each(f func(*cell[K, V]) bool) bool {
	if s.node != nil {
		for i := range s.node.slots {
			if !s.node.slots[i].each(f) {
				return false
			}
		}
	}
	for c := s.cells; c != nil; c = c.next {
		if !f(c) {
			return false
		}
	}
	return true
}
