package model

import (
	"fmt"
	"strings"
	"time"
)

// HealthCheck is an active probe of each endpoint, made once however many routes and upstreams use it. Redirects are not
// followed.
type HealthCheck struct {
	Kind     HealthKind    `json:"kind,omitempty"`
	Path     string        `json:"path,omitempty"`     // of an HTTP probe, with its query; default /
	Port     uint16        `json:"port,omitempty"`     // of every endpoint's host, that is probed; default: the endpoint's own
	Host     string        `json:"host,omitempty"`     // of an HTTP or gRPC probe; default: the address that is probed
	Headers  []Tag         `json:"headers,omitempty"`  // further fields of an HTTP or gRPC probe
	Expect   Statuses      `json:"expect,omitempty"`   // good answers to an HTTP probe; default 200-399
	Service  string        `json:"service,omitempty"`  // whose health a gRPC probe asks for; default: the server's own
	Interval time.Duration `json:"interval,omitempty"` // between the starts of two probes of one endpoint; default 2s
	Jitter   int           `json:"jitter,omitempty"`   // in percent of Interval, either way; default 10, negative = none
	Timeout  time.Duration `json:"timeout,omitempty"`  // of one probe; default 1s
	Rise     int           `json:"rise,omitempty"`     // successes in a row until healthy; default 2
	Fall     int           `json:"fall,omitempty"`     // failures in a row until unhealthy; default 2
}

// HealthKind is what a probe does.
type HealthKind string

// The probes.
const (
	HealthNone HealthKind = ""     // no probe: the source's word, failed connects and failed requests decide
	HealthTCP  HealthKind = "TCP"  // a connection is accepted
	HealthHTTP HealthKind = "HTTP" // GET Path over HTTP/1.1 answers with a status of Expect
	HealthGRPC HealthKind = "GRPC" // grpc.health.v1.Health/Check over HTTP/2 with prior knowledge answers SERVING
)

func (h HealthCheck) validate() error {
	switch h.Kind {
	case HealthNone, HealthTCP, HealthHTTP, HealthGRPC:
	default:
		return fieldError("health.kind", fmt.Sprintf("%q is none of TCP, HTTP, GRPC", h.Kind))
	}
	if h.Port != 0 && h.Kind == HealthNone {
		return fieldError("health.port", "is given without a kind")
	}
	asks := h.Kind == HealthHTTP || h.Kind == HealthGRPC
	switch {
	case h.Path != "" && (h.Kind != HealthHTTP || h.Path[0] != '/' || strings.ContainsFunc(h.Path, notVisible)):
		return fieldError("health.path", fmt.Sprintf("%q is no path of an HTTP probe", h.Path))
	case h.Host != "" && (!asks || strings.ContainsFunc(h.Host, notVisible)):
		return fieldError("health.host", fmt.Sprintf("%q is no host of an HTTP or GRPC probe", h.Host))
	case len(h.Headers) > 0 && !asks:
		return fieldError("health.headers", "are for HTTP and GRPC probes only")
	case len(h.Expect) > 0 && h.Kind != HealthHTTP:
		return fieldError("health.expect", "is for HTTP probes only")
	case h.Service != "" && h.Kind != HealthGRPC:
		return fieldError("health.service", "is for GRPC probes only")
	case h.Rise < 0, h.Fall < 0:
		return fieldError("health", "has a negative number of probes")
	case h.Jitter > 100:
		return fieldError("health.jitter", fmt.Sprintf("%d is no percentage up to 100", h.Jitter))
	}
	if err := duration("health.interval", h.Interval); err != nil {
		return err
	}
	if err := duration("health.timeout", h.Timeout); err != nil {
		return err
	}
	for i, f := range h.Headers {
		if f.Name == "" || strings.ContainsFunc(f.Name, notToken) || strings.ContainsFunc(f.Value, notValue) {
			return fieldError(fmt.Sprintf("health.headers[%d]", i), "is no header field")
		}
		if strings.EqualFold(f.Name, "host") {
			return fieldError(fmt.Sprintf("health.headers[%d]", i), "is written by every probe: health.host says what")
		}
		if framesProbe(f.Name) {
			return fieldError(fmt.Sprintf("health.headers[%d]", i), fmt.Sprintf("%s frames the probe, or is about its connection", f.Name))
		}
	}
	for i, r := range h.Expect {
		if r.From < 100 || r.To > 599 || r.From > r.To {
			return fieldError(fmt.Sprintf("health.expect[%d]", i), "is no range of statuses")
		}
	}
	return nil
}

// framesProbe tells fields of which a probe has its own, or that would have its server wait for a body (RFC 9112, section 6).
func framesProbe(name string) bool {
	for _, n := range [...]string{"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"} {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

func notVisible(r rune) bool { return r <= ' ' || r >= 0x7f }

func notValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
