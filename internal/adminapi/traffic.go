package adminapi

import "strings"

// Part is what traffic went through.
type Part string

// The parts.
const (
	OfListener Part = "listener"
	OfRoute    Part = "route"
	OfEndpoint Part = "endpoint"
	OfName     Part = "name"
)

// Unit is what is counted.
type Unit string

// The units: HTTP listeners count requests, the SLB counts connections, DNS counts questions.
const (
	Requests    Unit = "requests"
	Connections Unit = "connections"
	Questions   Unit = "questions"
)

// Traffic is what went through a listener, a route or an endpoint, or was asked about a name, since its process began to serve it. Two looks give
// rates and the average latency of the time between them.
type Traffic struct {
	Part     Part   `json:"part"`
	Name     string `json:"name"`               // ID of the listener or the route, address:port of the endpoint, published name; empty: requests that no route took, names that are not published
	Upstream string `json:"upstream,omitempty"` // of an endpoint: through which it was reached
	Unit     Unit   `json:"unit"`
	Count    uint64 `json:"count"`
	// Errors are requests answered with 5xx or not at all, connections for which nobody could be reached, and questions
	// that could not be answered.
	Errors uint64 `json:"errors"`
	// Refused are requests answered with 4xx, and questions with NXDOMAIN or REFUSED.
	Refused uint64 `json:"refused"`
	// Latency is a sum in milliseconds, from the head of the request to the last byte of the answer; of an endpoint to the first
	// byte; of a connection until one behind it stands; of a question until its answer is made. Connections of an endpoint have none.
	Latency float64 `json:"latencyMS"`
	Open    int     `json:"open"`             // connections of a listener or an L4 endpoint, now
	SeenBy  string  `json:"seenBy,omitempty"` // the process that counted, where there are several
}

// Average is the mean latency in milliseconds, 0 where nothing was measured.
func (t Traffic) Average() float64 {
	if t.Count == 0 {
		return 0
	}
	return t.Latency / float64(t.Count)
}

func (t Traffic) key() string {
	return strings.Join([]string{string(t.Part), t.Upstream, t.Name, t.SeenBy}, "\x00")
}

// Carrier tells what went through this process.
type Carrier interface {
	Traffic() []Traffic
}
