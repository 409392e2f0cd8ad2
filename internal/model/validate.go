package model

import "fmt"

// FieldError is what Validate returns: which field, and what is wrong with it.
type FieldError struct {
	Field   string // path inside the object
	Problem string
}

// Error returns "field: problem".
func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Problem) }

func fieldError(field, problem string) error { return &FieldError{Field: field, Problem: problem} }
