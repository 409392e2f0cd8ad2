package model

import (
	"fmt"
	"time"
)

// Clients says how long a listener waits for its clients, and how much it takes of each. A zero field is as the process has it.
type Clients struct {
	ProxyHeader time.Duration `json:"proxyHeader,omitempty"` // from the begin of a connection to the end of its PROXY header
	Head        time.Duration `json:"head,omitempty"`        // from the first byte of a request to the end of its head
	Body        time.Duration `json:"body,omitempty"`        // between two parts of a request body
	Idle        time.Duration `json:"idle,omitempty"`        // of a connection between two requests
	Requests    int           `json:"requests,omitempty"`    // that a connection carries before it ends; 0 = any number
	Streams     int           `json:"streams,omitempty"`     // requests that a client may have open on one connection of HTTP/2
	Connections int           `json:"connections,omitempty"` // open at each address
	Drain       time.Duration `json:"drain,omitempty"`       // that requests under way have when the listener goes
}

// MaxStreams bounds Clients.Streams.
const MaxStreams = 10_000

// Validate reports the first field that its type does not allow.
func (c Clients) Validate() error {
	for _, f := range []struct {
		name string
		d    time.Duration
	}{{"proxyHeader", c.ProxyHeader}, {"head", c.Head}, {"body", c.Body}, {"idle", c.Idle}, {"drain", c.Drain}} {
		if f.d < 0 {
			return fieldError("clients."+f.name, "is negative")
		}
	}
	switch {
	case c.Requests < 0:
		return fieldError("clients.requests", "is negative")
	case c.Connections < 0:
		return fieldError("clients.connections", "is negative")
	case c.Streams < 0 || c.Streams > MaxStreams:
		return fieldError("clients.streams", fmt.Sprintf("%d: want at most %d", c.Streams, MaxStreams))
	}
	return nil
}
