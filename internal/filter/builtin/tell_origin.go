package builtin

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/filter"
)

// TellOrigin configures "tell-origin": names of fields in which the upstream is told what the gateway knows of a request besides
// X-Forwarded-For, -Host, -Port and -Proto. Each replaces what the client sent under it.
type TellOrigin struct {
	Scheme        []string `json:"scheme,omitempty"`        // get http or https: what X-Forwarded-Proto says
	ForwardedFor  []string `json:"forwardedFor,omitempty"`  // get the X-Forwarded-For that the client sent, where it sent one
	ForwardedHost []string `json:"forwardedHost,omitempty"` // get the X-Forwarded-Host that the client sent, where it sent one
	Prefix        []string `json:"prefix,omitempty"`        // get what filters in front took off the path, behind the X-Forwarded-Prefix that there is
	KeepID        bool     `json:"keepID,omitempty"`        // an X-Request-ID is the client's own, also of one that is not trusted
	NoID          bool     `json:"noID,omitempty"`          // there is no X-Request-ID unless the client sent one; implies keepID
}

// Validate refuses names that no field can have and those that the gateway manages itself.
func (c TellOrigin) Validate() error {
	if len(c.Scheme)+len(c.ForwardedFor)+len(c.ForwardedHost)+len(c.Prefix) == 0 && !c.KeepID && !c.NoID {
		return fmt.Errorf("none of scheme, forwardedFor, forwardedHost, prefix, keepID and noID is given")
	}
	for _, list := range []struct {
		name  string
		names []string
	}{{"scheme", c.Scheme}, {"forwardedFor", c.ForwardedFor}, {"forwardedHost", c.ForwardedHost}, {"prefix", c.Prefix}} {
		for i, name := range list.names {
			if err := validateName(name); err != nil {
				return fmt.Errorf("%s[%d]: %w", list.name, i, err)
			}
		}
	}
	return nil
}

func tellOriginKind() filter.Kind {
	return filter.Define("tell-origin", func(c TellOrigin, _ filter.Env) (filter.Filter, error) { return &tellOrigin{c}, nil })
}

type tellOrigin struct{ TellOrigin }

// OwnsFields implements filter.FieldOwner.
func (*tellOrigin) OwnsFields() {}

func (f *tellOrigin) Request(x *filter.Exchange) filter.Verdict {
	tell := func(names []string, value string) {
		for _, name := range names {
			if value == "" {
				x.Request.Fields.Del(name)
			} else {
				x.Request.Fields.Set(name, value)
			}
		}
	}
	tell(f.Scheme, x.Request.Fields.Get("X-Forwarded-Proto"))
	tell(f.ForwardedFor, x.Claimed.ForwardedFor)
	tell(f.ForwardedHost, x.Claimed.ForwardedHost)
	if len(f.Prefix) > 0 {
		prefix, taken := x.Request.Fields.Get("X-Forwarded-Prefix"), x.TakenOff()
		before := len(prefix)
		if prefix != "" && taken != "" {
			prefix = x.Request.Mem.Join(prefix, ",", taken)
		} else {
			prefix += taken
		}
		tell(f.Prefix, prefix)
		if slices.ContainsFunc(f.Prefix, func(name string) bool { return strings.EqualFold(name, "X-Forwarded-Prefix") }) {
			x.ToldPrefix(len(prefix) - before)
		}
	}
	switch id := x.Claimed.RequestID; {
	case (f.KeepID || f.NoID) && filter.IsRequestID(id):
		x.ID = id
		x.Request.Fields.Set("X-Request-ID", id)
	case f.NoID:
		x.Request.Fields.Del("X-Request-ID")
	}
	return filter.Continue
}
