package builtin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// RemoveJSON configures "remove-json-attributes": attributes are taken out of answers in JSON. What is left stays as the upstream
// wrote it, byte for byte.
type RemoveJSON struct {
	Attributes []string `json:"attributes"`         // names, in their case
	Deep       bool     `json:"deep,omitempty"`     // of every object in the answer. Default: of the object that the answer is
	MaxBytes   int64    `json:"maxBytes,omitempty"` // of an answer, which is held whole; default 1 MiB, at most 16 MiB. A longer one is 502
}

const (
	defaultJSONBytes = 1 << 20
	maxJSONBytes     = 16 << 20
)

// Validate refuses what removes nothing.
func (c RemoveJSON) Validate() error {
	switch {
	case len(c.Attributes) == 0 || len(c.Attributes) > 256:
		return fmt.Errorf("attributes are %d: want 1 to 256", len(c.Attributes))
	case c.MaxBytes < 0 || c.MaxBytes > maxJSONBytes:
		return fmt.Errorf("maxBytes is %d: want up to %d", c.MaxBytes, int64(maxJSONBytes))
	}
	return nil
}

func removeJSONKind() filter.Kind {
	return filter.Define("remove-json-attributes", func(c RemoveJSON, _ filter.Env) (filter.Filter, error) {
		setDefault(&c.MaxBytes, defaultJSONBytes)
		return &removeJSON{c}, nil
	})
}

type removeJSON struct{ RemoveJSON }

var _ filter.ResponseFilter = (*removeJSON)(nil)

// Request has the upstream answer in a form that can be changed: not compressed, and whole.
func (f *removeJSON) Request(x *filter.Exchange) filter.Verdict {
	x.KeepAcceptEncoding()
	x.Request.Fields.Set("Accept-Encoding", "identity")
	x.Request.Fields.Del("Range")
	return filter.Continue
}

// Response has the body changed.
func (f *removeJSON) Response(x *filter.Exchange) {
	r := &x.Response
	if x.Code != "" || filter.Bodyless(r.Status) || !isJSON(r.Fields.Get("Content-Type")) {
		return
	}
	otherBytes(r)
	switch {
	case r.Body == http1.NoBody:
		r.ContentLength = -1
	case r.Body != http1.SizedBody || r.ContentLength > 0:
		coded := r.Fields.Get("Content-Encoding")
		x.Transform(&jsonBody{filter: f, unreadable: r.Status == 206 || coded != "" && !http1.EqualFold(coded, "identity")}, filter.WholeBody)
	}
}

// isJSON tells the media types of JSON (RFC 8259, and RFC 6839, 3.1).
func isJSON(contentType string) bool {
	return typeIn([]string{"application/json", "text/json", "+json"}, contentType)
}

var errJSON = errors.New("the answer is no JSON, or not in a form that can be changed")

// jsonBody holds an answer until it is whole.
type jsonBody struct {
	filter     *removeJSON
	held       []byte
	unreadable bool
}

func (b *jsonBody) Append(dst, part []byte) ([]byte, error) {
	if b.unreadable || int64(len(b.held)+len(part)) > b.filter.MaxBytes {
		return dst, errJSON
	}
	b.held = append(b.held, part...)
	return dst, nil
}

func (b *jsonBody) Flush(dst []byte) ([]byte, error) { return dst, nil }

func (b *jsonBody) Finish(dst []byte) ([]byte, error) {
	if len(bytes.TrimSpace(b.held)) == 0 {
		return append(dst, b.held...), nil
	}
	if !json.Valid(b.held) {
		return dst, errJSON
	}
	e := jsonEditor{in: b.held, out: dst, remove: b.filter.Attributes, deep: b.filter.Deep}
	e.space()
	e.value(true)
	e.space()
	return e.out, nil
}

func (b *jsonBody) Release() { b.held = nil }

// jsonEditor copies a valid text without some attributes. Its depth is bounded by json.Valid, which takes 10,000 levels.
type jsonEditor struct {
	in, out []byte
	at      int
	remove  []string
	deep    bool
}

// space copies white space.
func (e *jsonEditor) space() {
	for e.at < len(e.in) && isSpace(e.in[e.at]) {
		e.out = append(e.out, e.in[e.at])
		e.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// value copies a value. edit: attributes are removed if it is an object.
func (e *jsonEditor) value(edit bool) {
	switch e.in[e.at] {
	case '{':
		e.object(edit)
	case '[':
		e.array()
	case '"':
		e.text()
	default:
		from := e.at
		for e.at < len(e.in) && !isSpace(e.in[e.at]) && !bytes.ContainsRune([]byte(",]}"), rune(e.in[e.at])) {
			e.at++
		}
		e.out = append(e.out, e.in[from:e.at]...)
	}
}

// text copies a string and returns it as it stands there.
func (e *jsonEditor) text() []byte {
	from := e.at
	for e.at++; e.in[e.at] != '"'; e.at++ {
		if e.in[e.at] == '\\' {
			e.at++
		}
	}
	e.at++
	e.out = append(e.out, e.in[from:e.at]...)
	return e.in[from:e.at]
}

func (e *jsonEditor) array() {
	e.one() // [
	for e.space(); e.in[e.at] != ']'; e.space() {
		if e.in[e.at] == ',' {
			e.one()
			continue
		}
		e.value(e.deep)
	}
	e.one()
}

// object copies an object. A member that goes takes the comma before it along, or, as the first, the one behind it.
func (e *jsonEditor) object(edit bool) {
	e.one() // {
	kept := 0
	for {
		start := len(e.out)
		comma := -1
		e.space()
		if e.in[e.at] == ',' {
			comma = len(e.out)
			e.one()
			e.space()
		}
		if e.in[e.at] == '}' {
			break
		}
		if comma >= 0 && kept == 0 {
			e.out = append(e.out[:comma], e.out[comma+1:]...)
		}
		name := e.text()
		e.space()
		e.one() // :
		e.space()
		e.value(e.deep)
		if edit && e.removes(name) {
			e.out = e.out[:start]
			continue
		}
		kept++
	}
	e.one()
}

func (e *jsonEditor) one() {
	e.out = append(e.out, e.in[e.at])
	e.at++
}

// removes tells whether a name, as it stands in the text, is one of those that go: it may be written with escapes.
func (e *jsonEditor) removes(quoted []byte) bool {
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		return false // of a valid text every string can be read
	}
	return slices.Contains(e.remove, name)
}
