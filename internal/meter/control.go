package meter

import (
	"paifang/internal/exposition"
	"paifang/internal/model"
	"paifang/internal/registry"
)

var (
	ready = exposition.Family{Name: "paifang_ready", Type: exposition.Gauge,
		Help: "1 when every required source was heard and every plane serves, as /readyz says."}
	version = exposition.Family{Name: "paifang_snapshot_version", Type: exposition.Gauge,
		Help: "Number of the generation of rules that was published last; it begins anew with the process."}
	compiles = exposition.Family{Name: "paifang_compiles_total", Type: exposition.Counter,
		Help: "Generations that were compiled and published."}
	compileSeconds = exposition.Family{Name: "paifang_compile_seconds_total", Type: exposition.Counter,
		Help: "Time spent on compiling, all generations together."}
	publishSeconds = exposition.Family{Name: "paifang_publish_seconds_total", Type: exposition.Counter,
		Help: "Time that planes spent on preparing and committing, all generations together."}
	compileLast = exposition.Family{Name: "paifang_compile_last_seconds", Type: exposition.Gauge,
		Help: "How long compiling the last generation took."}
	publishLast = exposition.Family{Name: "paifang_publish_last_seconds", Type: exposition.Gauge,
		Help: "How long the planes took to prepare and commit the last generation."}
	publishedAt = exposition.Family{Name: "paifang_published_timestamp_seconds", Type: exposition.Gauge,
		Help: "When the last generation was published, in seconds since 1970."}
	planeVersion = exposition.Family{Name: "paifang_plane_snapshot_version", Type: exposition.Gauge, Labels: []string{"plane"},
		Help: "Generation that a plane serves; behind paifang_snapshot_version: it could not take the newest."}
	generations = exposition.Family{Name: "paifang_snapshots_alive", Type: exposition.Gauge,
		Help: "Generations of rules in memory: the current one, those that something still uses, and those that the collector has not looked at yet."}
	routes = exposition.Family{Name: "paifang_routes", Type: exposition.Gauge,
		Help: "Routes that the HTTP plane has bound."}
	diagnostics = exposition.Family{Name: "paifang_diagnostics", Type: exposition.Gauge, Labels: []string{"severity"},
		Help: "What is wrong now in rules, and in the process, by severity."}
	sourceUp = exposition.Family{Name: "paifang_source_up", Type: exposition.Gauge, Labels: []string{"source"},
		Help: "1 while a source runs; 0: it failed, and what it said last stays in force."}
	sourceSynced = exposition.Family{Name: "paifang_source_synced", Type: exposition.Gauge, Labels: []string{"source"},
		Help: "1 once a source has delivered its first full set."}
	sourceHeard = exposition.Family{Name: "paifang_source_heard_timestamp_seconds", Type: exposition.Gauge, Labels: []string{"source"},
		Help: "When a source last delivered anything, in seconds since 1970; time() - this is the age of what is known."}
	sourceGroups = exposition.Family{Name: "paifang_source_groups", Type: exposition.Gauge, Labels: []string{"source"},
		Help: "Groups of objects that a source has delivered."}
)

func controlFamilies() []*exposition.Family {
	return []*exposition.Family{&ready, &version, &compiles, &compileSeconds, &publishSeconds, &compileLast, &publishLast, &publishedAt,
		&planeVersion, &generations, &routes, &diagnostics, &sourceUp, &sourceSynced, &sourceHeard, &sourceGroups}
}

func (p *page) control() {
	work := p.Control.Work()
	p.Begin(&ready)
	p.Bool(p.Control.Ready())
	p.Begin(&version)
	p.Count(p.Generations.Load().Version())
	p.Begin(&compiles)
	p.Count(work.Generations)
	p.Begin(&compileSeconds)
	p.Seconds(work.Compile)
	p.Begin(&publishSeconds)
	p.Seconds(work.Publish)
	p.Begin(&compileLast)
	p.Seconds(work.Compiled)
	p.Begin(&publishLast)
	p.Seconds(work.Published)
	p.Begin(&publishedAt)
	p.Since(work.Last)
	p.Begin(&planeVersion)
	for _, s := range p.Generations.Planes() {
		p.Count(s.Version, s.Name)
	}
	p.Begin(&generations)
	p.Count(uint64(p.Generations.Alive()))
	p.Begin(&routes)
	p.Count(uint64(p.HTTP.Bound()))
	p.bySeverity()
	p.sources()
}

func (p *page) bySeverity() {
	counts := map[model.Severity]uint64{}
	for _, d := range p.Diagnostics() {
		counts[d.Severity]++
	}
	p.Begin(&diagnostics)
	for _, s := range []model.Severity{model.Info, model.Warning, model.Error} {
		p.Count(counts[s], s.String())
	}
}

func (p *page) sources() {
	all := p.Control.Sources()
	p.Begin(&sourceUp)
	for _, s := range all {
		p.Bool(!s.Failed, s.Name)
	}
	p.Begin(&sourceSynced)
	for _, s := range all {
		p.Bool(s.Synced, s.Name)
	}
	p.Begin(&sourceHeard)
	for _, s := range all {
		p.Since(s.Heard, s.Name)
	}
	p.Begin(&sourceGroups)
	for _, s := range all {
		p.Count(uint64(s.Groups), s.Name)
	}
}

var (
	registryUp = exposition.Family{Name: "paifang_registry_up", Type: exposition.Gauge,
		Help: "1 while the registry of this process runs; 0: it was stopped. Like all of these it is there only with the role registry."}
	registryStorageUp = exposition.Family{Name: "paifang_registry_storage_up", Type: exposition.Gauge,
		Help: "1 while the storage that registries share (etcd) answers; 0: it has no quorum or is out of reach, reads go on and writes are refused. Other storages have no such line."}
	registryServices = exposition.Family{Name: "paifang_registry_services", Type: exposition.Gauge,
		Help: "Services that are registered."}
	registryInstances = exposition.Family{Name: "paifang_registry_instances", Type: exposition.Gauge,
		Help: "Instances that are registered; an address that two connections publish counts twice."}
	registryBeating = exposition.Family{Name: "paifang_registry_instances_beating", Type: exposition.Gauge,
		Help: "Instances that heartbeats keep; others are kept by their connection."}
	registryConnections = exposition.Family{Name: "paifang_registry_connections", Type: exposition.Gauge,
		Help: "Connections of clients that speak gRPC."}
	registryWatches = exposition.Family{Name: "paifang_registry_watches", Type: exposition.Gauge,
		Help: "Subscriptions: pairs of a client and a service."}
	registryRevision = exposition.Family{Name: "paifang_registry_revision", Type: exposition.Gauge,
		Help: "Changes of services since the registry was started."}
)

func registryFamilies() []*exposition.Family {
	return []*exposition.Family{&registryUp, &registryStorageUp, &registryServices, &registryInstances, &registryBeating, &registryConnections, &registryWatches, &registryRevision}
}

func (p *page) registry() {
	var now *registry.Registry
	up := false
	if p.Registry != nil {
		now, up = p.Registry.Current()
	}
	p.Begin(&registryUp)
	if p.Registry != nil {
		p.Bool(up)
	}
	var s registry.Stats
	p.Begin(&registryStorageUp)
	if up {
		s = now.Stats()
		if contact, shared := now.Storage(); shared {
			p.Bool(!contact.Lost)
		}
	}
	for _, g := range []struct {
		f *exposition.Family
		n uint64
	}{
		{&registryServices, uint64(s.Services)}, {&registryInstances, uint64(s.Instances)}, {&registryBeating, uint64(s.Beating)},
		{&registryConnections, uint64(s.Connections)}, {&registryWatches, uint64(s.Watches)}, {&registryRevision, s.Revision},
	} {
		p.Begin(g.f)
		if up {
			p.Count(g.n)
		}
	}
}
