package httpproxy

import (
	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/model"
)

// reframeTransformed makes the framing of an answer that of a body which filters change.
func (w *work) reframeTransformed() {
	r := &w.x.Response
	how := w.x.Transforms()
	if how == filter.SameBody {
		return
	}
	if r.Body == http1.SizedBody {
		r.Body, r.ContentLength = http1.ChunkedBody, -1
	}
	if how == filter.WholeBody { // the head leaves when the block that it was read into holds something else
		r.Fields.Keep(&r.Mem)
		r.Reason = r.Mem.Join(r.Reason)
	}
}

// pauseTransforms is flush where filters change the body: the upstream pauses.
func (w *work) pauseTransforms() model.Code {
	if w.x.Transforms() == filter.WholeBody {
		return ""
	}
	part, err := w.x.TransformPause()
	if err != nil {
		return filter.CodeUnchanged
	}
	if err = w.pass(part); err == nil {
		err = w.flush()
	}
	if err != nil {
		w.clientFailed(err)
		return w.x.Code
	}
	return ""
}

// endTransforms passes what filters have held until the body was complete.
func (w *work) endTransforms() model.Code {
	part, err := w.x.TransformEnd()
	w.transforms = false
	if err != nil {
		return filter.CodeUnchanged
	}
	if w.x.Transforms() == filter.WholeBody {
		w.status = w.x.Response.Status
		w.head()
	}
	if err := w.pass(part); err != nil {
		w.clientFailed(err)
		return w.x.Code
	}
	return ""
}

// transformTrailers tells filters that look at what stands behind the body, and whether any does.
func (w *work) transformTrailers(trailers []http2.Field) bool {
	return w.transforms && w.x.TransformTrailers(func(name string) string {
		for i := range trailers {
			if trailers[i].Name == name {
				return trailers[i].Value
			}
		}
		return ""
	})
}

// transformOwn has the body of an answer of our own changed. It is there whole.
func (w *work) transformOwn() {
	x := &w.x
	var body []byte
	part, err := x.TransformPart([]byte(x.Body))
	if err == nil {
		body = append(body, part...)
		part, err = x.TransformEnd()
	}
	if err != nil {
		x.Respond(502, filter.CodeUnchanged, sentence(502))
		return
	}
	x.Body = string(append(body, part...))
	x.Response.Body, x.Response.ContentLength = http1.SizedBody, int64(len(x.Body))
}
