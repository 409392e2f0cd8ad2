package translate

import (
	"cmp"
	"fmt"
	"slices"

	"paifang/internal/model"
)

// builder makes one group and notes every fact that it looks at, so that the group is built again when one changes.
type builder struct {
	store *Store
	facts map[string]bool
	out   model.Objects
	gone  bool // the object that the group is for does not exist: forget the group
}

// get returns an object, or nil. That it is not there is a fact too.
func (b *builder) get(k Key) *stored {
	o := b.store.objects[k]
	if o == nil {
		b.facts[k.String()] = true
		return nil
	}
	b.facts[o.fact] = true
	return o
}

// find returns the objects of an index entry: those with a creation time first, the oldest first, then by key, so
// that the order never depends on the order of events.
func (b *builder) find(fact string) []*stored {
	b.facts[fact] = true
	keys := slices.SortedFunc(b.store.index[fact].All, Key.Compare)
	out := make([]*stored, len(keys))
	for i, k := range keys {
		out[i] = b.get(k)
	}
	slices.SortStableFunc(out, func(a, c *stored) int {
		return cmp.Or(a.at("").Before(c.at("")), a.key.Compare(c.key))
	})
	return out
}

// diagnose adds a diagnostic about a field of an object.
func (b *builder) diagnose(o *stored, field string, s model.Severity, c model.Code, format string, args ...any) {
	b.out.Diagnostics = append(b.out.Diagnostics, model.Diagnostic{
		Origin: o.at(field), Field: field, Severity: s, Code: c, Message: fmt.Sprintf(format, args...),
	})
}
