package translate

import (
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// limited is proxy-body-size.
func (d *draft) limited() {
	if n := d.set.Buffers.BodySize; n > 0 {
		d.filter("body-limit", struct {
			Bytes int64 `json:"bytes"`
		}{n})
	}
}

// timed is proxy-connect-timeout, proxy-send-timeout and proxy-read-timeout, which counts for WebSockets too.
func (d *draft) timed() {
	p := &d.set.Proxy
	d.route.Timeouts.Send = p.Send
	d.route.Timeouts.Connect, d.route.Timeouts.Response, d.route.Timeouts.Idle, d.route.Timeouts.Upgraded = p.Connect, p.Read, p.Read, p.Read
}

// gathered is client-body-buffer-size.
func (d *draft) gathered() {
	d.forward(func(f *model.Forward) { f.Gather = d.set.Buffers.Gather })
}

// again is proxy-next-upstream and what belongs to it. nginx asks the next endpoint without a pause.
func (d *draft) again() {
	n := &d.set.Proxy.Next
	if !n.Given {
		return
	}
	tries := n.Tries
	if tries == 0 || tries > annotation.MostTries {
		tries = annotation.MostTries
	}
	retry := model.Retry{Attempts: tries - 1, On: n.On, Statuses: n.Statuses, NonIdempotent: n.NonIdempotent, Within: n.Within, Backoff: model.Backoff{Base: -1}}
	if n.Off || tries == 1 {
		retry = model.Retry{Attempts: -1}
	}
	d.forward(func(f *model.Forward) { f.Retry = retry })
}

// traced is enable-opentelemetry and what stands beside it.
func (d *draft) traced() { d.route.Tracing = d.set.Traces }
