package document

import (
	"encoding/json"
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestScalarsMeanWhatKubectlMeans: a file must not work here and be refused by kubectl, or mean something else there.
func TestScalarsMeanWhatKubectlMeans(t *testing.T) {
	for _, s := range []string{
		"y", "Y", "yes", "on", "Off", "no", "n", "true", "False", "~", "null", "Null", "", "1", "-1", "+1", "0777", "0o17", "0x1F", "0b101",
		"1_000", "1.5", ".5", "1e3", "1E-2", "12:30", "1:2:3", "2026-01-02", "2026-01-02T03:04:05Z", "'yes'", `"1"`, "text", "a b", "!!str 1", "|\n  x", ">\n  x\n  y",
	} {
		text := []byte("v: " + s + "\n")
		raw, err := yaml.YAMLToJSON(text)
		if err != nil {
			t.Fatal(s, err)
		}
		docs, problems := Split("f", text)
		if len(docs) != 1 {
			t.Fatal(s, problems)
		}
		var want, got any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(docs[0].Root.JSON(), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%q: kubectl reads %s, we read %s", s, raw, docs[0].Root.JSON())
		}
	}
}
