package model

import (
	"cmp"
	"fmt"
)

// Parsing is what a listener makes of requests that servers read in more than one way. It is decided before any route is
// known, so it is the listener's and nobody else's. The zero value is the choice for a listener that faces the internet.
type Parsing struct {
	Underscores    Underscores    `json:"underscores,omitempty"`
	Slashes        Slashes        `json:"slashes,omitempty"`
	EncodedSlashes EncodedSlashes `json:"encodedSlashes,omitempty"`
	Head           int            `json:"head,omitempty"`   // bytes that the head of a request may have; default and most 65536
	Line           int            `json:"line,omitempty"`   // bytes that one line of it may have; default 32768
	Fields         int            `json:"fields,omitempty"` // header fields that it may have; default 100
}

// Underscores says what becomes of header fields with an underscore in their name, which CGI, WSGI and Rack servers
// cannot tell from the name with a dash.
type Underscores string

// The choices; empty = UnderscoresRefuse.
const (
	UnderscoresRefuse Underscores = "refuse" // answer 400
	UnderscoresDrop   Underscores = "drop"   // forward the request without the field, as nginx does
	UnderscoresAllow  Underscores = "allow"  // forward the field, unless the same name with dashes is there too
)

// Slashes says what becomes of several slashes in a row in a path. At its start they are always one.
type Slashes string

// The choices; empty = SlashesMerge.
const (
	SlashesMerge Slashes = "merge" // they are one
	SlashesKeep  Slashes = "keep"  // they are empty segments
)

// EncodedSlashes says what becomes of %2F in a path. %5C is refused, unless both are kept.
type EncodedSlashes string

// The choices; empty = EncodedSlashesRedirect.
const (
	EncodedSlashesRedirect EncodedSlashes = "redirect" // answer 307 to the path with the slash decoded
	EncodedSlashesRefuse   EncodedSlashes = "refuse"   // answer 400
	EncodedSlashesDecode   EncodedSlashes = "decode"   // decode the slash before a route is looked for
	EncodedSlashesKeep     EncodedSlashes = "keep"     // never decode it: it is text inside a segment
)

// The bounds of Parsing.
const (
	MaxHead     = 64 << 10
	MinHead     = 1 << 10
	DefaultLine = 32 << 10
	MaxFields   = 1000
)

// Effective is p with its defaults filled in.
func (p Parsing) Effective() Parsing {
	p.Underscores = cmp.Or(p.Underscores, UnderscoresRefuse)
	p.Slashes = cmp.Or(p.Slashes, SlashesMerge)
	p.EncodedSlashes = cmp.Or(p.EncodedSlashes, EncodedSlashesRedirect)
	p.Head = cmp.Or(p.Head, MaxHead)
	p.Line = min(cmp.Or(p.Line, DefaultLine), p.Head)
	p.Fields = cmp.Or(p.Fields, 100)
	return p
}

// Validate reports the first field that its type does not allow.
func (p Parsing) Validate() error {
	e := p.Effective()
	switch e.Underscores {
	case UnderscoresRefuse, UnderscoresDrop, UnderscoresAllow:
	default:
		return fieldError("underscores", fmt.Sprintf("%q is none of refuse, drop, allow", p.Underscores))
	}
	switch e.Slashes {
	case SlashesMerge, SlashesKeep:
	default:
		return fieldError("slashes", fmt.Sprintf("%q is none of merge, keep", p.Slashes))
	}
	switch e.EncodedSlashes {
	case EncodedSlashesRedirect, EncodedSlashesRefuse, EncodedSlashesDecode, EncodedSlashesKeep:
	default:
		return fieldError("encodedSlashes", fmt.Sprintf("%q is none of redirect, refuse, decode, keep", p.EncodedSlashes))
	}
	switch {
	case e.Head < MinHead || e.Head > MaxHead:
		return fieldError("head", fmt.Sprintf("%d: want %d to %d bytes", p.Head, MinHead, MaxHead))
	case p.Line < 0 || p.Line > MaxHead:
		return fieldError("line", fmt.Sprintf("%d: want at most %d bytes", p.Line, MaxHead))
	case p.Fields < 0 || p.Fields > MaxFields:
		return fieldError("fields", fmt.Sprintf("%d: want at most %d", p.Fields, MaxFields))
	}
	return nil
}

// Expectation is how the rules of a class expect requests to be read, because somebody said that they were written for
// another server. Listeners decide that, so what one of them does otherwise is only told.
type Expectation struct {
	Class   Class
	Origin  Origin
	Parsing Parsing // only fields that are set are expected; limits never are
	Who     string  // whose way it is: "ingress-nginx", for the message
}

// Unmet says what a listener's parsing does otherwise than expected: "underscores is refuse, not drop". Empty = nothing.
func (e Expectation) Unmet(p Parsing) []string {
	p = p.Effective()
	var out []string
	add := func(field, want, is string) {
		if want != "" && want != is {
			out = append(out, fmt.Sprintf("%s is %s, not %s", field, is, want))
		}
	}
	add("underscores", string(e.Parsing.Underscores), string(p.Underscores))
	add("slashes", string(e.Parsing.Slashes), string(p.Slashes))
	add("encodedSlashes", string(e.Parsing.EncodedSlashes), string(p.EncodedSlashes))
	return out
}
