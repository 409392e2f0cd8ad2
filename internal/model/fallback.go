package model

import (
	"fmt"
	"strings"
)

// Fallback is who answers in place of the endpoints of a route. It is asked once, with the request's method and, where that is held
// whole, its body; what it answers goes to the client as it is. The zero value is none.
type Fallback struct {
	Upstream UpstreamID `json:"upstream,omitempty"`
	Statuses Statuses   `json:"statuses,omitempty"` // from 400 to 599: answers, and those of our own, that are replaced
	Empty    bool       `json:"empty,omitempty"`    // it also answers where the route's upstream has no endpoint to choose
	// Path is asked for where an answer is replaced. Default, and where there was no endpoint: that of the request.
	Path   string          `json:"path,omitempty"`
	Fields []FallbackField `json:"fields,omitempty"` // that it is told besides those of the request
	// Credentials has it get Authorization and Cookie of the request. They are meant for the endpoints.
	Credentials bool `json:"credentials,omitempty"`
}

// FallbackField is a field of the request to a fallback.
type FallbackField struct {
	Name string `json:"name"`
	// Value is a text, or one of {status}, 503 where there was no endpoint; {accept}, the Accept of the client; {uri}, what the client
	// asked for, only where an answer is replaced. A field whose value is empty is left out.
	Value string `json:"value"`
}

func (f Fallback) validate() error {
	if f.Upstream == "" {
		if len(f.Statuses)+len(f.Fields) > 0 || f.Empty || f.Path != "" || f.Credentials {
			return fieldError("forward.fallback.upstream", "is empty")
		}
		return nil
	}
	if len(f.Statuses) == 0 && !f.Empty {
		return fieldError("forward.fallback", "never answers: give statuses, or empty")
	}
	for i, s := range f.Statuses {
		if s.From < 400 || s.To > 599 || s.From > s.To {
			return fieldError(fmt.Sprintf("forward.fallback.statuses[%d]", i), "is no range of statuses from 400 to 599")
		}
	}
	if f.Path != "" && !strings.HasPrefix(f.Path, "/") {
		return fieldError("forward.fallback.path", fmt.Sprintf("%q does not begin with /", f.Path))
	}
	for i, h := range f.Fields {
		if h.Name == "" || strings.ContainsFunc(h.Name, notToken) {
			return fieldError(fmt.Sprintf("forward.fallback.fields[%d].name", i), fmt.Sprintf("%q is no name of a field", h.Name))
		}
		if strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fieldError(fmt.Sprintf("forward.fallback.fields[%d].value", i), "has control bytes")
		}
	}
	return nil
}

// Replaces tells whether an answer with this status is replaced.
func (f *Fallback) Replaces(status int) bool { return f.Statuses.Contains(status) }
