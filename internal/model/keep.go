package model

import "time"

// Keep bounds how connections to an upstream's endpoints wait for further requests. It is about HTTP/1.1: those of HTTP/2 are shared. An
// endpoint that several upstreams use in the same way has its connections for all of them, and each connection waits by the rules of the
// upstream that used it last.
type Keep struct {
	Idle     int           `json:"idle,omitempty"`     // connections that wait at each endpoint; default 512; negative: none
	IdleTime time.Duration `json:"idleTime,omitempty"` // that one waits; default: as long as those of the process, 60 s
	Age      time.Duration `json:"age,omitempty"`      // since it was made, after which one takes no further request; default: any
	Requests int           `json:"requests,omitempty"` // that one takes; default: any number
}

func (k Keep) validate() error {
	switch {
	case k.IdleTime < 0:
		return fieldError("keep.idleTime", "is negative")
	case k.Age < 0:
		return fieldError("keep.age", "is negative")
	case k.Requests < 0:
		return fieldError("keep.requests", "is negative")
	}
	return nil
}
