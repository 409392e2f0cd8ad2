package http1

import "iter"

// Field is one field line: the name as it was sent, the value without white space around it.
type Field struct{ Name, Value string }

// row is a field and what this package knows of its name.
type row struct {
	name, value string
	role        role
}

// Fields is an ordered list of fields. Names are compared without regard to case. The zero value is empty and
// ready to use. No method allocates once the list has grown to its usual length, except where said.
//
// What was parsed is all there, but fields that only concern one connection (Connection and what it names, Upgrade,
// TE, …), that frame a message, and Host are never printed from here: see Managed.
type Fields struct{ rows []row }

// Len is the number of fields.
func (f *Fields) Len() int { return len(f.rows) }

// At returns field i of Len.
func (f *Fields) At(i int) Field { return Field{f.rows[i].name, f.rows[i].value} }

// Forwarded tells whether field i of Len is printed: it is neither managed nor named by Connection.
func (f *Fields) Forwarded(i int) bool { return f.rows[i].role < hopByHop }

// Get returns the value of the first field with this name, "" if there is none.
func (f *Fields) Get(name string) string {
	if i := f.index(name, 0); i >= 0 {
		return f.rows[i].value
	}
	return ""
}

// Nth returns the value of field i, from 0, of those with this name.
func (f *Fields) Nth(name string, i int) (string, bool) {
	at := f.index(name, 0)
	for ; i > 0 && at >= 0; i-- {
		at = f.index(name, at+1)
	}
	if at < 0 {
		return "", false
	}
	return f.rows[at].value, true
}

// Has tells whether there is a field with this name.
func (f *Fields) Has(name string) bool { return f.index(name, 0) >= 0 }

// Values are the values of all fields with this name, in order.
func (f *Fields) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := f.index(name, 0); i >= 0; i = f.index(name, i+1) {
			if !yield(f.rows[i].value) {
				return
			}
		}
	}
}

// Sent are the values of the fields with this name that go on: those that Connection does not name. Of a name that is Managed it is all.
func (f *Fields) Sent(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		own := roleOf(name)
		for i := f.index(name, 0); i >= 0; i = f.index(name, i+1) {
			if r := &f.rows[i]; r.role == own && !yield(r.value) {
				return
			}
		}
	}
}

func (f *Fields) index(name string, from int) int {
	for i := from; i < len(f.rows); i++ {
		if r := &f.rows[i]; len(r.name) == len(name) && EqualFold(r.name, name) {
			return i
		}
	}
	return -1
}

// Add appends a field. It refuses, and returns false, what could not be printed as one field line: a name that is
// no token, a value with a control byte.
func (f *Fields) Add(name, value string) bool {
	if !IsToken(name) || !IsFieldValue(value) {
		return false
	}
	f.rows = append(f.rows, row{name, trim(value), roleOf(name)})
	return true
}

// Set makes name have this value alone, in the place of its first field or at the end. Other spellings of the name go,
// also those with an underscore for a dash. Like Add it refuses what could not be printed, and then changes nothing.
func (f *Fields) Set(name, value string) bool {
	if !IsToken(name) || !IsFieldValue(value) {
		return false
	}
	for i := range f.rows {
		if SameName(f.rows[i].name, name) {
			f.rows[i] = row{name, trim(value), roleOf(name)}
			f.drop(name, i+1)
			return true
		}
	}
	f.rows = append(f.rows, row{name, trim(value), roleOf(name)})
	return true
}

// Del removes every field with this name, also those with an underscore for a dash, and tells whether there was one.
func (f *Fields) Del(name string) bool {
	n := len(f.rows)
	f.drop(name, 0)
	return len(f.rows) != n
}

func (f *Fields) drop(name string, from int) {
	kept := from
	for i := from; i < len(f.rows); i++ {
		if SameName(f.rows[i].name, name) {
			continue
		}
		if kept != i {
			f.rows[kept] = f.rows[i]
		}
		kept++
	}
	f.rows = f.rows[:kept]
}

// DelFunc removes every field whose name has the property.
func (f *Fields) DelFunc(has func(name string) bool) {
	kept := 0
	for i := range f.rows {
		if !has(f.rows[i].name) {
			f.rows[kept] = f.rows[i]
			kept++
		}
	}
	f.rows = f.rows[:kept]
}

// Grow makes room for n fields in all, where there is less.
func (f *Fields) Grow(n int) {
	if n > cap(f.rows) {
		f.rows = append(make([]row, 0, n), f.rows...)
	}
}

// Reset empties the list and keeps its room.
func (f *Fields) Reset() {
	clear(f.rows) // the views must not keep a buffer alive
	f.rows = f.rows[:0]
}

// CopyFrom makes f the same as g. The strings are shared, not copied.
func (f *Fields) CopyFrom(g *Fields) { f.rows = append(f.rows[:0], g.rows...) }

// Keep copies names and values to mem, for who needs them longer than what they are views of.
func (f *Fields) Keep(mem *Arena) {
	for i := range f.rows {
		r := &f.rows[i]
		r.name, r.value = mem.Join(r.name), mem.Join(r.value)
	}
}
