// Package app is the only wiring: it knows which roles a process has, builds the parts in order, runs them together
// and ends them in the opposite order. Nothing below it knows on which road, or in which role, it runs.
package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"paifang/internal/actuator"
	"paifang/internal/adminapi"
	"paifang/internal/bridge"
	"paifang/internal/certs"
	"paifang/internal/dnsserver"
	"paifang/internal/explain"
	"paifang/internal/filter"
	"paifang/internal/filter/builtin"
	"paifang/internal/httpproxy"
	"paifang/internal/hub"
	"paifang/internal/l4"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/overload"
	"paifang/internal/podrun"
	"paifang/internal/registry"
	"paifang/internal/snapshot"
	"paifang/internal/source/kubernetes"
	"paifang/internal/source/kubernetes/webhook"
	"paifang/internal/source/springgw"
	"paifang/internal/telemetry"
	"paifang/internal/trace"
	"paifang/internal/turn"
	"paifang/internal/upstream"
)

// Options are what a process is told besides its configuration.
type Options struct {
	Name      string    // of the process: "up", "serve", or its piece
	Self      string    // path of this program, for the pods that come with it
	Log       io.Writer // where the log goes
	Dir       string    // that is watched, for showing files relative to it
	PodOutput func(pod string, line []byte)
	Tell      bool // what each generation changed is told in Events, at the cost of comparing it with the one before
	// Peers are other processes of the same installation by their piece, whose views are shown together with this
	// one's, the SLB first. May be nil.
	Peers []Peer
	// Processes are the pieces that are processes of their own. May be nil.
	Processes adminapi.Actions
	// Ending is called first at shutdown, to end what must go before. May be nil.
	Ending func()
	// Settled tells whether other processes have settled, for WaitSettled. May be nil.
	Settled func(context.Context) bool
}

// Peer is another process of the same installation.
type Peer struct {
	Name   string // of its piece
	Client *adminapi.Client
}

// App is a process. Make it with New and let it Run once.
type App struct {
	cfg     Config
	opt     Options
	log     *slog.Logger
	events  *events
	trouble troubleLog // in place of events where nobody reads those
	started time.Time

	access        *telemetry.AccessLog
	traces        *trace.Exporters
	ring          *explain.Ring
	memory        *overload.Watch
	sockets       *listener.Set
	table         *upstream.Table
	static        *static
	dns           *dnsserver.Server
	http          *httpproxy.Plane
	l4            *l4.Plane
	pods          *podrun.Runner
	springs       []*springgw.Source
	posted        *actuator.Store // routes that were added over HTTP; nil: that is not switched on
	reg           *registryPiece
	gateway       *registration
	bridge        *bridge.Bridge // nil: not that role
	cluster       *kubernetes.Source
	clusterClient *kubernetes.Client
	webhook       *webhook.Server // nil: not that role
	store         *snapshot.Store
	hub           *hub.Hub
	keys          *ticketFile
	loops         *loops
	local         *adminapi.Local
	admin         net.Listener
	public        net.Listener // for probes from elsewhere; nil: none
}

// New builds everything that can fail before anything runs. Ports are bound later, by the planes, except the admin
// API's.
func New(cfg Config, o Options) (*App, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("app: configuration: %w", err)
	}
	a := &App{cfg: cfg, opt: o, events: newEvents(), started: time.Now(), ring: explain.NewRing(0), loops: newLoops()}
	a.log = newLog(o.Log, cfg.Log)
	a.trouble.log = a.log
	if err := a.build(); err != nil {
		a.abandon()
		return nil, err
	}
	return a, nil
}

func (a *App) build() error {
	var err error
	if a.access, err = openAccessLog(a.cfg.Log); err != nil {
		return err
	}
	if a.memory, err = a.newWatch(); err != nil {
		return err
	}
	if a.keys, err = newTicketFile(a.cfg.TLS, a.log); err != nil {
		return err
	}
	if err := a.openActuator(); err != nil {
		return err
	}
	a.sockets = listener.NewSet(listener.Config{Log: a.log, MaxTotal: a.cfg.Limits.Connections, MaxPerSocket: a.cfg.Limits.ConnectionsPerAddress,
		DrainDelay: max(time.Duration(a.cfg.Leave), 0), Overloaded: a.memory.RefusesConnections})
	if a.cfg.Registry != nil {
		a.reg = newRegistryPiece(&a.cfg, a.log)
	}
	if err := a.newBridge(); err != nil {
		return err
	}
	upstreams, err := a.upstreams()
	if err != nil {
		return err
	}
	a.table = upstream.NewTable(upstreams)
	a.static = newStatic(&a.cfg)
	a.dns = dnsserver.New(dnsserver.Options{Log: a.log})
	forward := l4.Config{Upstreams: a.table, Sockets: a.sockets, Connected: a.connected, Log: a.log, DrainTimeout: a.cfg.Drain.or(5 * time.Second)}
	if a.access != nil {
		forward.Recorder = a.access
	}
	a.l4 = l4.New(forward)
	a.traces = trace.NewExporters(a.log, telemetry.Hider(a.cfg.Log.Redact))
	catalog := filter.Catalog(builtin.Kinds())
	a.http, err = httpproxy.New(httpproxy.Config{
		Upstreams: a.table, Listeners: a.sockets, Filters: catalog, Recorder: requests{a.access, a.ring}, Fields: a.access != nil, Log: a.log,
		Loop: a.loops.seen, Pressure: a.memory, Series: a.cfg.Metrics.Series, Tickets: a.keys.tickets, Spill: a.cfg.Bodies.spill(), Heads: a.cfg.Limits.Heads,
		HTTP2: a.cfg.HTTP2.bounds(), Passthrough: a.l4, Traces: a.traces,
		Staples:  certs.StaplerConfig{Loopback: a.cfg.Sources.Kubernetes == nil}, // who writes a Secret in a cluster is not who runs this machine
		Timeouts: a.cfg.Timeouts.engine(a.cfg.Drain.or(5 * time.Second)),
	})
	if err != nil {
		return err
	}
	planes := []snapshot.Plane{a.dns, a.l4, a.http}
	if a.cfg.Pods != nil {
		if a.pods, err = podrun.New(a.podConfig()); err != nil {
			return err
		}
		planes = append(planes, a.pods)
	}
	var own *registry.Handle
	if a.reg != nil {
		own = &a.reg.handle
	}
	if a.gateway, err = newRegistration(&a.cfg, own, a.log); err != nil {
		return err
	}
	a.store = snapshot.NewStore(planes...)
	parts, err := a.parts()
	if err != nil {
		return err
	}
	cfg := hub.Config{Parts: parts, Endpoints: a.table, Publisher: a.store, Check: catalog.CheckRoute, Log: a.log, SourceChanged: a.sourceChanged}
	cfg.Published = a.published
	if a.cfg.Data != "" {
		cfg.Keep = hub.Directory(filepath.Join(a.cfg.Data, "last-good"))
	}
	a.hub = hub.New(cfg)
	if err := a.buildAdmin(); err != nil {
		return err
	}
	return a.newWebhook()
}

func (a *App) buildAdmin() error {
	var keeping explain.Keeping
	if a.reg != nil {
		keeping = a.reg
	}
	a.local = &adminapi.Local{
		Name: a.opt.Name, Version: Version(), Started: a.started, Dir: a.opt.Dir, StateDir: a.cfg.Data,
		Generations: a.store, Control: a.hub, Addresses: adminapi.Live(a.table, a.hub, keeping), Listeners: a, Carrier: a,
		Finders: []adminapi.Finder{a.dns, a.l4, httpFinder{a.http}, a.loops, selfFinder{a}, a.keys}, Traces: a.ring,
		Filters: builtin.Kinds(),
	}
	if a.pods != nil {
		a.local.Pods = podRows{a.pods}
		a.local.Finders = append(a.local.Finders, a.pods)
	}
	if a.reg != nil {
		a.local.Registry = a.reg
		a.local.Finders = append(a.local.Finders, a.reg)
	}
	if a.cluster != nil {
		a.local.Finders = append(a.local.Finders, a.cluster)
	}
	if a.bridge != nil {
		a.local.Finders = append(a.local.Finders, a.bridge)
	}
	if a.posted != nil {
		a.local.Finders = append(a.local.Finders, a.posted)
	}
	a.local.Actions = a
	l, err := net.Listen("tcp", a.cfg.adminAddress().String())
	if err != nil {
		return fmt.Errorf("app: admin API: %w", err)
	}
	a.admin = l
	if at := a.cfg.Admin.Public; at.IsValid() {
		if a.public, err = net.Listen("tcp", at.String()); err != nil {
			return fmt.Errorf("app: admin.public: %w", err)
		}
	}
	return nil
}

// Run runs the process until ctx ends and returns when everything has ended. A part that cannot go on ends the others.
func (a *App) Run(outer context.Context) error {
	if err := turn.Take(turn.Short); err != nil {
		a.log.Info("the system does not grant short turns on a processor", "err", err)
	}
	ctx, fail := context.WithCancelCause(outer)
	defer fail(nil)
	// What runs below ends in the order of shutdown, not all at once when ctx does.
	r := newRunner(fail)
	if a.reg != nil {
		if err := a.reg.start(); err != nil {
			a.abandon()
			return err
		}
		defer r.watch("registry", a.reg.failed()).stop()
	}
	admin := r.run("admin API", a.serveAdmin)
	watch := r.run("memory", func(ctx context.Context) error { a.memory.Run(ctx); return nil })
	defer watch.stop()
	defer r.run("collector", func(ctx context.Context) error { overload.Pace(ctx); return nil }).stop()
	defer r.run("rotation", a.rotation()).stop()
	control := r.run("hub", a.hub.Run)
	var pods *running
	if a.pods != nil {
		pods = r.run("pods", a.pods.Run)
	}
	gateway := r.run("registration", a.gateway.run)
	bridged := r.run("bridge", a.runBridge)
	bind := r.run("binding", a.bindAgain)
	keys := r.run("ticket keys", a.keys.run)
	if a.webhook != nil {
		defer r.run("webhook", a.webhook.Run).stop()
	}
	a.log.Info("started", "process", a.opt.Name, "admin", a.admin.Addr(), "pieces", strings.Join(a.Pieces(), ","))
	defer r.run("readiness", a.tellReady).stop()
	memory := r.run("memory", a.giveBack)

	<-ctx.Done()
	a.log.Info("ending", "process", a.opt.Name)
	var failed error
	if outer.Err() == nil { // a part failed; otherwise somebody asked for the end
		failed = context.Cause(ctx)
	}
	bind.stop()
	keys.stop()
	memory.stop()
	bridged.stop()
	a.shutdown(admin, control, pods, gateway)
	return failed
}

// abandon ends what New has made, as far as it came, where nothing of it has been used.
func (a *App) abandon() {
	now, cancel := context.WithCancel(context.Background())
	cancel() // there is nothing to wait for
	if a.l4 != nil {
		a.l4.Close(now)
	}
	if a.http != nil {
		a.http.Close(now)
	}
	if a.store != nil {
		a.store.Close()
	}
	if a.traces != nil {
		a.traces.Close(now)
	}
	if a.dns != nil {
		a.dns.Close()
	}
	if a.sockets != nil {
		a.sockets.Close()
	}
	if a.table != nil {
		a.table.Close()
	}
	a.close()
}

// close gives back what New opened: files, the admin API's ports, and connections to others.
func (a *App) close() {
	for _, l := range []net.Listener{a.admin, a.public} {
		if l != nil {
			_ = l.Close()
		}
	}
	if a.webhook != nil {
		a.webhook.Close()
	}
	if a.clusterClient != nil {
		a.clusterClient.Close()
	}
	if a.access != nil {
		if err := a.access.Close(); err != nil {
			a.log.Warn("the access log could not be completed", "err", err)
		}
	}
}

// Version is what this program was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "development"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return v + " " + s.Value[:12]
		}
	}
	return v
}

func newLog(w io.Writer, c Log) *slog.Logger {
	if w == nil {
		w = io.Discard
	}
	o := &slog.HandlerOptions{}
	switch c.Level {
	case "debug":
		o.Level = slog.LevelDebug
	case "warn":
		o.Level = slog.LevelWarn
	case "error":
		o.Level = slog.LevelError
	}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// runner runs parts, each with a context of its own so that they can be ended one after the other.
type runner struct{ fail context.CancelCauseFunc }

func newRunner(fail context.CancelCauseFunc) *runner { return &runner{fail} }

type running struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// run starts a part. If it returns an error, the process ends with that error.
func (r *runner) run(name string, f func(context.Context) error) *running {
	ctx, cancel := context.WithCancel(context.Background())
	p := &running{cancel: cancel}
	p.done.Go(func() {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			r.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
	return p
}

// watch ends the process when somebody says that a part has failed.
func (r *runner) watch(name string, failed <-chan error) *running {
	return r.run(name, func(ctx context.Context) error {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	})
}

// stop ends a part and waits for it.
func (p *running) stop() {
	p.cancel()
	p.done.Wait()
}

// observed tells people when an endpoint that is probed or connected to goes down or comes back.
func (a *App) observed(o upstream.Observation) {
	if o.Down {
		a.events.say("endpoint %s is down: %s", o.Addr, o.Reason)
		return
	}
	a.events.say("endpoint %s is back", o.Addr)
}

func (a *App) sourceChanged(s hub.SourceStatus) {
	if s.Failed {
		a.events.say("source %s failed, what it said last stays: %s", s.Name, s.Error)
		return
	}
	a.events.say("source %s is back", s.Name)
}

func (a *App) podChanged(p podrun.PodStatus) {
	state := string(p.Phase)
	if p.Ready {
		state = "Ready"
	}
	text := fmt.Sprintf("pod %s on %s: %s", p.Name, p.Node, state)
	if p.Message != "" {
		text += ": " + p.Message
	}
	a.events.say("%s", text)
}

// Events is what changed, a line each.
func (a *App) Events() <-chan Event { return a.events.out }

// DropEvents forgets what has not been read yet.
func (a *App) DropEvents() {
	for {
		select {
		case <-a.events.out:
		default:
			return
		}
	}
}

// diagnostics are everything that is wrong now, in rules and in the process.
func (a *App) diagnostics() []model.Diagnostic {
	all := slices.Clone(a.store.Load().Diagnostics())
	for _, f := range a.local.Finders {
		all = append(all, f.Diagnostics()...)
	}
	return all
}

// Troubles are the errors and warnings that hold now, a line each.
func (a *App) Troubles() []string {
	var out []string
	for _, d := range a.diagnostics() {
		if d.Severity > model.Info {
			out = append(out, d.String())
		}
	}
	return out
}
