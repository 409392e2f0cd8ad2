package httpproxy

import (
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

var _ snapshot.NamingRequest = (*work)(nil)

// LookupHost returns the host that was asked for.
func (w *work) LookupHost() string { return w.host }

// LookupVariable returns a variable of the route's path.
func (w *work) LookupVariable(name string) (string, bool) { return w.x.Capture(name) }

// aimed returns the target of the request: the one that it names, with the path and query of what names it, or the one that is
// chosen for it. It is false where the request names what it may not, and has been answered.
func (w *work) aimed() (*boundTarget, bool) {
	if w.route.named == nil {
		return w.choose(), true
	}
	named, code := w.route.route.Naming.Decide(w)
	switch code {
	case "":
	case snapshot.CodeTargetUnknown:
		w.refuseTarget(403, code, "The address that this request names is not served here.\n")
		return nil, false
	default:
		w.refuseTarget(400, code, "This request names no address that it could be sent to.\n")
		return nil, false
	}
	if named.Target < 0 {
		return w.choose(), true
	}
	r := &w.x.Request
	if r.SetPath(named.Path) != nil || r.SetQuery(named.Query) != nil {
		w.refuseTarget(400, snapshot.CodeTargetInvalid, "This request names no address that it could be sent to.\n")
		return nil, false
	}
	to := w.route.named[named.Target]
	if to.host != nil {
		w.hosts = to.host
	}
	return to, true
}

// refuseTarget answers a request that is not sent on for the target that it names.
func (w *work) refuseTarget(status int, code model.Code, body string) {
	if w.judged(status, code) {
		return
	}
	w.x.Respond(status, code, body)
	w.route.chain.Response(&w.x)
	w.sendOwn()
}
