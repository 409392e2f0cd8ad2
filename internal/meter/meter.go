// Package meter says which metrics a process has, and writes them from what its parts count. It counts nothing itself: the
// command line and the console read the same counters. Names and units follow the conventions of Prometheus.
//
// What the numbers mean is in the families, in one place for the page, for the help text that comes with them and for
// docs/metrics.md, which a test compares. The same numbers are there under ingress-nginx's names too, where that is asked for.
package meter

import (
	"io"
	"sync"
	"time"

	"paifang/internal/dnsserver"
	"paifang/internal/exposition"
	"paifang/internal/httpproxy"
	"paifang/internal/hub"
	"paifang/internal/l4"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/overload"
	"paifang/internal/registry"
	"paifang/internal/snapshot"
	"paifang/internal/telemetry"
	"paifang/internal/trace"
	"paifang/internal/upstream"
)

// Control is what the hub tells; hub.Hub is one.
type Control interface {
	Sources() []hub.SourceStatus
	Ready() bool
	Work() hub.Work
}

// Generations is where the published snapshot is; snapshot.Store is one.
type Generations interface {
	Load() *snapshot.Snapshot
	Planes() []snapshot.PlaneState
	Alive() int
}

// Parts are those of a process. Those from Registry on may be nil: then they are not there.
type Parts struct {
	Version     string // of the program
	Started     time.Time
	HTTP        *httpproxy.Plane
	L4          *l4.Plane
	DNS         *dnsserver.Server
	Upstreams   *upstream.Table
	Sockets     *listener.Set
	Generations Generations
	Control     Control
	Diagnostics func() []model.Diagnostic // all that hold now
	Registry    registry.Provider
	AccessLog   *telemetry.AccessLog
	Traces      *trace.Exporters
	Overload    *overload.Watch
	Nginx       *Nginx // nil: nothing is written under ingress-nginx's names
}

// Meter writes the metrics of a process.
type Meter struct {
	parts Parts
	mu    sync.Mutex // held while a page is made: one is enough at a time
	past  pastTransitions
	view  nginxView
}

// New returns a meter.
func New(p Parts) *Meter { return &Meter{parts: p} }

// WriteMetrics writes all metrics in the text format of Prometheus.
func (m *Meter) WriteMetrics(to io.Writer) error {
	m.mu.Lock()
	p := page{Parts: &m.parts, past: &m.past, view: &m.view, counts: m.parts.HTTP.Counts()}
	for _, g := range groups() {
		g.write(&p)
	}
	if m.parts.Nginx != nil {
		NginxGroup().write(&p)
	}
	m.mu.Unlock()
	_, err := to.Write(p.Bytes())
	return err
}

// page is one answer to who asks for metrics.
type page struct {
	exposition.Writer
	*Parts
	past   *pastTransitions
	view   *nginxView
	counts httpproxy.Counts
}

// Group is metrics of one subject.
type Group struct {
	Title    string // of its section in docs/metrics.md
	Families []*exposition.Family
	write    func(*page)
}

// Groups returns every metric of our own names, in the order in which they are written.
func Groups() []Group { return groups() }

func groups() []Group {
	return []Group{
		{"Requests", requestFamilies(), (*page).requests},
		{"Upstreams", upstreamFamilies(), (*page).upstreams},
		{"Listeners", listenerFamilies(), (*page).listeners},
		{"L4 connections", l4Families(), (*page).l4},
		{"DNS", dnsFamilies(), (*page).dns},
		{"Rules and addresses", controlFamilies(), (*page).control},
		{"Registry", registryFamilies(), (*page).registry},
		{"Process", processFamilies(), (*page).process},
	}
}
