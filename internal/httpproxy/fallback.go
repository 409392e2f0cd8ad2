package httpproxy

import (
	"strconv"

	"paifang/internal/http1"
	"paifang/internal/upstream"
)

// replacement is an answer that the route's fallback is to give instead. It is asked when everything of what went before is over.
type replacement struct {
	status int  // that is replaced, or 503; 0 = none
	empty  bool // there was no endpoint
}

// replaces tells whether an answer with this status is the fallback's to give, and notes that. There is one replacement at most.
func (w *work) replaces(status int) bool {
	if w.route == nil || w.route.fallback == nil || w.replaced.status != 0 || !w.route.forward.Fallback.Replaces(status) {
		return false
	}
	if w.c.left.Load() || w.c.cut.Load() || w.c.plane.ctx.Err() != nil {
		return false
	}
	w.replaced = replacement{status: status}
	return true
}

// replacesNone is replaces where no endpoint could be picked, for the reason err.
func (w *work) replacesNone(err error) bool {
	if w.route.fallback == nil || w.replaced.status != 0 || !w.route.forward.Fallback.Empty || err != upstream.ErrNoEndpoints && err != upstream.ErrAllUnhealthy {
		return false
	}
	w.replaced = replacement{status: 503, empty: true}
	return true
}

// fallBack has the fallback answer.
func (w *work) fallBack() {
	x, f := &w.x, &w.route.forward.Fallback
	r := &x.Request
	w.settle()
	x.Code, x.Body, x.Instead, w.ours = "", "", true, false
	x.Response.Reset()
	w.handle, w.other, w.hosts = w.route.fallback.For(w.c.secure), nil, &w.route.host
	shared := w.handle.Shared()
	if !w.held || shared != w.shared && r.Body == http1.ChunkedBody { // it is framed for the other version
		w.dropBody()
	}
	w.shared = shared
	r.Upgrade, r.Expect100 = "", false
	if w.authority != "" {
		_ = r.SetAuthority(w.authority) // it was one before
	}
	if !f.Credentials {
		w.dropCredentials()
	}
	w.tell()
	if f.Path != "" && !w.replaced.empty && r.SetPath(f.Path) != nil {
		w.own(500, CodeBadPath)
		return
	}
	clear(w.tried[:w.passed])
	w.passed, w.tries, w.next, w.hint, w.unbound, w.counted = 0, 0, nil, upstream.Hint{}, false, false
	w.tryEnd, w.tryBy = never, never
	if err := w.handle.Enter(w.c.plane.ctx); err != nil {
		w.cannotPick(err, "")
		return
	}
	w.aim()
	w.send(true)
	w.handle.Leave()
	if w.counted {
		w.handle.Once()
	}
}

// dropCredentials takes out what the client shows to the endpoints. The cookie that keeps it at an endpoint of the fallback is our own.
func (w *work) dropCredentials() {
	r := &w.x.Request
	kept := ""
	if _, ok := w.bound(w.handle); ok {
		name := w.handle.Affinity().Cookie
		v, _ := http1.Cookie(&r.Fields, name, 0)
		kept = r.Mem.Join(name, "=", v)
	}
	r.Fields.DelFunc(http1.Credential)
	if kept != "" {
		r.Fields.Add("Cookie", kept)
	}
}

// dropBody makes the request one without a body: what is not held cannot be sent again.
func (w *work) dropBody() {
	r := &w.x.Request
	if r.Body != http1.NoBody {
		r.Body, r.ContentLength = http1.SizedBody, 0
	}
	w.spool.release(w.c.plane)
	w.wire, w.spool, w.x.RequestBody = nil, spool{}, nil
}

// tell sets the fields that the fallback is told.
func (w *work) tell() {
	r := &w.x.Request
	for i := range w.route.forward.Fallback.Fields {
		h := &w.route.forward.Fallback.Fields[i]
		v := h.Value
		switch v {
		case "{status}":
			var b [4]byte
			v = r.Mem.Join(bytesView(strconv.AppendInt(b[:0], int64(w.replaced.status), 10)))
		case "{accept}":
			v = r.Fields.Get("Accept")
		case "{uri}":
			if v = w.target; w.replaced.empty {
				v = ""
			}
		}
		set(&r.Fields, h.Name, v)
	}
}
