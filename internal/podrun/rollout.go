package podrun

import "slices"

// member is what a rollout has to know of a pod that was not yet told to end.
type member struct {
	current bool // of the template that is wanted
	ready   bool
	age     int // the higher, the younger
}

// want is what a workload asks for.
type want struct {
	replicas, surge, unavailable int
}

// plan decides how many pods to add and which ones to end now, as the Deployment controller of Kubernetes does: never
// more than replicas+surge, never fewer ready ones than replicas-unavailable, except that what is not ready anyway does
// not count. It is called again after each change, so it takes one step and not the whole way.
func plan(w want, pods []member) (add int, end []int) {
	if w.surge == 0 && w.unavailable == 0 {
		w.surge = 1
	}
	var current, currentReady, ready int
	var old, present []int
	for i, m := range pods {
		if m.ready {
			ready++
		}
		if m.current {
			current++
			present = append(present, i)
			if m.ready {
				currentReady++
			}
		} else {
			old = append(old, i)
		}
	}
	if surplus := current - w.replicas; surplus > 0 {
		leastNeeded(pods, present)
		end = append(end, present[:surplus]...)
		for _, i := range end {
			if pods[i].ready {
				ready--
				currentReady--
			}
		}
		current = w.replicas
	}
	most, fewest := w.replicas, max(0, w.replicas-w.unavailable)
	if len(old) > 0 {
		most += w.surge
	}
	leastNeeded(pods, old)
	// Old pods that are not ready serve nobody: they go as far as the new ones that are on their way leave room.
	spare := current + len(old) - fewest - (current - currentReady)
	gone := 0
	for _, i := range old {
		if !pods[i].ready && gone < spare {
			end = append(end, i)
			gone++
		}
	}
	// Old pods that are ready go as far as enough others are.
	left := len(old) - gone
	for _, i := range old {
		if pods[i].ready && ready > fewest {
			end = append(end, i)
			ready--
			left--
		}
	}
	add = max(0, min(w.replicas-current, most-current-left))
	slices.Sort(end)
	return add, end
}

// leastNeeded sorts pods by who is to go first: those that are not ready, then the youngest.
func leastNeeded(pods []member, which []int) {
	slices.SortFunc(which, func(a, b int) int {
		if pods[a].ready != pods[b].ready {
			if pods[b].ready {
				return -1
			}
			return 1
		}
		return pods[b].age - pods[a].age
	})
}

// letters is the n-th suffix of pod names: a, b, … z, aa, ab, …
func letters(n int) string {
	var s []byte
	for n++; n > 0; n = (n - 1) / 26 {
		s = append(s, byte('a'+(n-1)%26))
	}
	slices.Reverse(s)
	return string(s)
}
