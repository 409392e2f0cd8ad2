package overload

import (
	"runtime/debug"
	"runtime/metrics"
)

// Of rest: over how many looks what is made is added up, some of which find much where a page of metrics is made, say; and how many looks are
// between two runs of the collector that the runtime forces.
const (
	restAfter  = 30
	restForced = 120
)

// restShare is the part of what lives that may be garbage beside it at rest, and restLeast the least that may, in bytes. It is less than at
// other times, since it stays for hours; and as much as the stacks of two thousand connections that come at once, which shall not have the
// collector run.
const (
	restShare = 8
	restLeast = 16 << 20
)

// restHeadroom is the part of a memory limit that the runtime does not let the heap grow into, and the least that it is, in bytes.
const (
	restHeadroom      = 32
	restLeastHeadroom = 1 << 20
)

// heap is what one look finds, in bytes and runs of the collector since the process began.
type heap struct {
	live      uint64 // at the end of the last run
	made      uint64 // all that was ever made
	automatic uint64 // runs that nobody asked for
	runs      uint64
}

func lookAtHeap() heap {
	s := [...]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/cycles/automatic:gc-cycles"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s[:])
	return heap{s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Uint64()}
}

// rest keeps the collector from running where there is nothing to collect. The runtime has it run every two minutes in any case, which
// with a gigabyte that lives is two seconds of a core. It does not where no percentage is set: then a memory limit says when it runs.
type rest struct {
	looks  int    // since what was made by then
	from   uint64 // is this
	runs   uint64 // of the collector by the last look
	limit  int64
	before int64 // the limit that was there
}

func newRest(found heap) rest { return rest{from: found.made, runs: found.runs} }

// look tells whether the collector rests now. It does once little was made for a while, until it has run: then percent is in force
// again, and the limit that was there before.
func (r *rest) look(found heap, percent int) bool {
	r.looks++
	if found.runs != r.runs {
		r.end(percent)
		r.looks, r.from, r.runs = 0, found.made, found.runs
	}
	if r.looks >= restAfter && !r.resting() {
		if (found.made-r.from)*restForced/restAfter < room(found.live) && found.live >= thriftyFrom {
			r.begin(found.live)
		}
		r.looks, r.from = 0, found.made
	}
	return r.resting()
}

// room is how much garbage there may be beside what lives.
func room(live uint64) uint64 { return max(live/restShare, restLeast) }

func (r *rest) resting() bool { return r.limit != 0 }

// begin sets the limit, and the percentage to none. What the process holds of the system it may use. It sets neither where that is more than
// the limit that is there already: the runtime would run the collector again and again.
func (r *rest) begin(live uint64) {
	s := [...]metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s[:])
	held, goal := Memory(), live+room(live)
	beside := held - min(held, s[0].Value.Uint64()+s[1].Value.Uint64()) // what is no heap
	limit := int64(beside + goal + max(goal/restHeadroom, restLeastHeadroom))
	before := debug.SetMemoryLimit(-1)
	if limit = min(max(limit, int64(held)), before); held > uint64(limit) {
		return
	}
	r.limit, r.before = limit, before
	debug.SetMemoryLimit(limit)
	debug.SetGCPercent(-1)
}

// end leaves a limit alone that somebody else has set meanwhile.
func (r *rest) end(percent int) {
	if !r.resting() {
		return
	}
	debug.SetGCPercent(percent)
	if debug.SetMemoryLimit(-1) == r.limit {
		debug.SetMemoryLimit(r.before)
	}
	r.limit = 0
}
