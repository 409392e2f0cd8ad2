package builtin

import (
	"fmt"
	"net/http"
	"strconv"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// TellFailure configures "tell-failure": where a request comes to this route as to a fallback, the upstream is told why. What the client
// says under the same names is removed.
type TellFailure struct {
	Code    string            `json:"code,omitempty"`    // name of a field with the code of the failure, or "status" where the upstream has answered
	Message string            `json:"message,omitempty"` // name of a field with status and code in words
	Names   map[string]string `json:"names,omitempty"`   // what is said in place of a code; "*": of every other one
}

// failedStatus is the code of an answer that is a failure by its status.
const failedStatus = "status"

// Validate refuses what cannot be told.
func (c TellFailure) Validate() error {
	if c.Code == "" && c.Message == "" {
		return fmt.Errorf("names no field")
	}
	for _, name := range []string{c.Code, c.Message} {
		if name == "" {
			continue
		}
		if err := validateName(name); err != nil {
			return err
		}
	}
	for code, name := range c.Names {
		if !http1.IsFieldValue(name) {
			return fmt.Errorf("names: that of %s has a control byte", code)
		}
	}
	return nil
}

func tellFailureKind() filter.Kind {
	return filter.Define("tell-failure", func(c TellFailure, _ filter.Env) (filter.Filter, error) { return tellFailure{c}, nil })
}

type tellFailure struct{ TellFailure }

// OwnsFields implements filter.FieldOwner.
func (tellFailure) OwnsFields() {}

func (f tellFailure) Request(x *filter.Exchange) filter.Verdict {
	fields := &x.Request.Fields
	for _, name := range []string{f.Code, f.Message} {
		if name != "" {
			fields.DelFunc(func(has string) bool { return http1.SameName(has, name) })
		}
	}
	why := x.Failure
	if why.Status == 0 {
		return filter.Continue
	}
	code := why.Code
	setDefault(&code, model.Code(failedStatus))
	if f.Code != "" {
		name, ok := f.Names[string(code)]
		if !ok {
			name = f.Names["*"]
		}
		setDefault(&name, string(code))
		fields.Set(f.Code, name)
	}
	if f.Message != "" {
		fields.Set(f.Message, strconv.Itoa(why.Status)+" "+http.StatusText(why.Status)+": "+string(code))
	}
	return filter.Continue
}
