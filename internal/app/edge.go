package app

import (
	"errors"

	"paifang/internal/httpproxy"
	"paifang/internal/model"
)

// Bodies says what holds for the bodies of requests.
type Bodies struct {
	Dir   string `json:"dir,omitempty" doc:"directory for bodies above 64 KiB that a filter wants whole: files without a name; default the system's for such files"`
	Total int    `json:"total,omitempty" doc:"MiB of such files at a time; a body that would make them more is answered 503; default 1024"`
}

// Parsing is what listeners make of requests that servers read in more than one way. docs/strict.md has the reasons.
type Parsing struct {
	Underscores    string `json:"underscores,omitempty" doc:"header names with an underscore: refuse (400), drop (as nginx does) or allow; default refuse"`
	Slashes        string `json:"slashes,omitempty" doc:"several slashes in a row in a path: merge or keep; default merge"`
	EncodedSlashes string `json:"encodedSlashes,omitempty" doc:"%2F in a path: redirect (307 to the path with it decoded), refuse (400), decode, or keep; default redirect"`
	Head           int    `json:"head,omitempty" doc:"bytes that the head of a request may have; default and most 65536"`
	Line           int    `json:"line,omitempty" doc:"bytes that one line of it may have; default 32768"`
	Fields         int    `json:"fields,omitempty" doc:"header fields that it may have; default 100"`
}

func (p Parsing) model() model.Parsing {
	return model.Parsing{Underscores: model.Underscores(p.Underscores), Slashes: model.Slashes(p.Slashes), EncodedSlashes: model.EncodedSlashes(p.EncodedSlashes),
		Head: p.Head, Line: p.Line, Fields: p.Fields}
}

// check says what is wrong with it.
func (p Parsing) check(section string, say func(field, format string, args ...any)) {
	var f *model.FieldError
	if err := p.model().Validate(); errors.As(err, &f) {
		say(section+"."+f.Field, "%s", f.Problem)
	}
}

func (b *Bodies) spill() httpproxy.Spill {
	return httpproxy.Spill{Dir: b.Dir, Total: int64(b.Total) << 20}
}
