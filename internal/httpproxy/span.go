package httpproxy

import (
	"paifang/internal/model"
	"paifang/internal/telemetry"
	"paifang/internal/trace"
)

// beginSpan begins the span of the request, where requests of its route are traced, and has the endpoint told in place of what the
// client said. A request that is looked up again keeps the span that it has.
func (w *work) beginSpan(t *trace.Tracer, route model.RouteTracing) {
	if w.span != nil {
		return
	}
	as := t.Of(route)
	if as.Spans == model.SpansOff {
		return
	}
	f := &w.x.Request.Fields
	parent := f.Get(trace.Parent)
	if _, twice := f.Nth(trace.Parent, 1); twice {
		parent = "" // nobody knows which one is meant
	}
	w.span = t.Start(as, parent, joined(f, &w.x.Request.Mem, trace.State))
	f.Set(trace.Parent, w.span.Header)
	set(f, trace.State, w.span.State)
}

// endSpan hands a record on, with the trace that it belongs to. What no route has taken is traced as the listener has it; what was not
// understood is no request, and has no span.
func (w *work) endSpan(t *trace.Tracer, r *telemetry.Access) {
	if w.span == nil && w.route == nil && w.path != "" {
		w.beginSpan(t, model.RouteTracing{})
	}
	if w.span != nil {
		r.TraceID = w.span.Trace()
		w.span.End(r, w.c.secure)
	}
}
