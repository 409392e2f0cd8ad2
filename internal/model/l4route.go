package model

import "time"

// L4Route forwards the connections of listeners of a class, byte for byte, to an upstream.
type L4Route struct {
	ID       RouteID    `json:"id"`
	Origin   Origin     `json:"origin"`
	Attach   []Class    `json:"attach"`
	Priority int        `json:"priority,omitempty"` // of the source; lower first
	Upstream UpstreamID `json:"upstream"`
	// Idle ends a connection on which neither side has sent anything for so long; 0: as the plane has it.
	Idle time.Duration `json:"idle,omitzero"`
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
	}
	return nil
}
