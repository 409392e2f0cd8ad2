package upstream

import (
	"cmp"
	"slices"
)

const (
	// pointsPerUnit is how many places an endpoint of weight 1.000 has on a ring: shares are even to some 8 %.
	pointsPerUnit = 160
	// mostPoints bounds a ring. Where weights ask for more, all endpoints have half as many, or a quarter, and so on.
	mostPoints = 1 << 18
)

// ring is a consistent hash after ketama: each endpoint has places on a circle, and a key belongs to the next place. An
// endpoint that goes leaves its keys to its neighbours, and one that comes takes from them: no other key moves.
type ring struct {
	hashes []uint64 // ascending
	owners []uint32 // of each, an index into the class
	counts []int    // of each member of the class: its places
	shift  int      // by which the places were halved
}

type point struct {
	hash  uint64
	owner uint32
}

// newRing makes a ring of endpoints with weights in thousandths. What an older ring of a class has in common with it is
// taken over, so that a change of one endpoint costs one pass and no sorting of the rest.
func newRing(endpoints []*Endpoint, weights []int, old *class) *ring {
	r := &ring{counts: make([]int, len(endpoints))}
	total := 0
	for _, w := range weights {
		total += max(1, w*pointsPerUnit/1000)
	}
	for total>>r.shift > mostPoints {
		r.shift++
	}
	total = 0
	for i, w := range weights {
		r.counts[i] = max(1, (w*pointsPerUnit/1000)>>r.shift)
		total += r.counts[i]
	}
	stays := r.shared(endpoints, old)
	var fresh []point
	for i, e := range endpoints {
		if stays.has(i) {
			continue
		}
		id := identity(e)
		for j := range r.counts[i] {
			fresh = append(fresh, point{spread(id + uint64(j+1)*0x9e3779b97f4a7c15), uint32(i)})
		}
	}
	// Two endpoints on one place is next to impossible; the order must be one all the same.
	slices.SortFunc(fresh, func(a, b point) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.owner, b.owner)) })
	r.hashes, r.owners = make([]uint64, 0, total), make([]uint32, 0, total)
	if stays.any {
		for i, h := range old.ring.hashes {
			now := stays.to[old.ring.owners[i]]
			if now < 0 {
				continue
			}
			fresh = r.before(fresh, point{h, uint32(now)})
			r.add(point{h, uint32(now)})
		}
	}
	for _, p := range fresh {
		r.add(p)
	}
	return r
}

func (r *ring) add(p point) {
	r.hashes = append(r.hashes, p.hash)
	r.owners = append(r.owners, p.owner)
}

// before adds the points that come before p and returns the others.
func (r *ring) before(fresh []point, p point) []point {
	for len(fresh) > 0 && (fresh[0].hash < p.hash || fresh[0].hash == p.hash && fresh[0].owner < p.owner) {
		r.add(fresh[0])
		fresh = fresh[1:]
	}
	return fresh
}

// staying says which members of an older class keep their places.
type staying struct {
	any  bool
	to   []int // by index in the older class: index in the new one, or -1
	from []bool
}

func (s *staying) has(i int) bool { return s.any && s.from[i] }

// shared compares with an older class. Both are sorted by address.
func (r *ring) shared(endpoints []*Endpoint, old *class) *staying {
	s := &staying{}
	if old == nil || old.ring == nil {
		return s
	}
	s.to, s.from = make([]int, len(old.endpoints)), make([]bool, len(endpoints))
	i := 0
	for o, e := range old.endpoints {
		s.to[o] = -1
		for i < len(endpoints) && endpoints[i].Addr.Compare(e.Addr) < 0 {
			i++
		}
		if i < len(endpoints) && endpoints[i].Addr == e.Addr && r.counts[i] == old.ring.counts[o] {
			s.to[o], s.from[i], s.any = i, true, true
		}
	}
	return s
}

// at is the index of the place that a key belongs to.
func (r *ring) at(k Key) int {
	i, _ := slices.BinarySearch(r.hashes, spread(uint64(k)))
	if i == len(r.hashes) {
		return 0
	}
	return i
}

// shares are the parts of the circle that lead to each member. They add up to 1.
func (r *ring) shares() []float64 {
	out := make([]float64, len(r.counts))
	last := r.hashes[len(r.hashes)-1]
	for i, h := range r.hashes {
		out[r.owners[i]] += float64(h-last) / (1 << 64) // the first wraps around
		last = h
	}
	if len(r.hashes) == 1 {
		out[r.owners[0]] = 1
	}
	return out
}
