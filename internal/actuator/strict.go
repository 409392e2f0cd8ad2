package actuator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/document"
)

// The fields that Spring's RouteDefinition has, and those of the definitions of predicates and filters in it.
var (
	routeFields = []string{"id", "uri", "predicates", "filters", "order", "metadata", "enabled"}
	partFields  = []string{"name", "args"}
)

// misread finds what of a posted definition would be read over: a field that there is not, and one that is there twice, of which either may be
// meant. Names are taken as they are written, as in Spring. The definition is JSON.
func misread(raw []byte) *fieldError {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return fieldsOf(d, "", routeFields)
}

// fieldsOf reads one value, which is at a path. known are the fields that an object there may have; nil = any.
func fieldsOf(d *json.Decoder, at string, known []string) *fieldError {
	t, err := d.Token()
	if err != nil {
		return nil // it was found to be JSON
	}
	switch t {
	case json.Delim('{'):
		var seen []string
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil
			}
			name := key.(string) // Token returns nothing else in the place of a key
			path := strings.TrimPrefix(at+"."+name, ".")
			switch {
			case slices.Contains(seen, name):
				return &fieldError{Field: path, Message: "it is there twice"}
			case known != nil && !slices.Contains(known, name):
				message := "there is no such field: want " + strings.Join(known, ", ")
				if near := document.Nearest(name, known); near != "" {
					message = "there is no such field: did you mean " + near + "?"
				}
				return &fieldError{Field: path, Message: message}
			}
			seen = append(seen, name)
			if x := fieldsOf(d, path, nil); x != nil {
				return x
			}
		}
	case json.Delim('['):
		var within []string
		if at == "predicates" || at == "filters" {
			within = partFields
		}
		for i := 0; d.More(); i++ {
			if x := fieldsOf(d, fmt.Sprintf("%s[%d]", at, i), within); x != nil {
				return x
			}
		}
	default:
		return nil
	}
	_, _ = d.Token() // the end
	return nil
}
