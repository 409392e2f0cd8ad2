package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"paifang/internal/explain"
	"paifang/internal/httpproxy"
	"paifang/internal/model"
	"paifang/internal/telemetry"
)

// openAccessLog opens where requests are logged; nil for nowhere.
func openAccessLog(c Log) (*telemetry.AccessLog, error) {
	format, err := telemetry.ParseFormat(c.AccessFormat)
	if err != nil {
		return nil, fmt.Errorf("app: access log: %w", err)
	}
	o := telemetry.Options{Format: format, Redact: c.Redact}
	switch c.Access {
	case "", "off":
		return nil, nil
	case "stdout":
		return telemetry.NewAccessLog(keepOpen{os.Stdout}, o), nil
	default:
		l, err := telemetry.OpenAccessLog(c.Access, o)
		if err != nil {
			return nil, fmt.Errorf("app: access log: %w", err)
		}
		return l, nil
	}
}

// ReopenAccessLog opens the file of the access log again, for a rotation that has renamed it. Without an access log it
// does nothing. ctx bounds the wait for the disk.
func (a *App) ReopenAccessLog(ctx context.Context) error {
	if a.access == nil {
		return nil
	}
	err := a.access.Reopen(ctx)
	if err != nil {
		a.log.Error("the access log could not be opened again, the old file stays in use", "err", err)
		return err
	}
	a.log.Info("the access log was opened again")
	return nil
}

// keepOpen is standard output, which is not ours to close.
type keepOpen struct{ *os.File }

// Close does nothing.
func (keepOpen) Close() error { return nil }

// requests records HTTP requests: in the access log, and for explain.
type requests struct {
	log  *telemetry.AccessLog
	ring *explain.Ring
}

// Record implements httpproxy.Recorder. It does not allocate.
func (r requests) Record(a *telemetry.Access) {
	if r.log != nil {
		r.log.Record(a)
	}
	r.ring.AddExchange(explain.Exchange{
		Client: a.Peer, Listener: model.ListenerID(a.Listener), Node: a.Node, Route: model.RouteID(a.Route), Upstream: model.UpstreamID(a.Upstream),
		Endpoint: a.Endpoint, Tries: a.Tries, Status: a.Status, Code: model.Code(a.Reason),
		Connect: a.Connect, FirstByte: a.FirstByte, Total: a.Total, Version: a.Version,
	})
}

// connected notes a connection of the L4 plane for explain: one that was passed on by its server name as what became of it, for
// nobody here sees its requests, and another one as the way to the listener that does.
func (a *App) connected(c *telemetry.Access) {
	if c.Host != "" {
		a.ring.AddExchange(explain.Exchange{Client: c.Peer, Listener: model.ListenerID(c.Listener), Node: c.Node, Route: model.RouteID(c.Route),
			Upstream: model.UpstreamID(c.Upstream), Endpoint: c.Endpoint, Tries: c.Tries, Connect: c.Connect})
		return
	}
	a.ring.AddPassage(explain.Passage{Client: c.Peer, Listener: model.ListenerID(c.Listener), Upstream: model.UpstreamID(c.Upstream),
		Endpoint: c.Endpoint, Tries: c.Tries, Connect: c.Connect})
}

// httpFinder tells what the HTTP plane could not bind or serve.
type httpFinder struct{ plane *httpproxy.Plane }

// codeDependencyAway is the code of somebody whom a filter asks and who is away or refuses.
const codeDependencyAway model.Code = "dependency-away"

// Diagnostics lists listeners whose address could not be bound, routes whose filters could not be built, certificates that cannot be served, revocation lists whose time is over
// or nearly, OCSP responses that are missing, and those whom filters ask in vain.
func (f httpFinder) Diagnostics() []model.Diagnostic {
	var out []model.Diagnostic
	for _, l := range f.plane.Listeners() {
		for _, e := range l.Failed {
			out = append(out, model.Diagnostic{Origin: origin("listener", string(l.ID)), Severity: model.Error, Code: model.CodeListenerFailed,
				Message: fmt.Sprintf("%s cannot be bound: %v", e.Addr, e.Err)})
		}
	}
	for _, r := range f.plane.Unbound() {
		out = append(out, model.Diagnostic{Origin: r.Origin, Field: "filters", Severity: model.Error, Code: model.CodeInvalidFilter,
			Message: fmt.Sprintf("its requests are answered 503: %v", r.Err)})
	}
	for _, c := range f.plane.Failures() {
		out = append(out, model.Diagnostic{Origin: c.Origin, Severity: model.Error, Code: model.CodeSecretInvalid,
			Message: fmt.Sprintf("the certificate cannot be served, the default one is served in its place: %v", c.Err)})
	}
	now := time.Now()
	for _, e := range f.plane.RevocationLists(now) {
		d := model.Diagnostic{Origin: e.Origin, Code: model.CodeListEnds}
		switch until := e.Until.UTC().Format(time.RFC3339); {
		case now.After(e.Until):
			d.Severity, d.Message = model.Error, fmt.Sprintf("the revocation list of %s is out of date since %s: client certificates of that authority are refused until there is a newer one", e.Issuer, until)
		case e.Soon(now):
			d.Severity, d.Message = model.Warning, fmt.Sprintf("the revocation list of %s is out of date at %s: from then on client certificates of that authority are refused, if there is no newer one", e.Issuer, until)
		default:
			continue
		}
		out = append(out, d)
	}
	for _, s := range f.plane.Staples(now) {
		if s.Problem == "" {
			continue
		}
		d := model.Diagnostic{Origin: s.Origin, Code: model.CodeStapleMissing, Severity: model.Warning}
		switch {
		case s.Revoked:
			d.Severity, d.Message = model.Error, fmt.Sprintf("%s: no OCSP response is stapled, and clients that ask refuse it", s.Problem)
		case !s.Until.IsZero():
			d.Message = fmt.Sprintf("its OCSP response cannot be renewed, that of before is stapled until %s: %s", s.Until.UTC().Format(time.RFC3339), s.Problem)
		case s.Needed:
			d.Severity, d.Message = model.Error, fmt.Sprintf("it tells clients to insist on an OCSP response (must-staple), and none is stapled: %s", s.Problem)
		default:
			d.Message = fmt.Sprintf("no OCSP response is stapled: %s", s.Problem)
		}
		out = append(out, d)
	}
	for _, d := range f.plane.Dependencies() {
		if d.Away {
			out = append(out, model.Diagnostic{Origin: model.Origin{Kind: "filter", Name: d.Kind + " " + d.Address}, Severity: model.Warning, Code: codeDependencyAway,
				Message: fmt.Sprintf("it is away or refuses since %s: %s; meanwhile %s", d.Since.UTC().Format(time.RFC3339), d.Error, d.Meanwhile)})
		}
	}
	return out
}

// loopMemory is how long a route that led back to its own listener stays diagnosed.
const loopMemory = time.Minute

// loops remembers which routes led a request back to the listener that had sent it on.
type loops struct {
	mu   sync.Mutex
	last map[loop]time.Time
}

type loop struct {
	listener   model.ListenerID
	host, path string
}

func newLoops() *loops { return &loops{last: map[loop]time.Time{}} }

// maxLoops bounds what is remembered; it is about configuration errors, of which a few are many.
const maxLoops = 100

// seen takes strings that it must not keep.
func (l *loops) seen(listener model.ListenerID, host, path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) < maxLoops {
		l.last[loop{listener, strings.Clone(host), strings.Clone(path)}] = time.Now()
	}
}

// Diagnostics lists the loops of the last minute.
func (l *loops) Diagnostics() []model.Diagnostic {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []model.Diagnostic
	for k, at := range l.last {
		if time.Since(at) > loopMemory {
			delete(l.last, k)
			continue
		}
		out = append(out, model.Diagnostic{Origin: model.Origin{Kind: "request", Name: k.host + k.path}, Severity: model.Error, Code: model.CodeLoop,
			Message: fmt.Sprintf("it came back to listener %s, which had sent it on, and was answered with 508: the route that takes it leads back here", k.listener)})
	}
	slices.SortFunc(out, model.CompareDiagnostics)
	return out
}
