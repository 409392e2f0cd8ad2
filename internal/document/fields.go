package document

import (
	"reflect"
	"slices"
	"strings"

	"paifang/internal/model"
)

// structFields are the fields of a struct type by their JSON names, embedded structs flattened.
type structFields struct {
	names  []string // in the order of the type
	byName map[string]structField
}

type structField struct {
	index     []int
	omitEmpty bool
}

// typeCache keeps what reflection found.
type typeCache map[reflect.Type]*structFields

// originType is never written and never read: an origin is where the reader found the object.
var originType = reflect.TypeFor[model.Origin]()

func (c typeCache) of(t reflect.Type) *structFields {
	if f := c[t]; f != nil {
		return f
	}
	f := &structFields{byName: map[string]structField{}}
	f.add(t, nil)
	c[t] = f
	return f
}

// hide takes names out of a type: they have another place in the text form.
func (c typeCache) hide(t reflect.Type, names ...string) {
	f := c.of(t)
	for _, n := range names {
		delete(f.byName, n)
	}
	f.names = slices.DeleteFunc(f.names, func(n string) bool { return slices.Contains(names, n) })
}

func (f *structFields) add(t reflect.Type, prefix []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		if tag == "-" || sf.Type == originType {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		index := append(append([]int(nil), prefix...), i)
		if sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct {
			f.add(sf.Type, index)
			continue
		}
		if !sf.IsExported() {
			continue
		}
		if name == "" {
			name = sf.Name
		}
		if old, taken := f.byName[name]; taken && len(old.index) <= len(index) {
			continue // the field that is less deep wins, as in encoding/json
		} else if !taken {
			f.names = append(f.names, name)
		}
		f.byName[name] = structField{index, strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")}
	}
}
