package model

// Locator is a route template for every service that a keeper lists (Spring Cloud Gateway's discovery locator).
// Compile expands it: the path /NAME/** goes to the service NAME with that first segment taken off.
type Locator struct {
	ID        string   `json:"id"`
	Origin    Origin   `json:"origin"`
	Attach    []Class  `json:"attach"`
	Priority  int      `json:"priority,omitempty"`
	Keeper    string   `json:"keeper"`
	Prefix    string   `json:"prefix"`              // of list names: "public/DEFAULT_GROUP/"; what follows is the service
	LowerCase bool     `json:"lowerCase,omitempty"` // the path has the service's name in lower case
	Except    []string `json:"except,omitempty"`    // services without a route: the gateway's own
	Rank      Rank     `json:"rank,omitzero"`
	// Filters are those of every route, the one that takes off the segment included. Empty = that one alone.
	Filters []FilterSpec `json:"filters,omitempty"`
	TLS     UpstreamTLS  `json:"tls,omitzero"` // of the upstreams
}

// Validate reports the first field that its type does not allow.
func (l Locator) Validate() error {
	switch {
	case l.ID == "":
		return fieldError("id", "is empty")
	case len(l.Attach) == 0:
		return fieldError("attach", "is empty")
	case l.Keeper == "":
		return fieldError("keeper", "is empty")
	}
	return l.TLS.Validate()
}
