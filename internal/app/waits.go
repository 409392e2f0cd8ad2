package app

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"paifang/internal/httpproxy"
	"paifang/internal/upstream"
)

// Timeouts are how long this process waits, for what routes do not say themselves. docs/upstreams.md tells what happens when
// one is over.
type Timeouts struct {
	Handshake    Duration `json:"handshake,omitempty"    doc:"TLS with a client, all of it; default 10s"`
	RequestHead  Duration `json:"requestHead,omitempty"  doc:"from the first byte of a request to the end of its head; default 10s"`
	Idle         Duration `json:"idle,omitempty"         doc:"of a client connection between two requests; default 75s"`
	RequestBody  Duration `json:"requestBody,omitempty"  doc:"between two parts of a request body; default 60s"`
	Request      Duration `json:"request,omitempty"      doc:"from the head of a request to the head of its answer, tries included; default 300s, negative: no bound"`
	Connect      Duration `json:"connect,omitempty"      doc:"to an endpoint, one try; default 1s"`
	UpstreamTLS  Duration `json:"upstreamTLS,omitempty"  doc:"the TLS handshake with an endpoint, after that; default 5s"`
	Response     Duration `json:"response,omitempty"     doc:"from the end of a request to the head of its answer, one try; default 60s"`
	ResponseBody Duration `json:"responseBody,omitempty" doc:"between two parts of an answer; default 60s"`
	Write        Duration `json:"write,omitempty"        doc:"until a client, or an endpoint, takes the next part; default 60s"`
	Upgraded     Duration `json:"upgraded,omitempty"     doc:"between two parts, either way, of an upgraded connection; default 1h"`
	Retired      Duration `json:"retired,omitempty"      doc:"of an upgraded connection whose route went; default 240s"`
	UpstreamIdle Duration `json:"upstreamIdle,omitempty" doc:"of a connection to an endpoint that is kept; default 60s"`
}

// engine are the timeouts of the HTTP plane.
func (t *Timeouts) engine(drain time.Duration) httpproxy.Timeouts {
	return httpproxy.Timeouts{
		Handshake: time.Duration(t.Handshake), RequestHead: time.Duration(t.RequestHead), Idle: time.Duration(t.Idle),
		RequestBody: time.Duration(t.RequestBody), Request: time.Duration(t.Request), Connect: time.Duration(t.Connect), UpstreamTLS: time.Duration(t.UpstreamTLS),
		Response: time.Duration(t.Response), ResponseBody: time.Duration(t.ResponseBody), Write: time.Duration(t.Write),
		Upgraded: time.Duration(t.Upgraded), RetiredStream: time.Duration(t.Retired), Drain: drain,
	}
}

// check finds the negative ones.
func (t *Timeouts) check(say func(field, format string, args ...any)) {
	for _, f := range []struct {
		name string
		d    Duration
	}{
		{"handshake", t.Handshake}, {"requestHead", t.RequestHead}, {"idle", t.Idle}, {"requestBody", t.RequestBody}, {"connect", t.Connect}, {"upstreamTLS", t.UpstreamTLS},
		{"response", t.Response}, {"responseBody", t.ResponseBody}, {"write", t.Write}, {"upgraded", t.Upgraded}, {"retired", t.Retired}, {"upstreamIdle", t.UpstreamIdle},
	} {
		switch d := time.Duration(f.d); {
		case d < 0:
			say("timeouts."+f.name, "is negative")
		case d > 0 && d < time.Millisecond:
			say("timeouts."+f.name, "%v is less than 1ms", d)
		}
	}
}

// upstreams is how the addresses are worked with.
func (a *App) upstreams() (upstream.Config, error) {
	roots, err := a.cfg.TLS.roots()
	if err != nil {
		return upstream.Config{}, err
	}
	cfg := upstream.Config{Log: a.log, Changed: a.observed, Zone: a.cfg.Zone, IdleTime: time.Duration(a.cfg.Timeouts.UpstreamIdle), Roots: roots, StreamsPerConn: a.cfg.HTTP2.UpstreamStreams}
	if a.bridge != nil {
		cfg.Listed = a.bridge.Listed
	}
	if a.cfg.Affinity == "" {
		return cfg, nil
	}
	key, err := os.ReadFile(a.cfg.Affinity)
	if err != nil {
		return cfg, fmt.Errorf("app: read affinityKey: %w", err)
	}
	if cfg.AffinityKey = bytes.TrimSpace(key); len(cfg.AffinityKey) < 16 {
		return cfg, fmt.Errorf("app: read affinityKey: %s has fewer than 16 bytes", a.cfg.Affinity)
	}
	return cfg, nil
}
