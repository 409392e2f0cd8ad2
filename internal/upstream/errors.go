package upstream

import "paifang/internal/model"

// Codes of the errors of this package: reason in access log, header and metrics.
const (
	CodeEndpointsUnknown model.Code = "endpoints-unknown"    // no source has delivered the list yet
	CodeNoEndpoints      model.Code = "no-endpoints"         // the list is empty
	CodeAllUnhealthy     model.Code = "all-unhealthy"        // the list has endpoints, and none may be chosen
	CodeAllTried         model.Code = "all-tried"            // every endpoint that may be chosen was tried already
	CodeConnectRefused   model.Code = "connect-refused"      // the endpoint refused the connection
	CodeConnectTimeout   model.Code = "connect-timeout"      // the endpoint did not answer the connection in time
	CodeConnectFailed    model.Code = "connect-failed"       // the endpoint cannot be reached for another reason
	CodeConnectLocal     model.Code = "connect-local"        // this machine could not try: ports, files or memory used up, or many connects under way
	CodeConnectCancelled model.Code = "connect-cancelled"    // the caller gave up
	CodeTLS              model.Code = "upstream-tls"         // the endpoint's certificate is not good, it refused ours, or it speaks no TLS; or the settings cannot be used
	CodeTLSTimeout       model.Code = "upstream-tls-timeout" // the TLS handshake was not done in time
	CodeProbeFailed      model.Code = "probe-failed"         // an active probe got no connection or a bad answer
	CodeEjectedFailures  model.Code = "ejected-failures"     // too many requests in a row failed
	CodeEjectedGateway   model.Code = "ejected-gateway"      // too many in a row failed or were answered 502, 503 or 504
	CodeEjectedServer    model.Code = "ejected-server"       // too many in a row failed or were answered 5xx
	CodeEjectedRate      model.Code = "ejected-rate"         // its success rate is far below that of the others
	CodeRequestLimit     model.Code = "request-limit"        // as many requests as may be are in flight to the upstream
	CodeConnectionLimit  model.Code = "connection-limit"     // as many connections as may be are open
	CodePendingLimit     model.Code = "pending-limit"        // as many requests as may wait do
	CodePendingTimeout   model.Code = "pending-timeout"      // the request waited for its turn as long as it may
	CodeRetryLimit       model.Code = "retry-limit"          // as many requests as may be are being tried again
	CodeRetryBudget      model.Code = "retry-budget"         // too many requests are being tried again, compared with those in flight
)

// Error is an error of this package with its code.
type Error struct {
	Code model.Code
	msg  string
	err  error // the cause; may be nil
}

// Error returns "upstream: what went wrong".
func (e *Error) Error() string {
	if e.err != nil {
		return "upstream: " + e.msg + ": " + e.err.Error()
	}
	return "upstream: " + e.msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// What Pick and Wait return. Compare with == or errors.Is.
var (
	// ErrUnknown: no source has delivered any of the upstream's lists yet. Wait, then pick again.
	ErrUnknown error = &Error{Code: CodeEndpointsUnknown, msg: "no source has delivered the list of endpoints yet"}
	// ErrNoEndpoints: the lists are known and have no endpoint that carries the upstream's tags.
	ErrNoEndpoints error = &Error{Code: CodeNoEndpoints, msg: "the list of endpoints is empty"}
	// ErrAllUnhealthy: there are endpoints, and their sources call every one of them unhealthy or disabled or give
	// it no weight.
	ErrAllUnhealthy error = &Error{Code: CodeAllUnhealthy, msg: "every endpoint is unhealthy, disabled or without weight"}
	// ErrAllTried: every endpoint that may be chosen is among Hint.Tried.
	ErrAllTried error = &Error{Code: CodeAllTried, msg: "every endpoint that may be chosen was tried"}
	// ErrRequestLimit, ErrConnectionLimit, ErrPendingLimit, ErrPendingTimeout: a limit of the upstream is reached.
	ErrRequestLimit    error = &Error{Code: CodeRequestLimit, msg: "as many requests as may be are in flight"}
	ErrConnectionLimit error = &Error{Code: CodeConnectionLimit, msg: "as many connections as may be are open"}
	ErrPendingLimit    error = &Error{Code: CodePendingLimit, msg: "as many requests as may wait do"}
	ErrPendingTimeout  error = &Error{Code: CodePendingTimeout, msg: "no request ended in time for this one"}
	// ErrRetryLimit, ErrRetryBudget: the request may not be tried again now.
	ErrRetryLimit  error = &Error{Code: CodeRetryLimit, msg: "as many requests as may be are tried again"}
	ErrRetryBudget error = &Error{Code: CodeRetryBudget, msg: "too many requests are tried again"}
)
