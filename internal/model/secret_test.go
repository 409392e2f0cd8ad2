package model

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestSecretDataNeverShows(t *testing.T) {
	d := NewSecretData(map[string]string{"ann": "hash-of-ann", "auth": "lines"})
	spec := FilterSpec{Kind: "basic-auth", Secret: "shop/users", Data: d}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), string(data), fmt.Sprint(spec), fmt.Sprintf("%+v", spec), fmt.Sprintf("%#v", spec), d.String()} {
		if strings.Contains(shown, "ann") || strings.Contains(shown, "lines") {
			t.Errorf("shown: %s", shown)
		}
	}
	if v, ok := d.Get("ann"); !ok || v.Reveal() != "hash-of-ann" {
		t.Error("a value is lost")
	}
	if reflect.DeepEqual(d, NewSecretData(map[string]string{"ann": "other", "auth": "lines"})) {
		t.Error("a change is not seen")
	}
}
