package model

import (
	"fmt"
	"time"
)

// Ejection takes an endpoint out for a while because of what became of requests to it. The zero value is in force: five
// failures in a row. It is own observation: it never takes out the only endpoint, and what sources say is not touched.
//
// A failure is a connection that broke before the answer, an answer that breaks the protocol, or none in time. A failed
// connect is not counted: it takes the endpoint out at once, by itself.
type Ejection struct {
	Off           bool          `json:"off,omitempty"`
	Failures      int           `json:"failures,omitempty"`      // in a row; default 5, negative = not counted
	GatewayErrors int           `json:"gatewayErrors,omitempty"` // failures and answers 502, 503, 504 in a row; default 0: not counted
	ServerErrors  int           `json:"serverErrors,omitempty"`  // failures and answers 5xx in a row; default 0: not counted
	SuccessRate   SuccessRate   `json:"successRate,omitzero"`
	Interval      time.Duration `json:"interval,omitempty"` // at which success rates are compared, and good conduct is rewarded; default 10s
	Base          time.Duration `json:"base,omitempty"`     // of the first ejection; the n-th lasts n times as long; default 30s
	Most          time.Duration `json:"most,omitempty"`     // of any ejection; default 300s
	// Percent of the upstream's ready endpoints may be ejected at one time, and one if there are at least two. Default 10.
	Percent int `json:"percent,omitempty"`
}

// SuccessRate ejects the endpoints that are much worse than the others: those whose share of good answers in an interval is
// below the average by more than so many standard deviations. Answers 5xx and failures are not good.
type SuccessRate struct {
	On         bool `json:"on,omitempty"`
	Deviations int  `json:"deviations,omitempty"` // in thousandths; default 1900
	Requests   int  `json:"requests,omitempty"`   // an endpoint with fewer in the interval does not count; default 100
	Endpoints  int  `json:"endpoints,omitempty"`  // with fewer that count, nobody is ejected; default 5
}

func (e Ejection) validate() error {
	switch {
	case e.GatewayErrors < 0:
		return fieldError("ejection.gatewayErrors", "is negative")
	case e.ServerErrors < 0:
		return fieldError("ejection.serverErrors", "is negative")
	case !e.SuccessRate.On && e.SuccessRate != SuccessRate{}:
		return fieldError("ejection.successRate.on", "is not set: without it the rest has no effect")
	case e.SuccessRate.Deviations < 0 || e.SuccessRate.Requests < 0 || e.SuccessRate.Endpoints < 0:
		return fieldError("ejection.successRate", "has a negative number")
	case max(e.Failures, e.GatewayErrors, e.ServerErrors) > maxInRow:
		return fieldError("ejection", fmt.Sprintf("counts more than %d in a row", maxInRow))
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"interval", e.Interval}, {"base", e.Base}, {"most", e.Most}} {
		if err := duration("ejection."+f.name, f.d); err != nil {
			return err
		}
	}
	return percent("ejection.percent", e.Percent)
}

// maxInRow bounds counts of failures in a row.
const maxInRow = 1 << 15

// Limits bound what one process asks of an upstream. Zero = no limit. What is over a limit is answered 503 at once, with a
// code of its own, or waits if it may.
type Limits struct {
	Connections         int           `json:"connections,omitempty"`         // open, idle ones too, to all endpoints together
	EndpointConnections int           `json:"endpointConnections,omitempty"` // open to one endpoint
	Requests            int           `json:"requests,omitempty"`            // in flight to all endpoints together
	Pending             int           `json:"pending,omitempty"`             // that wait for one of these; default 0: nobody waits
	Wait                time.Duration `json:"wait,omitempty"`                // of one of them; default 1s
	Retries             int           `json:"retries,omitempty"`             // requests in their second or later try
}

func (l Limits) validate() error {
	for _, f := range []struct {
		name string
		n    int
	}{{"connections", l.Connections}, {"endpointConnections", l.EndpointConnections}, {"requests", l.Requests}, {"pending", l.Pending}, {"retries", l.Retries}} {
		if f.n < 0 {
			return fieldError("limits."+f.name, "is negative")
		}
	}
	bounded := l.Connections > 0 || l.EndpointConnections > 0 || l.Requests > 0
	switch {
	case l.Wait < 0:
		return fieldError("limits.wait", "is negative")
	case l.Pending > 0 && !bounded:
		return fieldError("limits.pending", "has no effect without a limit on connections or requests")
	case l.Wait > 0 && l.Pending == 0:
		return fieldError("limits.wait", "has no effect without pending")
	}
	return nil
}
