package model

import (
	"iter"
	"maps"
	"slices"
)

// SecretData is what is in a Secret, by key. Like Secret it never shows: it prints and formats as [redacted].
type SecretData struct{ pairs []secretPair }

type secretPair struct {
	name  string
	value Secret
}

// NewSecretData wraps the values of a Secret.
func NewSecretData(values map[string]string) SecretData {
	var d SecretData
	for _, name := range slices.Sorted(maps.Keys(values)) {
		d.pairs = append(d.pairs, secretPair{name, NewSecret(values[name])})
	}
	return d
}

// Empty tells whether there is nothing in it, which is so too where the Secret was not read.
func (d SecretData) Empty() bool { return len(d.pairs) == 0 }

// Get returns the value under a key.
func (d SecretData) Get(name string) (Secret, bool) {
	for _, p := range d.pairs {
		if p.name == name {
			return p.value, true
		}
	}
	return Secret{}, false
}

// All returns the values in the order of their keys.
func (d SecretData) All() iter.Seq2[string, Secret] {
	return func(yield func(string, Secret) bool) {
		for _, p := range d.pairs {
			if !yield(p.name, p.value) {
				return
			}
		}
	}
}

// String returns "[redacted]", or "" for no data: the names of users may be keys.
func (d SecretData) String() string {
	if d.Empty() {
		return ""
	}
	return redacted
}

// GoString is String, so that %#v shows nothing either.
func (d SecretData) GoString() string { return d.String() }

// MarshalJSON writes String.
func (d SecretData) MarshalJSON() ([]byte, error) { return []byte(`"` + d.String() + `"`), nil }
