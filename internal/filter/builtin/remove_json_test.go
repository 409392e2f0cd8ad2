package builtin

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

func edited(t testing.TB, in string, deep bool, names ...string) (string, error) {
	t.Helper()
	b := jsonBody{filter: &removeJSON{RemoveJSON{Attributes: names, Deep: deep, MaxBytes: defaultJSONBytes}}}
	half := len(in) / 2
	out, err := b.Append(nil, []byte(in[:half]))
	if err == nil {
		out, err = b.Append(out, []byte(in[half:]))
	}
	if err == nil && len(out) > 0 {
		t.Error("something leaves before the whole is there")
	}
	if err != nil {
		return "", err
	}
	out, err = b.Finish(out)
	return string(out), err
}

func TestRemoveJSON(t *testing.T) {
	for _, c := range []struct {
		in   string
		deep bool
		want string
	}{
		{`{}`, false, `{}`},
		{`{"a":1}`, false, `{}`},
		{`{"a":1,"b":2}`, false, `{"b":2}`},
		{`{"b":2,"a":1}`, false, `{"b":2}`},
		{`{"b":2,"a":1,"c":3}`, false, `{"b":2,"c":3}`},
		{`{"a":1,"a":2,"b":3}`, false, `{"b":3}`},
		{` { "a" : [1,{"a":2}] , "b" : "a" } `, false, ` {  "b" : "a" } `},
		{`{"b":{"a":1}}`, false, `{"b":{"a":1}}`},
		{`{"b":{"a":1,"c":[{"a":1}]}}`, true, `{"b":{"c":[{}]}}`},
		{`[{"a":1}]`, false, `[{"a":1}]`},
		{`[{"a":1},1,[{"a":2}]]`, true, `[{},1,[{}]]`},
		{`{"\u0061":1,"b":"\\\"a"}`, false, `{"b":"\\\"a"}`},
		{`{"A":1}`, false, `{"A":1}`},
		{`{"x":1e400,"y":12345678901234567890}`, false, `{"x":1e400,"y":12345678901234567890}`}, // numbers are not read
		{`"a"`, true, `"a"`},
		{` `, false, ` `},
	} {
		if got, err := edited(t, c.in, c.deep, "a"); err != nil || got != c.want {
			t.Errorf("%s: %s, want %s (%v)", c.in, got, c.want, err)
		}
	}
	for _, bad := range []string{`{`, `{"a":}`, `{"a":1}x`, `nul`} {
		if got, err := edited(t, bad, true, "a"); err == nil {
			t.Errorf("%s became %s", bad, got)
		}
	}
}

// FuzzRemoveJSON compares with reading the whole and removing from that.
func FuzzRemoveJSON(f *testing.F) {
	f.Add(` {"a":{"b":[1,2,{"a":null}]} ,"c":"\u0061"}`, true)
	f.Add(`[[],{},{"a":1},"\"a\":"]`, false)
	f.Fuzz(func(t *testing.T, in string, deep bool) {
		got, err := edited(t, in, deep, "a", "c")
		if valid := json.Valid([]byte(in)); valid != (err == nil) && len(bytes.TrimSpace([]byte(in))) > 0 {
			t.Fatalf("%q: valid %v, %v", in, valid, err)
		}
		if err != nil || len(bytes.TrimSpace([]byte(in))) == 0 {
			return
		}
		var was, is any
		if err := json.Unmarshal([]byte(got), &is); err != nil {
			t.Skip("numbers that no Go value has")
		}
		if err := json.Unmarshal([]byte(in), &was); err != nil {
			t.Skip("numbers that no Go value has")
		}
		if without(was, deep, true, "a", "c"); !reflect.DeepEqual(was, is) {
			t.Errorf("%q became %q", in, got)
		}
	})
}

func without(v any, deep, top bool, names ...string) {
	switch v := v.(type) {
	case map[string]any:
		for k, in := range v {
			if slices.Contains(names, k) && (top || deep) {
				delete(v, k)
			} else if deep {
				without(in, deep, false, names...)
			}
		}
	case []any:
		for _, in := range v {
			if deep {
				without(in, deep, false, names...)
			}
		}
	}
}
