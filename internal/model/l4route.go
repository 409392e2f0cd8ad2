package model

import (
	"cmp"
	"fmt"
	"time"
)

// L4Route forwards what comes to the listeners of a class, byte for byte, to an upstream: connections of listeners of protocol
// TCP, datagrams of those of protocol UDP, and of those of protocol HTTPS the ones whose TLS is for ServerNames.
type L4Route struct {
	ID       RouteID    `json:"id"`
	Origin   Origin     `json:"origin"`
	Attach   []Class    `json:"attach"`
	Priority int        `json:"priority,omitempty"` // of the source; lower first
	Upstream UpstreamID `json:"upstream"`
	// Responses ends a session of UDP when so many datagrams have come back for each that went; 0: it lasts for Idle.
	Responses int `json:"responses,omitempty"`
	// ServerNames are hosts whose TLS is not ended here: a connection whose ClientHello names one of them goes to the upstream as
	// it is (RFC 6066 section 3). A route with names serves listeners of protocol HTTPS only, one without serves none of them.
	ServerNames []Host `json:"serverNames,omitempty"`
	// Idle ends a connection on which neither side has sent anything for so long; 0: as the plane has it.
	Idle time.Duration `json:"idle,omitzero"`
	// Tries bounds the endpoints that a connection is tried with; 0: each of them once.
	Tries int `json:"tries,omitempty"`
	// Within bounds the tries of a connection together; 0: as the plane has it.
	Within time.Duration `json:"within,omitzero"`
}

// Validate reports the first field that its type does not allow.
func (r L4Route) Validate() error {
	switch {
	case r.ID == "":
		return fieldError("id", "is empty")
	case len(r.Attach) == 0:
		return fieldError("attach", "is empty: name the class of listeners that serve it")
	case r.Upstream == "":
		return fieldError("upstream", "is empty")
	case r.Idle < 0:
		return fieldError("idle", "is negative")
	case r.Responses < 0:
		return fieldError("responses", "is negative")
	case r.Tries < 0:
		return fieldError("tries", "is negative")
	case r.Within < 0:
		return fieldError("within", "is negative")
	}
	for i, h := range r.ServerNames {
		if h == "" {
			return fieldError(fmt.Sprintf("serverNames[%d]", i), "is empty: a connection without a server name cannot be told apart")
		}
		if err := h.Validate(); err != nil {
			return fieldError(fmt.Sprintf("serverNames[%d]", i), err.Error())
		}
	}
	return nil
}

// CompareL4Routes orders routes that want one server name: priority, origin, ID.
func CompareL4Routes(a, b *L4Route) int {
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), a.Origin.Before(b.Origin), cmp.Compare(a.ID, b.ID))
}
