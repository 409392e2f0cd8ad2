package app

import (
	"paifang/internal/httpproxy"
	"paifang/internal/model"
)

// HTTP2 bounds what HTTP/2 connections may cost. docs/http2.md tells more.
type HTTP2 struct {
	Streams         int `json:"streams,omitempty" doc:"requests that a client may have open on one connection at a time; default 100"`
	StreamWindow    int `json:"streamWindow,omitempty" doc:"KiB of one request's body that may wait to be sent on; default and least 64"`
	ConnWindow      int `json:"connWindow,omitempty" doc:"KiB of all requests' bodies of a connection that may; default 1024"`
	HeaderList      int `json:"headerList,omitempty" doc:"bytes of a request's fields, 32 more counted for each; default and most 65536"`
	Glitches        int `json:"glitches,omitempty" doc:"frames that only cost, in excess of those that do something, until a connection is closed; default 1000"`
	UpstreamStreams int `json:"upstreamStreams,omitempty" doc:"requests that share one connection to an endpoint; default 100, and no more than it allows"`
}

// check finds what cannot work.
func (h *HTTP2) check(say func(field, format string, args ...any)) {
	for _, n := range []struct {
		field          string
		value          int
		least, highest int
	}{
		{"streams", h.Streams, 1, model.MaxStreams}, {"streamWindow", h.StreamWindow, 64, 1 << 20}, {"connWindow", h.ConnWindow, 64, 1 << 20},
		{"headerList", h.HeaderList, 1 << 10, 64 << 10}, {"glitches", h.Glitches, 10, 1_000_000}, {"upstreamStreams", h.UpstreamStreams, 1, 10_000},
	} {
		if n.value != 0 && (n.value < n.least || n.value > n.highest) {
			say("http2."+n.field, "%d: want %d to %d", n.value, n.least, n.highest)
		}
	}
}

// bounds are those of clients' connections.
func (h *HTTP2) bounds() httpproxy.HTTP2 {
	return httpproxy.HTTP2{
		Streams: h.Streams, StreamWindow: h.StreamWindow << 10, ConnWindow: h.ConnWindow << 10, HeaderList: h.HeaderList, Glitches: h.Glitches,
	}
}
