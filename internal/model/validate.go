package model

import (
	"errors"
	"fmt"
)

// FieldError is what Validate returns: which field, and what is wrong with it.
type FieldError struct {
	Field   string // path inside the object
	Problem string
}

// Error returns "field: problem".
func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Problem) }

func fieldError(field, problem string) error { return &FieldError{Field: field, Problem: problem} }

// within is an error of a part, as one of what the part is in; nil stays nil.
func within(part string, err error) error {
	if f, ok := errors.AsType[*FieldError](err); ok {
		return fieldError(part+"."+f.Field, f.Problem)
	}
	return err
}
