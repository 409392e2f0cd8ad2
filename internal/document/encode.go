package document

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"paifang/internal/model"
)

var rawType = reflect.TypeFor[json.RawMessage]()

// encoder writes Go values as YAML nodes, fields in the order of their type: the reverse of decoder. Empty text, lists
// and mappings are left out, since nil and empty mean the same.
type encoder struct{ types typeCache }

// value returns the node of v, or nil where there is nothing to write.
func (e *encoder) value(v reflect.Value) (*yaml.Node, error) {
	switch v.Type() {
	case durationType:
		return text(time.Duration(v.Int()).String()), nil
	case weightType:
		w := model.Weight(v.Int()).Thousandths()
		return number(json.Number(strconv.FormatFloat(float64(w)/1000, 'f', -1, 64))), nil
	case secretType:
		if v.IsZero() {
			return nil, nil
		}
		return text(fmt.Sprint(v.Interface())), nil
	case rawType:
		return fromJSON(v.Bytes())
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		return text(string(b)), err
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, nil
		}
		return e.value(v.Elem())
	case reflect.String:
		return text(v.String()), nil
	case reflect.Bool:
		return plainNode("!!bool", strconv.FormatBool(v.Bool())), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return plainNode("!!int", strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return plainNode("!!int", strconv.FormatUint(v.Uint(), 10)), nil
	case reflect.Slice:
		return e.list(v)
	case reflect.Map:
		return e.mapping(v)
	case reflect.Struct:
		return e.structure(v)
	default:
		return nil, fmt.Errorf("document: print: values of type %s have no text form", v.Type())
	}
}

func (e *encoder) list(v reflect.Value) (*yaml.Node, error) {
	if v.Len() == 0 {
		return nil, nil
	}
	out := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	short := true
	for i := range v.Len() {
		n, err := e.value(v.Index(i))
		if err != nil {
			return nil, err
		}
		n = cmp.Or(n, nothing())
		short = short && n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "\n")
		out.Content = append(out.Content, n)
	}
	if short {
		out.Style = yaml.FlowStyle
	}
	return out, nil
}

// nothing stands where a value has to be that has nothing to write.
func nothing() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }

// mapping writes a map of texts to something, in the order of its keys.
func (e *encoder) mapping(v reflect.Value) (*yaml.Node, error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("document: print: keys of type %s have no text form", v.Type().Key())
	}
	if v.Len() == 0 {
		return nil, nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	out := nothing()
	for _, k := range keys {
		n, err := e.value(v.MapIndex(k))
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, text(k.String()), cmp.Or(n, nothing()))
	}
	return out, nil
}

func (e *encoder) structure(v reflect.Value) (*yaml.Node, error) {
	fields := e.types.of(v.Type())
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, name := range fields.names {
		f := fields.byName[name]
		fv := v.FieldByIndex(f.index)
		if fv.IsZero() && (f.omitEmpty || fv.Kind() == reflect.String || fv.Kind() == reflect.Bool) {
			continue
		}
		n, err := e.value(fv)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out.Content = append(out.Content, text(name), n)
		}
	}
	if len(out.Content) == 0 {
		return nil, nil
	}
	return out, nil
}

func plainNode(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// text is a node that reads back as this text under YAML 1.2 and 1.1 alike.
func text(s string) *yaml.Node {
	s = strings.ToValidUTF8(s, "\uFFFD")
	n := plainNode("!!str", s)
	special := strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) })
	switch {
	case yaml11(s) != "" || special || strings.HasPrefix(s, "\n") || strings.HasSuffix(s, " "):
		n.Style = yaml.DoubleQuotedStyle
	case strings.Contains(s, "\n"):
		n.Style = yaml.LiteralStyle
	}
	return n
}

// fromJSON writes JSON as YAML, keys in their order.
func fromJSON(raw []byte) (*yaml.Node, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	n, err := jsonValue(dec)
	if err != nil {
		return nil, fmt.Errorf("document: print filter configuration: %w", err)
	}
	return n, nil
}

func jsonValue(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if t == '[' {
			n = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		}
		for dec.More() {
			v, err := jsonValue(dec)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, v)
		}
		_, err := dec.Token() // the closing bracket
		return n, err
	case string:
		return text(t), nil
	case json.Number:
		return number(t), nil
	case bool:
		return plainNode("!!bool", strconv.FormatBool(t)), nil
	case nil:
		return plainNode("!!null", "null"), nil
	default:
		return nil, io.ErrUnexpectedEOF
	}
}

// number writes a JSON number as the reader will understand it, so that reading and printing again changes nothing.
func number(n json.Number) *yaml.Node {
	if _, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return plainNode("!!int", n.String())
	}
	if _, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return plainNode("!!int", n.String())
	}
	f, err := n.Float64()
	if err != nil {
		return text(n.String())
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		return plainNode("!!int", s)
	}
	return plainNode("!!float", s)
}

// write prints nodes as documents.
func write(docs []*yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	for d := range slices.Values(docs) {
		if out.Len() > 0 {
			out.WriteString("---\n")
		}
		enc := yaml.NewEncoder(&out)
		enc.SetIndent(2)
		if err := enc.Encode(d); err != nil {
			return nil, fmt.Errorf("document: print: %w", err)
		}
		if err := enc.Close(); err != nil {
			return nil, fmt.Errorf("document: print: %w", err)
		}
	}
	return out.Bytes(), nil
}
