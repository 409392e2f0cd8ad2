package document

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
)

// Decode fills a value from a document and returns everything in it that does not fit: unknown keys, keys given
// twice, wrong types, values that the type's own unmarshaler refuses. What fits is filled in even so; what the document
// leaves out, or sets to null, keeps the value it had. Names are those of the json tags, upper and lower case apart.
//
// Two types have a form of their own: time.Duration is text such as "5s", and model.Weight a decimal number of which
// 1 is the default. A model.Secret is refused: secrets are named, not written down.
func Decode[T any](d Document, into *T) []Problem { return DecodeBy(NewTypes(), d, into) }

// Types is what reflection found of types: for who decodes thousands of documents of a few. One goroutine may use it at a time.
type Types struct{ found typeCache }

// NewTypes returns Types that know none yet.
func NewTypes() *Types { return &Types{typeCache{}} }

// DecodeBy is Decode with Types that stay.
func DecodeBy[T any](types *Types, d Document, into *T) []Problem {
	dec := decoder{file: d.File, types: types.found}
	decode(&dec, d, into)
	return dec.problems
}

func decode[T any](dec *decoder, d Document, into *T) {
	if d.Root == nil {
		dec.fail(0, d.at, "", "is missing")
		return
	}
	dec.value(d.Root, d.Root.Line, d.at, reflect.ValueOf(into).Elem())
}

type decoder struct {
	file     string
	types    typeCache
	problems []Problem
}

func (d *decoder) fail(line int, path, nearest, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		File: d.file, Line: line, Field: path, Nearest: nearest, Message: fmt.Sprintf(format, args...),
	})
}

// wrong reports a value of the wrong kind. It never shows the value: it may be a secret.
func (d *decoder) wrong(n *Node, line int, path, want string) {
	hint := ""
	if want == Text.String() && (n.Kind == Bool || n.Kind == Int || n.Kind == Float) {
		hint = "; put it in quotes"
	}
	d.fail(line, path, "", "want %s, got %s%s", want, n.Kind, hint)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	weightType   = reflect.TypeFor[model.Weight]()
	secretType   = reflect.TypeFor[model.Secret]()
	bytesType    = reflect.TypeFor[[]byte]()
)

// value decodes n, which stands on a line under a path, into v.
func (d *decoder) value(n *Node, line int, path string, v reflect.Value) {
	if n.Kind == Null {
		return
	}
	switch v.Type() {
	case durationType:
		d.duration(n, line, path, v)
		return
	case weightType:
		d.weight(n, line, path, v)
		return
	case secretType:
		d.fail(line, path, "", "a secret is not written here: name a Secret instead")
		return
	case bytesType:
		d.bytes(n, line, path, v)
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		d.value(n, line, path, p.Elem())
		v.Set(p)
		return
	}
	if d.unmarshaler(n, line, path, v) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, line, path, v)
	case reflect.Map:
		d.mapping(n, line, path, v)
	case reflect.Slice:
		d.slice(n, line, path, v)
	case reflect.Interface:
		if err := json.Unmarshal(n.JSON(), v.Addr().Interface()); err != nil {
			d.fail(line, path, "", "%v", err)
		}
	default:
		d.scalar(n, line, path, v)
	}
}

// unmarshaler lets a type decode itself. It is false where the type does not.
func (d *decoder) unmarshaler(n *Node, line int, path string, v reflect.Value) bool {
	switch u := v.Addr().Interface().(type) {
	case json.Unmarshaler:
		if err := u.UnmarshalJSON(n.JSON()); err != nil {
			d.fail(line, path, "", "%s", plain(err))
		}
	case encoding.TextUnmarshaler:
		if n.Kind != Text {
			d.wrong(n, line, path, Text.String())
		} else if err := u.UnmarshalText([]byte(n.Text)); err != nil {
			d.fail(line, path, "", "%s", plain(err))
		}
	default:
		return false
	}
	return true
}

// plain is an error's text on one line, without the prefix of the package that made it.
func plain(err error) string {
	s := strings.Join(strings.Fields(err.Error()), " ")
	for _, p := range []string{"model: ", "json: "} {
		s = strings.TrimPrefix(s, p)
	}
	return s
}

func (d *decoder) structure(n *Node, line int, path string, v reflect.Value) {
	if n.Kind != Map {
		d.wrong(n, line, path, Map.String())
		return
	}
	known := d.types.of(v.Type())
	d.repeated(n, path)
	for _, e := range n.Keys {
		f, ok := known.byName[e.Key]
		if !ok {
			nearest := Nearest(e.Key, known.names)
			hint := ""
			if nearest != "" {
				hint = fmt.Sprintf(": did you mean %q?", nearest)
			}
			d.fail(e.Line, below(path, e.Key), nearest, "unknown field%s", hint)
			continue
		}
		d.value(e.Value, e.Line, below(path, e.Key), v.FieldByIndex(f.index))
	}
}

func (d *decoder) repeated(n *Node, path string) {
	for _, e := range n.repeat {
		d.fail(e.Line, below(path, e.Key), "", "is given twice")
	}
}

func (d *decoder) mapping(n *Node, line int, path string, v reflect.Value) {
	if n.Kind != Map {
		d.wrong(n, line, path, Map.String())
		return
	}
	d.repeated(n, path)
	t := v.Type()
	m := reflect.MakeMapWithSize(t, len(n.Keys))
	for _, e := range n.Keys {
		key := reflect.New(t.Key()).Elem()
		if key.Kind() != reflect.String {
			d.fail(e.Line, below(path, e.Key), "", "keys of type %s cannot be read", t.Key())
			return
		}
		key.SetString(e.Key)
		item := reflect.New(t.Elem()).Elem()
		d.value(e.Value, e.Line, below(path, e.Key), item)
		m.SetMapIndex(key, item)
	}
	v.Set(m)
}

func (d *decoder) slice(n *Node, line int, path string, v reflect.Value) {
	if n.Kind != List {
		d.wrong(n, line, path, List.String())
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items))
	for i, it := range n.Items {
		d.value(it, it.Line, item(path, i), s.Index(i))
	}
	v.Set(s)
}

func (d *decoder) scalar(n *Node, line int, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if n.Kind != Text {
			d.wrong(n, line, path, Text.String())
			return
		}
		v.SetString(n.Text)
	case reflect.Bool:
		if n.Kind != Bool {
			d.wrong(n, line, path, Bool.String())
			return
		}
		v.SetBool(n.json == "true")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.json, 10, 64)
		switch {
		case n.Kind != Int:
			d.wrong(n, line, path, Int.String())
		case err != nil || v.OverflowInt(i):
			d.fail(line, path, "", "is out of range")
		default:
			v.SetInt(i)
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(n.json, 10, 64)
		switch {
		case n.Kind != Int:
			d.wrong(n, line, path, Int.String())
		case err != nil || v.OverflowUint(u):
			d.fail(line, path, "", "is out of range")
		default:
			v.SetUint(u)
		}
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(n.json, 64)
		if n.Kind != Int && n.Kind != Float || err != nil {
			d.wrong(n, line, path, Float.String())
			return
		}
		v.SetFloat(f)
	default:
		d.fail(line, path, "", "values of type %s cannot be read", v.Type())
	}
}

func (d *decoder) duration(n *Node, line int, path string, v reflect.Value) {
	t, err := time.ParseDuration(n.Text)
	if n.Kind != Text && n.json != "0" || err != nil {
		d.fail(line, path, "", `want a duration such as "5s" or "100ms"`)
		return
	}
	v.SetInt(int64(t))
}

// maxWeight bounds weights: 1000 times the default.
const maxWeight = 1000

func (d *decoder) weight(n *Node, line int, path string, v reflect.Value) {
	f, err := strconv.ParseFloat(n.json, 64)
	if n.Kind != Int && n.Kind != Float || err != nil || f < 0 || f > maxWeight {
		d.fail(line, path, "", "want a number from 0 to %d, of which 1 is the default", maxWeight)
		return
	}
	w := model.Weight(math.Round(f * 1000))
	switch {
	case f == 0:
		w = model.WeightNone
	case w == 0:
		w = 1 // less than a thousandth is still some
	}
	v.SetInt(int64(w))
}

func (d *decoder) bytes(n *Node, line int, path string, v reflect.Value) {
	if n.Kind != Text {
		d.wrong(n, line, path, "text in base64")
		return
	}
	b, err := base64.StdEncoding.DecodeString(n.Text)
	if err != nil {
		d.fail(line, path, "", "is not base64")
		return
	}
	v.SetBytes(b)
}
