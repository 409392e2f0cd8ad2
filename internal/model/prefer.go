package model

import (
	"fmt"
	"strings"
)

// TagPreference sends requests that name a value to endpoints whose tag has it, while one of them is ready and up. Requests
// that name none, or one that nobody has, go to all. It is Spring Cloud's hint-based load balancing.
type TagPreference struct {
	Tag    string `json:"tag,omitempty"`    // of the endpoints; empty = no preference
	Header string `json:"header,omitempty"` // of the request, whose first value is the one; empty = only Value
	Value  string `json:"value,omitempty"`  // of requests without that header; empty = they name none
}

func (p TagPreference) validate() error {
	switch {
	case p == TagPreference{}:
		return nil
	case p.Tag == "":
		return fieldError("prefer.tag", "is empty: name the tag of endpoints that counts")
	case p.Header == "" && p.Value == "":
		return fieldError("prefer", "has neither header nor value: nothing would name a value")
	case strings.ContainsFunc(p.Header, notToken):
		return fieldError("prefer.header", fmt.Sprintf("%q is no header name", p.Header))
	}
	return nil
}
