package builtin

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// Headers configures "request-headers" and "response-headers". Remove is done first, then Set, which leaves one field of
// the name, then Default, which adds where there is none of the name, then Add, then Copy, which adds the values that another
// name has. Values may hold {name} for variables of the route's path pattern: the text that they stand for, but for what no value may have.
type Headers struct {
	Set     []Header `json:"set,omitempty"`
	Default []Header `json:"default,omitempty"`
	Add     []Header `json:"add,omitempty"`
	Copy    []Copy   `json:"copy,omitempty"`
	Remove  []string `json:"remove,omitempty"`
	// OverBlank has Default add where all fields of the name are blank, too. They stay.
	OverBlank bool `json:"overBlank,omitempty"`
	// SecureOnly leaves alone what the client asked in clear text, as far as a trusted proxy in front does not say otherwise.
	SecureOnly bool `json:"secureOnly,omitempty"`
}

// Copy names the field whose values are copied, and the field that gets them.
type Copy struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Header is a field to set or add.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Validate refuses names and values that no field can have, and names that the gateway manages itself: those that frame
// a message or concern one connection, and Host.
func (c Headers) Validate() error {
	if len(c.Set)+len(c.Default)+len(c.Add)+len(c.Copy)+len(c.Remove) == 0 {
		return fmt.Errorf("none of set, default, add, copy and remove is given")
	}
	for _, list := range []struct {
		name   string
		fields []Header
	}{{"set", c.Set}, {"default", c.Default}, {"add", c.Add}} {
		for i, h := range list.fields {
			if err := h.validate(); err != nil {
				return fmt.Errorf("%s[%d]: %w", list.name, i, err)
			}
		}
	}
	for i, f := range c.Copy {
		if !http1.IsToken(f.From) {
			return fmt.Errorf("copy[%d].from: %q is no header name", i, f.From)
		}
		if err := validateName(f.To); err != nil {
			return fmt.Errorf("copy[%d].to: %w", i, err)
		}
	}
	for i, name := range c.Remove {
		if err := validateName(name); err != nil {
			return fmt.Errorf("remove[%d]: %w", i, err)
		}
	}
	return nil
}

func (h Header) validate() error {
	if err := validateName(h.Name); err != nil {
		return err
	}
	if !http1.IsFieldValue(h.Value) {
		return fmt.Errorf("value of %s has a control byte", h.Name)
	}
	_, err := filter.ParseTemplate(h.Value)
	return err
}

func validateName(name string) error {
	switch {
	case !http1.IsToken(name):
		return fmt.Errorf("%q is no header name", name)
	case http1.Managed(name):
		return fmt.Errorf("%s is managed by the gateway", name)
	}
	return nil
}

func requestHeadersKind() filter.Kind {
	return filter.Define("request-headers", func(c Headers, _ filter.Env) (filter.Filter, error) {
		h, err := newHeaders(c)
		return requestHeaders{h}, err
	})
}

func responseHeadersKind() filter.Kind {
	return filter.Define("response-headers", func(c Headers, _ filter.Env) (filter.Filter, error) {
		h, err := newHeaders(c)
		return responseHeaders{h}, err
	})
}

// headers is what both directions do.
type headers struct {
	set, add  []header
	usual     []usual
	overBlank bool
	copy      []Copy
	remove    []string
	location  bool // Location may be written
	secure    bool // only over TLS, as the client has come
}

type header struct {
	name  string
	value filter.Template
}

// usual is the values that a name gets where there is none of it.
type usual struct {
	name   string
	values []filter.Template
}

func newHeaders(c Headers) (*headers, error) {
	h := &headers{overBlank: c.OverBlank, remove: c.Remove, copy: c.Copy, secure: c.SecureOnly}
	for _, f := range c.Copy {
		h.location = h.location || http1.EqualFold(f.To, "Location")
	}
	for to, from := range map[*[]header][]Header{&h.set: c.Set, &h.add: c.Add} {
		for _, f := range from {
			t, err := filter.ParseTemplate(f.Value)
			if err != nil {
				return nil, err
			}
			*to = append(*to, header{f.Name, t})
			h.location = h.location || http1.EqualFold(f.Name, "Location")
		}
	}
	for _, f := range c.Default {
		t, err := filter.ParseTemplate(f.Value)
		if err != nil {
			return nil, err
		}
		h.location = h.location || http1.EqualFold(f.Name, "Location")
		i := slices.IndexFunc(h.usual, func(u usual) bool { return http1.EqualFold(u.name, f.Name) })
		if i < 0 {
			i = len(h.usual)
			h.usual = append(h.usual, usual{name: f.Name})
		}
		h.usual[i].values = append(h.usual[i].values, t)
	}
	return h, nil
}

// lacks tells whether no field of a name goes on, or none that says anything. One that its sender names in Connection does not: who could
// have a default left out by that would say more than by sending nothing.
func (h *headers) lacks(to *http1.Fields, name string) bool {
	for v := range to.Sent(name) {
		if !h.overBlank || strings.Trim(v, " \t") != "" {
			return false
		}
	}
	return true
}

func (h *headers) apply(x *filter.Exchange, to *http1.Fields, mem *http1.Arena) {
	if h.secure && schemeOf(x) != "https" {
		return
	}
	for _, name := range h.remove {
		to.Del(name)
	}
	for i := range h.set {
		to.Set(h.set[i].name, h.set[i].value.ExpandField(x, mem))
	}
	for i := range h.usual {
		if !h.lacks(to, h.usual[i].name) {
			continue
		}
		for v := range h.usual[i].values {
			to.Add(h.usual[i].name, h.usual[i].values[v].ExpandField(x, mem))
		}
	}
	for i := range h.add {
		to.Add(h.add[i].name, h.add[i].value.ExpandField(x, mem))
	}
	for _, f := range h.copy {
		for i := 0; i < maxCopied; i++ {
			v, ok := to.Nth(f.From, i)
			if !ok {
				break
			}
			to.Add(f.To, v)
		}
	}
}

// maxCopied bounds the fields that Copy makes, where a name is copied to itself too.
const maxCopied = 16

type requestHeaders struct{ *headers }

// OwnsFields implements filter.FieldOwner.
func (requestHeaders) OwnsFields() {}

func (f requestHeaders) Request(x *filter.Exchange) filter.Verdict {
	f.apply(x, &x.Request.Fields, &x.Request.Mem)
	return filter.Continue
}

type responseHeaders struct{ *headers }

var _ filter.ResponseFilter = responseHeaders{}

func (f responseHeaders) Request(*filter.Exchange) filter.Verdict { return filter.Continue }

// Response writes into the response only; captures are views of the request, which lives as long.
func (f responseHeaders) Response(x *filter.Exchange) {
	f.apply(x, &x.Response.Fields, &x.Response.Mem)
	if f.location {
		filter.KeepLocation(&x.Response)
	}
}
