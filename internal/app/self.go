package app

import (
	"fmt"
	"os"
	"strings"
	"time"

	"paifang/internal/meter"
	"paifang/internal/model"
	"paifang/internal/overload"
	"paifang/internal/source/kubernetes/translate"
)

// newWatch returns the watch over the memory of the process.
func (a *App) newWatch() (*overload.Watch, error) {
	limit := uint64(overload.DefaultLimit)
	if text := a.cfg.Limits.Memory; text != "" {
		var err error
		if limit, err = overload.ParseLimit(text); err != nil {
			return nil, fmt.Errorf("app: limits.memory: %w", err)
		}
	} else if group := overload.GroupLimit(os.DirFS("/")); group > 0 {
		limit = group
	}
	return overload.New(overload.Config{Limit: limit, Changed: func(from, to overload.Level, used uint64) {
		a.log.Warn("memory", "was", from.String(), "is", to.String(), "used", used, "limit", limit)
		a.events.say("memory: %s, was %s: %d MiB of %d MiB are in use", to, from, used>>20, limit>>20)
	}}), nil
}

// newMeter returns what answers /metrics.
func (a *App) newMeter() *meter.Meter {
	parts := meter.Parts{
		Version: Version(), Started: a.started, HTTP: a.http, L4: a.l4, DNS: a.dns, Upstreams: a.table, Sockets: a.sockets,
		Generations: a.store, Control: a.hub, Diagnostics: a.diagnostics, AccessLog: a.access, Traces: a.traces, Overload: a.memory,
	}
	if a.reg != nil {
		parts.Registry = &a.reg.handle
	}
	if a.cfg.Metrics.Nginx {
		parts.Nginx = a.cfg.nginxLabels()
	}
	return meter.New(parts)
}

// nginxLabels says which controller this is, as ingress-nginx does: its pod's name is the name of the host.
func (c *Config) nginxLabels() *meter.Nginx {
	class := translate.Controller
	if k := c.Sources.Kubernetes; k != nil && k.Controller != "" {
		class = k.Controller
	}
	pod, err := os.Hostname()
	if err != nil {
		pod = "paifang"
	}
	namespace, _ := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace") // elsewhere there is none
	return &meter.Nginx{Class: class, Namespace: strings.TrimSpace(string(namespace)), Pod: pod}
}

// Codes of what the process finds wrong with itself.
const (
	codeTracesAway   model.Code = "traces-not-taken"      // a collector does not take spans
	codeLogDropped   model.Code = "access-log-dropped"    // lines of the access log were lost
	codeLogFailed    model.Code = "access-log-failed"     // the access log cannot be written
	codeSeriesFolded model.Code = "metrics-series-folded" // routes or upstreams have no metrics of their own
	codeOverload     model.Code = "overload"              // the process is short of memory
)

// dropMemory is how long lost lines stay diagnosed.
const dropMemory = 5 * time.Minute

// selfFinder tells what is wrong with the process itself.
type selfFinder struct{ app *App }

// Diagnostics lists trouble with the access log, with collectors of traces, with memory, and with the room for metrics.
func (f selfFinder) Diagnostics() []model.Diagnostic {
	a := f.app
	var out []model.Diagnostic
	say := func(name string, severity model.Severity, code model.Code, format string, args ...any) {
		out = append(out, model.Diagnostic{Origin: origin("process", name), Severity: severity, Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if a.access != nil {
		if err := a.access.Err(); err != nil {
			say("access log", model.Error, codeLogFailed, "%v", err)
		}
		if n, last := a.access.Dropped(); n > 0 && time.Since(last) < dropMemory {
			say("access log", model.Warning, codeLogDropped, "%d lines were lost since the start, the last one at %s: the disk was too slow or full; no request waited for it",
				n, last.UTC().Format(time.RFC3339))
		}
	}
	for _, t := range a.traces.Troubles() {
		say("tracing", model.Warning, codeTracesAway, "%s takes no spans since %s: %v; requests go on, and %d spans were dropped since the start",
			t.Collector, t.Since.UTC().Format(time.RFC3339), t.Err, a.traces.Counts().Dropped)
	}
	if l := a.memory.Level(); l > overload.Calm {
		used, limit := a.memory.Used()
		say("memory", model.Warning, codeOverload, "%d MiB of %d MiB are in use, level %s: see docs/limits.md", used>>20, limit>>20, l)
	}
	if routes, upstreams := a.http.Folded(); routes+upstreams > 0 {
		say("metrics", model.Warning, codeSeriesFolded, "%d routes and %d upstreams are counted together as other: raise metrics.series to tell them apart", routes, upstreams)
	}
	return out
}
