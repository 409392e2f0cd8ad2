package explain

import "paifang/internal/model"

// Result is a request, explained.
type Result struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Road   int    `json:"road"`  // 1, 2, or 0: it takes neither
	Title  string `json:"title"` // "http://shop.test/order/42 takes road 1: domain, SLB, ingress, service, pod"
	Hops   []Hop  `json:"hops"`

	// What decided, for those who compare it with an access log.
	Listener model.ListenerID `json:"listener,omitempty"`
	Node     string           `json:"node,omitempty"`
	Route    model.RouteID    `json:"route,omitempty"`
	Filters  []string         `json:"filters,omitempty"` // kinds in the order of execution
	Upstream model.UpstreamID `json:"upstream,omitempty"`
	Endpoint string           `json:"endpoint,omitempty"` // address:port

	// Status is what the answer will be where this is decided before any upstream is asked, and what it was where the
	// request was sent. 0 = the upstream decides, or there is no answer.
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"` // why, as header and access log have it: "no-route", "no-endpoints"
	Sent   bool   `json:"sent"`
}

// Hop is one line.
type Hop struct {
	N          int         `json:"n"`
	Name       string      `json:"name"` // client, dns, connect, slb, node, ingress, route, upstream, registry, endpoint, pod, answer
	Text       string      `json:"text"`
	Source     string      `json:"source,omitempty"` // file:line of what decides here
	MS         float64     `json:"ms,omitempty"`     // that the hop took, where the request was sent
	Problem    bool        `json:"problem,omitempty"`
	Candidates []Candidate `json:"candidates,omitempty"` // where one of several is chosen
}

// Candidate is one of several that a hop chooses among.
type Candidate struct {
	Name   string  `json:"name"`
	Share  float64 `json:"share"` // of the requests, 0 to 1
	Chosen bool    `json:"chosen,omitempty"`
	Note   string  `json:"note,omitempty"`
}
