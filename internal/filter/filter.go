// Package filter is the contract between the HTTP engine and what a route does to requests and responses besides
// forwarding them.
//
// A Filter is flat and has two phases. The engine runs the request phases in the order of Route.Filters, and the response
// phases of those that ran in reverse. What wraps a request (timeouts, retries, access log) is a stage of the engine and
// not a filter. A Kind is one type of filter; a Catalog is the kinds that a process knows, listed once and explicitly.
package filter

// Verdict is what the engine does after a filter's request phase.
type Verdict uint8

// The verdicts.
const (
	Continue Verdict = iota
	// Respond: the filter has filled the response (Exchange.Respond does). The upstream is not asked, and the response
	// phases of the filters before it run.
	Respond
	// Reroute: the request is looked up again (Exchange.Reroute), and what is found answers it.
	Reroute
)

// Filter sees a request on its way in. One instance serves all requests of a route at the same time, so it has no
// fields for one of them, and it must not keep the exchange. It must not block either, but in Exchange.Wait. A filter that
// also is an io.Closer is closed when its route is retired.
type Filter interface {
	Request(x *Exchange) Verdict
}

// BodyFilter wants the body of a request whole before its request phase runs: Exchange.RequestBody. It is recognised once,
// when its route is bound. Bodies that no filter asks for stream past.
type BodyFilter interface {
	Filter
	// BodyLimit is how many bytes of body the filter takes, above 0. A request with more is answered 413, whether it says
	// its length or not.
	BodyLimit() int64
}

// FieldOwner is a filter that decides what fields of the request say: who the client is, for one. What stands behind the body of a request is
// not sent on then, for it could say something else of the same (RFC 9110, 6.5.1).
type FieldOwner interface {
	Filter
	OwnsFields()
}

// ResponseFilter also sees the response. It is recognised once, when its route is bound.
type ResponseFilter interface {
	Filter
	Response(x *Exchange)
}
