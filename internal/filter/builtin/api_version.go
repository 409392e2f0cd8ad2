package builtin

import (
	"fmt"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// CodeVersion is the code of the answer 400 to requests for a version of an API that cannot be read, or that say none where one has to be.
const CodeVersion model.Code = "version-unreadable"

// APIVersion configures "api-version": requests whose version cannot be read are answered 400. The conditions on versions of routes let
// them pass, so that a client is told what is wrong and not that there is nothing at the path.
type APIVersion struct {
	In       []model.VersionPlace `json:"in"`                 // where requests say their version: the first that has any counts
	Required bool                 `json:"required,omitempty"` // a request that says none is answered 400 too
}

// maxVersionPlaces bounds what is looked at for each request.
const maxVersionPlaces = 16

// Validate refuses places that are none.
func (c APIVersion) Validate() error {
	if len(c.In) == 0 || len(c.In) > maxVersionPlaces {
		return fmt.Errorf("in has %d places: want 1 to %d", len(c.In), maxVersionPlaces)
	}
	for i, p := range c.In {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("in[%d]: %w", i, err)
		}
	}
	return nil
}

func apiVersionKind() filter.Kind {
	return filter.Define("api-version", func(c APIVersion, _ filter.Env) (filter.Filter, error) { return &apiVersion{c}, nil })
}

type apiVersion struct{ APIVersion }

func (f *apiVersion) Request(x *filter.Exchange) filter.Verdict {
	text, said := snapshot.VersionText(versioned{x}, f.In)
	switch {
	case !said && !f.Required:
		return filter.Continue
	case !said:
		return x.Respond(400, CodeVersion, "Which version of the API is asked for? The request does not say.\n")
	}
	if _, ok := model.ParseVersion(text); !ok {
		return x.Respond(400, CodeVersion, "The version of the API that is asked for is none.\n")
	}
	return filter.Continue
}

// versioned is a request as versions are looked for in it.
type versioned struct{ x *filter.Exchange }

func (v versioned) LookupPath() string { return v.x.Request.Path }
func (v versioned) LookupValue(in snapshot.Place, name string, i int) (string, bool) {
	return snapshot.Value(&v.x.Request, in, name, i)
}
