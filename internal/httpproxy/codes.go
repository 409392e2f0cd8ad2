package httpproxy

import "paifang/internal/model"

// Codes of answers of our own, and of failures after the answer had begun. They are in the response header
// X-Paifang-Reason, in the access log and in the counters. Faults of the client's message have the codes of http1.Fault,
// endpoints that cannot be chosen or reached those of package upstream, requests that their connection may not make those
// of package certs, rejected routes and TLS policies those of their diagnostics.
const (
	CodeNoHost           model.Code = "no-host"             // 404: no route at all is for this host
	CodeNoRoute          model.Code = "no-route"            // 404: the host has routes, none takes the request
	CodeEncodedSlash     model.Code = "encoded-slash-moved" // 307: the client is sent to the path with its encoded slashes decoded
	CodeBadPath          model.Code = "bad-path"            // 500: a filter made a path that may not be sent on
	CodeHeadsFull        model.Code = "heads-full"          // 503: the long heads of requests under way take all that they may together
	CodeSpillFull        model.Code = "spill-full"          // 503: too many bodies are kept in files
	CodeSpillFailed      model.Code = "spill-failed"        // 500: a body could not be kept in a file
	CodeRequestTimeout   model.Code = "request-timeout"     // 408: the request did not arrive in time
	CodeClientLeft       model.Code = "client-left"         // 499 in the log: the client closed before it had its answer
	CodeClientSlow       model.Code = "client-slow"         // the client did not take its answer in time
	CodeOverloaded       model.Code = "overloaded"          // 503: the process has no memory for another request
	CodeNoTarget         model.Code = "no-target"           // 503: the route names no upstream that may be used
	CodeUpstreamReset    model.Code = "upstream-reset"      // 502: the endpoint closed before the answer, or within it
	CodeUpstreamTimeout  model.Code = "upstream-timeout"    // 504: the endpoint did not answer, or go on, in time
	CodeUpstreamProtocol model.Code = "upstream-protocol"   // 502: the endpoint's answer breaks HTTP
	CodeShutdown         model.Code = "shutdown"            // the listener closed before the request was done
	CodeRetired          model.Code = "retired"             // an upgraded connection whose route went was ended
	CodeBadRequestBody   model.Code = "bad-request-body"    // 400: the body broke its framing while it was sent on
	CodeUpgradeRefused   model.Code = "upgrade-unasked"     // 502: the endpoint upgraded a connection nobody asked to
	CodeMalformed        model.Code = "malformed"           // 400 in the log: the stream was reset, since its request breaks HTTP/2
)

// sentence is what a client is told: nothing about the inside.
func sentence(status int) string {
	switch status {
	case 400:
		return "This request is not valid HTTP.\n"
	case 403:
		return "This is not served here to everybody.\n"
	case 404:
		return "Nothing is served here.\n"
	case 408:
		return "The request did not arrive in time.\n"
	case 413:
		return "The body of this request is too large.\n"
	case 414:
		return "The address of this request is too long.\n"
	case 417:
		return "The expectation of this request cannot be met.\n"
	case 421:
		return "This connection is not for the host of the request.\n"
	case 431:
		return "The header of this request is too large.\n"
	case 501:
		return "This kind of request is not supported.\n"
	case 502:
		return "The service behind this address gave no valid answer.\n"
	case 503:
		return "The service behind this address is not available at the moment.\n"
	case 504:
		return "The service behind this address did not answer in time.\n"
	case 505:
		return "This version of HTTP is not supported.\n"
	case 508:
		return "This request goes round in a circle.\n"
	}
	return ""
}
