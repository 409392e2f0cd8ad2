package upstream

import "slices"

// longestOrder bounds a schedule. Weights whose exact period is longer are rounded to it, which moves a share by
// less than one in longestOrder; a list with more endpoints gets four turns for each.
const longestOrder = 4096

// schedule returns the order in which endpoints of these positive weights take turns, one period of it, or nil where
// they simply alternate. After any number k of turns each endpoint has had its share k·w/W, off by less than one.
//
// The guarantee is R. Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980): of those
// that have waited long enough, the one with the earliest deadline goes first.
func schedule(weights []int) []uint32 {
	if len(weights) < 2 || slices.Min(weights) == slices.Max(weights) {
		return nil
	}
	weights = shorten(weights)
	total := 0
	for _, w := range weights {
		total += w
	}
	// Times are kept in units of 1/(2n-2) of a turn times the weight, so that everything is an integer: the j-th turn
	// (from 0) of an endpoint may come at the first k with k·w ≥ (j + 1/(2n-2))·W, and must come by the last k with
	// (k-1)·w - j·W ≤ (1 - 1/(2n-2))·W - w.
	n := len(weights)
	unit := 2*n - 2
	eligible := make([][]uint32, total+1)
	release := func(i uint32, turns, earliest int) {
		at := max(earliest, (turns*total*unit+total+weights[i]*unit-1)/(weights[i]*unit))
		if at <= total {
			eligible[at] = append(eligible[at], i)
		}
	}
	deadline := func(i uint32, turns int) int {
		return (turns*total*unit + (unit-1)*total) / (weights[i] * unit)
	}
	turns := make([]int, n)
	for i := range weights {
		release(uint32(i), 0, 1)
	}
	order := make([]uint32, 0, total)
	var waiting deadlines
	for k := 1; k <= total; k++ {
		for _, i := range eligible[k] {
			waiting.push(deadlineOf{deadline(i, turns[i]), i})
		}
		if len(waiting) == 0 {
			break // cannot be: the shares of k turns add up to k
		}
		next := waiting.pop().endpoint
		order = append(order, next)
		turns[next]++
		release(next, turns[next], k+1)
	}
	return order
}

// shorten divides weights by what they have in common, and rounds them where their sum is still too long.
func shorten(weights []int) []int {
	divisor, total := 0, 0
	for _, w := range weights {
		divisor = gcd(divisor, w)
		total += w
	}
	total /= divisor
	longest := max(longestOrder, 4*len(weights))
	out := make([]int, len(weights))
	for i, w := range weights {
		out[i] = w / divisor
		if total > longest {
			out[i] = max(1, (out[i]*longest+total/2)/total)
		}
	}
	return out
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// deadlineOf is an endpoint that waits for its turn.
type deadlineOf struct {
	turn     int
	endpoint uint32
}

func (d deadlineOf) before(e deadlineOf) bool {
	return d.turn < e.turn || d.turn == e.turn && d.endpoint < e.endpoint
}

// deadlines is a binary heap, the earliest on top.
type deadlines []deadlineOf

func (h *deadlines) push(d deadlineOf) {
	*h = append(*h, d)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(s[up]) {
			return
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *deadlines) pop() deadlineOf {
	s := *h
	top := s[0]
	last := len(s) - 1
	s[0] = s[last]
	s = s[:last]
	*h = s
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(s); c++ {
			if s[c].before(s[least]) {
				least = c
			}
		}
		if least == i {
			return top
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
