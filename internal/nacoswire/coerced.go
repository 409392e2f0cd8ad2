package nacoswire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Texts of clients that write every value as one: servers of Java take them for what they stand for, with spaces around them or none, and an
// empty one for nothing said.

// coercedInt is a number, or the text of one. What is behind the point is cut off.
type coercedInt int

// UnmarshalJSON implements json.Unmarshaler.
func (n *coercedInt) UnmarshalJSON(b []byte) error {
	s, err := coerced(b)
	if err != nil || s == "" {
		return err
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < -1<<31 || v >= 1<<31 {
		return fmt.Errorf("nacoswire: %.32q is not a whole number", s)
	}
	*n = coercedInt(v)
	return nil
}

// coercedNumber is a number, or the text of one.
type coercedNumber float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *coercedNumber) UnmarshalJSON(b []byte) error {
	s, err := coerced(b)
	if err != nil || s == "" {
		return err
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("nacoswire: %.32q is not a number", s)
	}
	*n = coercedNumber(v)
	return nil
}

// coercedFlag is true or false, or the text of one of them.
type coercedFlag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *coercedFlag) UnmarshalJSON(b []byte) error {
	s, err := coerced(b)
	if err != nil || s == "" {
		return err
	}
	switch s {
	case "true", "True", "TRUE":
		*f = true
	case "false", "False", "FALSE":
		*f = false
	default:
		return fmt.Errorf("nacoswire: %.32q is neither true nor false", s)
	}
	return nil
}

// coerced is a value, or what a text has in it; null is empty.
func coerced(b []byte) (string, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] != '"' {
		return strings.TrimPrefix(string(b), "null"), nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	return strings.TrimSpace(s), err
}
