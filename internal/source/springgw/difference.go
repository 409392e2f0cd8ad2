package springgw

// difference is how a predicate or filter differs from Spring's on purpose. Where it does so only with some arguments, routes without
// these are not judged by it.
type difference struct {
	why    string
	always bool
}

const (
	forwardedOfTrusted = "the header is believed from gateway.trusted only, and an entry further to the left (maxTrustedIndex) where those to the right of it are in gateway.trusted too, or gateway.hops counts it; several fields are read as one list"
	managedHeaders     = "Host, Content-Length and other headers that frame a message or concern one connection are refused, and the route answers 503: SetRequestHostHeader sets Host"
	locallyCounted     = "while Redis is away each gateway counts for itself, where Spring lets everything pass; what Spring's default principalNameKeyResolver counts by has to be said in sources.spring.keyResolvers"
	callsAnswered      = "a call that fails is answered with the HTTP status that its gRPC code stands for"
	causeless          = "the message is the status and the code of the failure; a root cause is not told"
)

// differences are those of predicates and filters by name.
func differences() map[string]difference {
	return map[string]difference{
		"Host":                 {"variables of a pattern with a port are not known to filters: a route whose filters use one answers 503", false},
		"XForwardedRemoteAddr": {forwardedOfTrusted, true},
		"LocalResponseCache":   {"answers to requests with Authorization are not kept", true},
		"AddRequestHeader":     {managedHeaders, false},
		"SetRequestHeader":     {managedHeaders, false},
		"AddResponseHeader":    {managedHeaders, false},

		"AddRequestHeadersIfNotPresent": {managedHeaders, false},
		"MapRequestHeader":              {managedHeaders, false},
		"RewriteResponseHeader":         {managedHeaders, false},

		"SetResponseHeader":         {managedHeaders, false},
		"SetStatus":                 {"a status outside 200 to 599 is refused", false},
		"SetRequestUri":             {onlyDeclared, true},
		"RequestHeaderToRequestUri": {onlyDeclared, true},
		"RequestRateLimiter":        {locallyCounted, true},
		"JsonToGrpc":                {callsAnswered, true},
		"FallbackHeaders":           {causeless, true},
		"CircuitBreaker":            {"of the properties of Resilience4j a window of time is refused, and classes of exceptions, predicates in Java and pauses that grow have no effect", false},
		"Retry":                     {"names of exceptions have no effect: every failure of a connection and every timeout is tried again; tries and pauses have a bound", false},
	}
}
