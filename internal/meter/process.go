package meter

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"paifang/internal/exposition"
)

var (
	buildInfo = exposition.Family{Name: "paifang_build_info", Type: exposition.Gauge, Labels: []string{"version", "goversion"},
		Help: "Always 1: what the program was built from."}
	logLines = exposition.Family{Name: "paifang_access_log_lines_total", Type: exposition.Counter,
		Help: "Lines that were written to the access log."}
	logDropped = exposition.Family{Name: "paifang_access_log_dropped_total", Type: exposition.Counter,
		Help: "Lines that were not written: the disk was too slow or full. No request waited for it."}
	logOpens = exposition.Family{Name: "paifang_access_log_opens_total", Type: exposition.Counter,
		Help: "How often the file was opened: once at the start, then once for each rotation."}
	logUp = exposition.Family{Name: "paifang_access_log_up", Type: exposition.Gauge,
		Help: "1 while the last write went well. These are there only with an access log."}
	spansSent = exposition.Family{Name: "paifang_trace_spans_sent_total", Type: exposition.Counter,
		Help: "Spans of traces that a collector has taken."}
	spansDropped = exposition.Family{Name: "paifang_trace_spans_dropped_total", Type: exposition.Counter,
		Help: "Spans that were not sent: too many waited, or no collector took them in time. No request waited for one."}
	exportsFailed = exposition.Family{Name: "paifang_trace_exports_failed_total", Type: exposition.Counter,
		Help: "Messages with spans that a collector has not taken; they are tried again for half a minute."}
	memoryUsed = exposition.Family{Name: "paifang_memory_used_bytes", Type: exposition.Gauge,
		Help: "Memory that the runtime has of the system, as the overload watch saw it last."}
	memoryLimit = exposition.Family{Name: "paifang_memory_limit_bytes", Type: exposition.Gauge,
		Help: "The limit that the overload watch measures against (limits.memory)."}
	overloadLevel = exposition.Family{Name: "paifang_overload_level", Type: exposition.Gauge,
		Help: "0: calm; 1: idle connections are kept shorter; 2: connections are not kept; 3: requests are answered with 503; 4: connections are reset."}
	startTime = exposition.Family{Name: "process_start_time_seconds", Type: exposition.Gauge,
		Help: "When the process began, in seconds since 1970."}
	cpuTime = exposition.Family{Name: "process_cpu_seconds_total", Type: exposition.Counter,
		Help: "Time on processors, user and system together (not on Windows)."}
	openFiles = exposition.Family{Name: "process_open_fds", Type: exposition.Gauge,
		Help: "Open file descriptors (Linux only)."}
	maxFiles = exposition.Family{Name: "process_max_fds", Type: exposition.Gauge,
		Help: "File descriptors that there may be (not on Windows)."}
	resident = exposition.Family{Name: "process_resident_memory_bytes", Type: exposition.Gauge,
		Help: "Memory of the process that is in RAM (Linux only)."}
	goInfo = exposition.Family{Name: "go_info", Type: exposition.Gauge, Labels: []string{"version"},
		Help: "Always 1: the version of Go."}
	goroutines = exposition.Family{Name: "go_goroutines", Type: exposition.Gauge,
		Help: "Goroutines: about one for each connection that is not idle."}
	procs = exposition.Family{Name: "go_sched_gomaxprocs_threads", Type: exposition.Gauge,
		Help: "Processors that Go uses at once."}
	heapAlloc = exposition.Family{Name: "go_memstats_heap_alloc_bytes", Type: exposition.Gauge,
		Help: "Objects on the heap, garbage that was not collected yet among them."}
	heapLive = exposition.Family{Name: "go_gc_heap_live_bytes", Type: exposition.Gauge,
		Help: "Objects on the heap that the last collection found in use."}
	heapReleased = exposition.Family{Name: "go_memstats_heap_released_bytes", Type: exposition.Gauge,
		Help: "Memory of the heap that was given back to the system."}
	sys = exposition.Family{Name: "go_memstats_sys_bytes", Type: exposition.Gauge,
		Help: "Memory that the runtime has asked of the system, given back or not."}
	nextGC = exposition.Family{Name: "go_memstats_next_gc_bytes", Type: exposition.Gauge,
		Help: "Size of the heap at which the next collection ends."}
	memLimit = exposition.Family{Name: "go_gc_gomemlimit_bytes", Type: exposition.Gauge,
		Help: "Memory that the collector tries to stay below."}
	mallocs = exposition.Family{Name: "go_memstats_mallocs_total", Type: exposition.Counter,
		Help: "Objects that were allocated. A plain request allocates none."}
	cycles = exposition.Family{Name: "go_gc_cycles_total", Type: exposition.Counter,
		Help: "Collections."}
	pauses = exposition.Family{Name: "go_gc_pause_seconds_total", Type: exposition.Counter,
		Help: "Time that collections stopped everything for."}
)

func processFamilies() []*exposition.Family {
	return []*exposition.Family{&buildInfo, &logLines, &logDropped, &logOpens, &logUp, &spansSent, &spansDropped, &exportsFailed, &memoryUsed, &memoryLimit, &overloadLevel,
		&startTime, &cpuTime, &openFiles, &maxFiles, &resident,
		&goInfo, &goroutines, &procs, &heapAlloc, &heapLive, &heapReleased, &sys, &nextGC, &memLimit, &mallocs, &cycles, &pauses}
}

func (p *page) process() {
	p.Begin(&buildInfo)
	p.Count(1, p.Version, runtime.Version())
	p.accessLog()
	p.traces()
	used, limit := p.Overload.Used()
	p.Begin(&memoryUsed)
	if limit > 0 {
		p.Count(used)
	}
	p.Begin(&memoryLimit)
	if limit > 0 {
		p.Count(limit)
	}
	p.Begin(&overloadLevel)
	p.Count(uint64(p.Overload.Level()))
	p.system()
	p.golang()
}

func (p *page) accessLog() {
	l := p.AccessLog
	count := func(f *exposition.Family, n func() uint64) {
		p.Begin(f)
		if l != nil {
			p.Count(n())
		}
	}
	count(&logLines, func() uint64 { return l.Written() })
	count(&logDropped, func() uint64 { n, _ := l.Dropped(); return n })
	count(&logOpens, func() uint64 { return l.Opened() })
	p.Begin(&logUp)
	if l != nil {
		p.Bool(l.Err() == nil)
	}
}

func (p *page) traces() {
	n := p.Traces.Counts()
	p.Begin(&spansSent)
	p.Count(n.Sent)
	p.Begin(&spansDropped)
	p.Count(n.Dropped)
	p.Begin(&exportsFailed)
	p.Count(n.Failed)
}

// system is what the operating system tells of the process; what it does not tell is left out.
func (p *page) system() {
	p.Begin(&startTime)
	p.Since(p.Started)
	p.Begin(&cpuTime)
	if d, ok := processorTime(); ok {
		p.Seconds(d)
	}
	open, most, bytes := usage()
	for _, g := range []struct {
		f *exposition.Family
		n uint64
	}{{&openFiles, open}, {&maxFiles, most}, {&resident, bytes}} {
		p.Begin(g.f)
		if g.n > 0 {
			p.Count(g.n)
		}
	}
}

// golang is what the runtime tells. Nothing of it stops the world.
func (p *page) golang() {
	p.Begin(&goInfo)
	p.Count(1, runtime.Version())
	for _, g := range []struct {
		f    *exposition.Family
		name string
	}{
		{&goroutines, "/sched/goroutines:goroutines"},
		{&procs, "/sched/gomaxprocs:threads"},
		{&heapAlloc, "/memory/classes/heap/objects:bytes"},
		{&heapLive, "/gc/heap/live:bytes"},
		{&heapReleased, "/memory/classes/heap/released:bytes"},
		{&sys, "/memory/classes/total:bytes"},
		{&nextGC, "/gc/heap/goal:bytes"},
		{&memLimit, "/gc/gomemlimit:bytes"},
		{&mallocs, "/gc/heap/allocs:objects"},
		{&cycles, "/gc/cycles/total:gc-cycles"},
	} {
		s := [...]metrics.Sample{{Name: g.name}}
		metrics.Read(s[:])
		p.Begin(g.f)
		if s[0].Value.Kind() == metrics.KindUint64 {
			p.Count(s[0].Value.Uint64())
		}
	}
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	p.Begin(&pauses)
	p.Seconds(gc.PauseTotal)
}
