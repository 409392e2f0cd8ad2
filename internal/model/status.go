package model

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Statuses are HTTP statuses, in the one form that every setting of ours has them in: a list of statuses, ranges and classes.
type Statuses []StatusRange

// Contains tells whether a status is one of them.
func (s Statuses) Contains(status int) bool {
	for _, r := range s {
		if r.Contains(status) {
			return true
		}
	}
	return false
}

// StatusRange is a range of HTTP statuses, both ends included. Its text is "200" or "200-399"; "4xx" is read as well.
type StatusRange struct{ From, To int }

// Contains tells whether a status is in the range.
func (r StatusRange) Contains(status int) bool { return r.From <= status && status <= r.To }

// MarshalText writes the range.
func (r StatusRange) MarshalText() ([]byte, error) {
	if r.From == r.To {
		return strconv.AppendInt(nil, int64(r.From), 10), nil
	}
	return fmt.Appendf(nil, "%d-%d", r.From, r.To), nil
}

// UnmarshalJSON reads a number, or a text with one, with two, or with a class.
func (r *StatusRange) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	from, to, two := strings.Cut(text, "-")
	if !two {
		to = from
	}
	if hundred, class := strings.CutSuffix(strings.ToLower(text), "xx"); class {
		from, to = hundred+"00", hundred+"99"
	}
	lo, err1 := strconv.Atoi(from)
	hi, err2 := strconv.Atoi(to)
	if err1 != nil || err2 != nil || lo < 100 || hi > 599 || lo > hi {
		return fmt.Errorf("%q is no status: want one such as 200, two such as 200-399, or a class such as 5xx", text)
	}
	r.From, r.To = lo, hi
	return nil
}
