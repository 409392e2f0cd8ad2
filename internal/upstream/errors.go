package upstream

import "paifang/internal/model"

// Codes of the errors of this package: reason in access log, header and metrics.
const (
	CodeEndpointsUnknown model.Code = "endpoints-unknown" // no source has delivered the list yet
	CodeNoEndpoints      model.Code = "no-endpoints"      // the list is empty
	CodeAllUnhealthy     model.Code = "all-unhealthy"     // the list has endpoints, and none may be chosen
	CodeAllTried         model.Code = "all-tried"         // every endpoint that may be chosen was tried already
	CodeConnectRefused   model.Code = "connect-refused"   // the endpoint refused the connection
	CodeConnectTimeout   model.Code = "connect-timeout"   // the endpoint did not answer the connection in time
	CodeConnectFailed    model.Code = "connect-failed"    // the endpoint cannot be reached for another reason
	CodeConnectLocal     model.Code = "connect-local"     // this machine could not try: ports, files or memory used up
	CodeConnectCancelled model.Code = "connect-cancelled" // the caller gave up
	CodeTLS              model.Code = "upstream-tls"      // no TLS came about with the endpoint
	CodeProbeFailed      model.Code = "probe-failed"      // an active probe got no connection or a bad answer
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
)
