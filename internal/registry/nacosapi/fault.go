package nacosapi

import (
	"errors"
	"net/http"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
)

// Codes of answers since HTTP v2 (ErrorCode of the Java sources).
const (
	codeAccessDenied = 10001
	codeInvalid      = 20002
	codeNotFound     = 20004
	codeConflict     = 20005
	codeOverLimit    = 5034
	codeInstance     = 21003 // there is no such instance
	codeState        = 23000
	codeServer       = 30000
	codeUnserved     = 40001
)

// errInstance is the error of a heartbeat for an instance that is not known: its client has to register.
var errInstance = errors.New("no such instance")

// is tells whether an error wraps any of these.
func is(err error, these ...error) bool {
	for _, e := range these {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fault is an error as HTTP tells it: the status, and the code that answers since v2 have.
func fault(err error) (status, code int) {
	switch {
	case tooLarge(err):
		return http.StatusRequestEntityTooLarge, codeOverLimit
	case is(err, auth.ErrUnauthenticated, auth.ErrForbidden):
		return http.StatusForbidden, codeAccessDenied
	case is(err, auth.ErrBusy, config.ErrBusy, errForms):
		return http.StatusTooManyRequests, codeState
	case is(err, errSlow):
		return http.StatusRequestTimeout, codeState
	case is(err, errUnserved):
		return http.StatusNotImplemented, codeUnserved
	case is(err, errInstance):
		return http.StatusNotFound, codeInstance
	case is(err, config.ErrConflict, auth.ErrConflict):
		return http.StatusConflict, codeConflict
	case is(err, registry.ErrLimit, config.ErrLimit, storage.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, codeOverLimit
	case is(err, registry.ErrInvalid, registry.ErrExists, config.ErrInvalid, auth.ErrInvalid):
		return http.StatusBadRequest, codeInvalid
	case is(err, registry.ErrUnknown, config.ErrUnknown, auth.ErrUnknown):
		return http.StatusNotFound, codeNotFound
	case is(err, registry.ErrClosed, storage.ErrUnavailable, storage.ErrClosed):
		return http.StatusServiceUnavailable, codeState
	}
	return http.StatusInternalServerError, codeServer
}

// errorCode is an error as gRPC tells it.
func errorCode(err error) int {
	switch {
	case is(err, errUnparsable):
		return nacoswire.ErrorUnparsable
	case is(err, auth.ErrUnauthenticated, auth.ErrForbidden):
		return nacoswire.ErrorNoRight
	case is(err, registry.ErrInvalid, registry.ErrExists, config.ErrInvalid, errUnserved):
		return nacoswire.ErrorInvalidParam
	case is(err, registry.ErrLimit, config.ErrLimit, auth.ErrBusy, storage.ErrTooLarge):
		return nacoswire.ErrorOverLimit
	case is(err, registry.ErrClosed):
		return nacoswire.ErrorUnregistered // the registry this connection belonged to is gone: connect again
	}
	return nacoswire.ErrorServer
}
