package model

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// JSONError is an error of decoding JSON in words of who has written it, without those of Go: "statuses: want a whole number, got text".
// It never shows a value.
func JSONError(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at := ""
		if e.Field != "" {
			at = e.Field + ": "
		}
		got, _, _ := strings.Cut(e.Value, " ") // "number 1.5" where a number does not fit
		return at + "want " + jsonKind(e.Type) + ", got " + map[string]string{"string": "text", "bool": "true or false", "array": "a list", "object": "a mapping", "number": "a number"}[got]
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// jsonKind names what a type is decoded from.
func jsonKind(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return jsonKind(t.Elem())
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	case reflect.String:
		return "text"
	}
	return "a whole number"
}
