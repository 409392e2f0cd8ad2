package model

import (
	"encoding/json"
	"net/netip"
	"testing"
)

func TestJSONErrorHasNoGo(t *testing.T) {
	type inner struct {
		Statuses []int    `json:"statuses"`
		Share    *float64 `json:"share"`
	}
	type outer struct {
		Name  string     `json:"name"`
		On    bool       `json:"on"`
		Range netip.Addr `json:"range"`
		In    inner      `json:"in"`
		Specs []inner    `json:"specs"`
	}
	for text, want := range map[string]string{
		`{"in":{"statuses":["5xx"]}}`: "in.statuses: want a whole number, got text",
		`{"in":{"statuses":[1.5]}}`:   "in.statuses: want a whole number, got a number",
		`{"in":{"share":"half"}}`:     "in.share: want a number, got text",
		`{"in":[]}`:                   "in: want a mapping, got a list",
		`{"specs":{}}`:                "specs: want a list, got a mapping",
		`{"name":{}}`:                 "name: want text, got a mapping",
		`{"range":500}`:               "range: want text, got a number",
		`{"on":"yes"}`:                "on: want true or false, got text",
		`{"name":`:                    "unexpected end of JSON input",
	} {
		var o outer
		if err := json.Unmarshal([]byte(text), &o); err == nil {
			t.Errorf("%s is taken", text)
		} else if JSONError(err) != want {
			t.Errorf("%s: %v: %q, want %q", text, err, JSONError(err), want)
		}
	}
	var list []inner
	if err := json.Unmarshal([]byte(`"x"`), &list); err == nil || JSONError(err) != "want a list, got text" {
		t.Errorf("%q", JSONError(err))
	}
}
