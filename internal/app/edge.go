package app

import (
	"errors"
	"time"

	"paifang/internal/httpproxy"
	"paifang/internal/listener"
	"paifang/internal/model"
)

// HTTP is what holds for every HTTP listener of the process.
type HTTP struct {
	Timeouts    Timeouts `json:"timeouts,omitzero" doc:"how long is waited for what"`
	Connections int      `json:"connections,omitempty" doc:"open client connections of all listeners together, of the SLB too; default 50000, or two fifths of the descriptors that the process may have"`
	PerAddress  int      `json:"perAddress,omitempty" doc:"open client connections at one address:port; default a fifth of connections"`
	SpillDir    string   `json:"spillDir,omitempty" doc:"directory for request bodies above 64 KiB that a filter wants whole; default the system's for such files"`
	SpillTotal  int      `json:"spillTotal,omitempty" doc:"MiB of such files at a time; a body that would make them more is answered 503; default 1024"`
}

// Timeouts bound the waits of HTTP listeners.
type Timeouts struct {
	ProxyHeader  Duration `json:"proxyHeader,omitempty" doc:"for the PROXY header of a balancer; default 5s"`
	Handshake    Duration `json:"handshake,omitempty" doc:"for all of a TLS handshake; default 10s"`
	Head         Duration `json:"head,omitempty" doc:"from the first byte of a request to the end of its head; default 10s"`
	Body         Duration `json:"body,omitempty" doc:"between two parts of a request body; default 60s"`
	Request      Duration `json:"request,omitempty" doc:"for all of a request body, and a millisecond more for each byte that has come; default 300s; negative: no bound"`
	Idle         Duration `json:"idle,omitempty" doc:"of a client connection between two requests; default 75s"`
	Write        Duration `json:"write,omitempty" doc:"until a client takes the next part of its answer, or an endpoint of a request; default 60s"`
	Connect      Duration `json:"connect,omitempty" doc:"to an endpoint, one try; a route may have its own; default 1s"`
	Response     Duration `json:"response,omitempty" doc:"from the end of a request to the head of its answer; a route may have its own; default 60s"`
	ResponseBody Duration `json:"responseBody,omitempty" doc:"between two parts of an answer; a route may have its own; default 60s"`
	Upgraded     Duration `json:"upgraded,omitempty" doc:"between two parts, either way, of an upgraded connection such as a WebSocket; default 1h"`
	Retired      Duration `json:"retired,omitempty" doc:"how long an upgraded connection whose route went may go on; default 240s"`
}

// Parsing is what listeners make of requests that servers read in more than one way. docs/strict.md has the reasons.
type Parsing struct {
	Underscores    string `json:"underscores,omitempty" doc:"header names with an underscore: refuse (400), drop (as nginx does) or allow; default refuse"`
	Slashes        string `json:"slashes,omitempty" doc:"several slashes in a row in a path: merge or keep; default merge"`
	EncodedSlashes string `json:"encodedSlashes,omitempty" doc:"%2F in a path: redirect (307 to the path with it decoded), refuse (400), decode, or keep; default redirect"`
	Head           int    `json:"head,omitempty" doc:"bytes that the head of a request may have; default and most 65536"`
	Line           int    `json:"line,omitempty" doc:"bytes that one line of it may have; default 32768"`
	Fields         int    `json:"fields,omitempty" doc:"header fields that it may have; default 100"`
}

func (p Parsing) model() model.Parsing {
	return model.Parsing{Underscores: model.Underscores(p.Underscores), Slashes: model.Slashes(p.Slashes), EncodedSlashes: model.EncodedSlashes(p.EncodedSlashes),
		Head: p.Head, Line: p.Line, Fields: p.Fields}
}

// check says what is wrong with it.
func (p Parsing) check(section string, say func(field, format string, args ...any)) {
	var f *model.FieldError
	if err := p.model().Validate(); errors.As(err, &f) {
		say(section+"."+f.Field, "%s", f.Problem)
	}
}

// check says what cannot work. Waits of no length would end everything.
func (h *HTTP) check(say func(field, format string, args ...any)) {
	t := &h.Timeouts
	for field, d := range map[string]Duration{"proxyHeader": t.ProxyHeader, "handshake": t.Handshake, "head": t.Head, "body": t.Body, "idle": t.Idle, "write": t.Write,
		"connect": t.Connect, "response": t.Response, "responseBody": t.ResponseBody, "upgraded": t.Upgraded, "retired": t.Retired} {
		if d < 0 {
			say("http.timeouts."+field, "%s is negative", time.Duration(d))
		}
	}
	for field, n := range map[string]int{"connections": h.Connections, "perAddress": h.PerAddress, "spillTotal": h.SpillTotal} {
		if n < 0 {
			say("http."+field, "%d is negative", n)
		}
	}
}

func (h *HTTP) listeners() listener.Config {
	return listener.Config{MaxTotal: h.Connections, MaxPerSocket: h.PerAddress, HeaderTimeout: time.Duration(h.Timeouts.ProxyHeader)}
}

func (h *HTTP) timeouts(drain Duration) httpproxy.Timeouts {
	t := &h.Timeouts
	return httpproxy.Timeouts{
		Handshake: time.Duration(t.Handshake), RequestHead: time.Duration(t.Head), Idle: time.Duration(t.Idle), RequestBody: time.Duration(t.Body), Request: time.Duration(t.Request),
		Connect: time.Duration(t.Connect), Response: time.Duration(t.Response), ResponseBody: time.Duration(t.ResponseBody), Write: time.Duration(t.Write),
		Upgraded: time.Duration(t.Upgraded), RetiredStream: time.Duration(t.Retired), Drain: drain.or(5 * time.Second),
	}
}
