package httpproxy

import (
	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// maxReroutes bounds how often a request is looked up again.
const maxReroutes = 4

// judged tells filters what came of the request, and returns whether one of them has taken care of it: the answer is sent, or the
// request is looked up again.
func (w *work) judged(status int, code model.Code) bool {
	if w.route == nil || w.began {
		return false
	}
	return w.carriesOut(w.x.Judged(status, code))
}

// diverted is judged for an answer of the upstream, which is thrown away, with its connection, where a filter has another.
func (w *work) diverted(e *upstream.Endpoint, up *upstream.Conn, sent int) bool {
	status := w.x.Response.Status
	v := w.x.Judged(status, "")
	if v == filter.Continue || v == filter.Reroute && !w.sendsAgain() {
		return false
	}
	w.stopUpload()
	w.c.up.Store(nil)
	up.Close()
	e.Count(int64(sent), int64(w.answerBytes))
	e.Done(upstream.ResultOf(status))
	return w.carriesOut(v)
}

func (w *work) carriesOut(v filter.Verdict) bool {
	switch {
	case v == filter.Respond:
		w.route.chain.Response(&w.x)
		w.sendOwn()
		return true
	case v == filter.Reroute && w.sendsAgain():
		w.rerouting = true
		return true
	}
	return false
}

// sendsAgain tells whether all of the request is there to be sent once more, and is not on its way to a fallback.
func (w *work) sendsAgain() bool {
	return w.held && w.x.Request.Body != http1.ChunkedBody && w.reroutes < maxReroutes && w.replaced.status == 0
}

// reroute makes the request one that no route was found for yet. It is false where its path is none, and it has been answered.
func (w *work) reroute() bool {
	x := &w.x
	w.rerouting = false
	w.reroutes++
	if x.Request.SetPath(x.Rerouted()) != nil {
		w.own(500, CodeBadPath)
		return false
	}
	w.route.release()
	clear(w.tried[:max(w.passed, 1)])
	w.route, w.handle, w.next, w.stream = nil, nil, nil, nil
	w.passed, w.tries, w.counted, w.unbound, w.hint = 0, 0, false, false, upstream.Hint{}
	x.Code, x.Body, w.pod = "", "", ""
	return true
}
