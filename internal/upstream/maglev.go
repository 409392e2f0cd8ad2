package upstream

import "slices"

// maglevSize is the number of entries of a table: a prime, and a hundred times as many as there are endpoints in all but the
// longest lists, so that shares are even to a hundredth.
const maglevSize = 65537

// maglev is a consistent hash after D. Eisenbud et al., Maglev (NSDI 2016), section 3.4: each endpoint has a preference for
// every entry and endpoints take turns, by weight, to take the best one that is left. The table says whose a key is.
type maglev struct{ owners []uint32 }

func newMaglev(endpoints []*Endpoint, weights []int) *maglev {
	n := len(endpoints)
	m := &maglev{owners: make([]uint32, maglevSize)}
	taken := make([]uint64, maglevSize/64+1) // a bit for each entry: small enough to stay near while every endpoint looks for its next
	at, skip := make([]uint64, n), make([]uint64, n)
	for i, e := range endpoints {
		id := identity(e)
		at[i], skip[i] = spread(id+1)%maglevSize, spread(id+2)%(maglevSize-1)+1
	}
	// An endpoint takes an entry in each round for which its weight has added up to that of the heaviest.
	heaviest := slices.Max(weights)
	credit := make([]int, n)
	for left := maglevSize; left > 0; {
		for i := range n {
			if credit[i] += weights[i]; credit[i] < heaviest {
				continue
			}
			credit[i] -= heaviest
			entry, step := at[i], skip[i]
			for taken[entry/64]&(1<<(entry%64)) != 0 {
				if entry += step; entry >= maglevSize {
					entry -= maglevSize
				}
			}
			taken[entry/64] |= 1 << (entry % 64)
			m.owners[entry], at[i] = uint32(i), entry
			if left--; left == 0 {
				break
			}
		}
	}
	return m
}

// at is the entry of a key.
func (m *maglev) at(k Key) int { return int(spread(uint64(k)) % maglevSize) }

// shares are the parts of the table that lead to each of n members. They add up to 1.
func (m *maglev) shares(n int) []float64 {
	out := make([]float64, n)
	for _, o := range m.owners {
		out[o] += 1.0 / maglevSize
	}
	return out
}
