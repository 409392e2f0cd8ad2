package actuator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a definition: bytes of its ID, and how deep values are nested.
const (
	maxID    = 256
	maxDepth = 20
)

// parse reads a list of definitions, each with an ID of its own.
func parse(text []byte) ([]Entry, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	out := make([]Entry, 0, len(list))
	seen := map[string]bool{}
	for i, raw := range list {
		e, err := entry(raw, "")
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		if seen[e.ID] {
			return nil, fmt.Errorf("[%d]: id %q is there twice", i, e.ID)
		}
		seen[e.ID] = true
		out = append(out, e)
	}
	return out, nil
}

var errNoID = errors.New("id is missing")

// entry reads one definition. id takes the place of its own; "" leaves that.
func entry(raw []byte, id string) (Entry, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var b bytes.Buffer
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return Entry{}, errors.New("a definition is a JSON object")
	}
	b.WriteByte('{')
	own := ""
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return Entry{}, err
		}
		name := key.(string) // Token returns nothing else in the place of a key
		if name == "id" {
			if err := d.Decode(&own); err != nil {
				return Entry{}, fmt.Errorf("id: %w", err)
			}
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		quote(&b, name)
		b.WriteByte(':')
		if err := value(d, &b, 0); err != nil {
			return Entry{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return Entry{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Entry{}, errors.New("there is something behind the definition")
	}
	if id == "" {
		id = own
	}
	if err := checkID(id); err != nil {
		return Entry{}, err
	}
	var head bytes.Buffer
	head.WriteString(`{"id":`)
	quote(&head, id)
	if b.Len() > 1 {
		head.WriteByte(',')
	}
	head.Write(b.Bytes()[1:])
	head.WriteByte('}')
	return Entry{id, head.Bytes()}, nil
}

func checkID(id string) error {
	switch {
	case id == "":
		return errNoID
	case len(id) > maxID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return fmt.Errorf("id: want at most %d bytes of text", maxID)
	}
	return nil
}

// value copies the next value, with the order of its keys: arguments of the short form go by it. Texts are spelled in a way that
// readers of YAML agree about.
func value(d *json.Decoder, b *bytes.Buffer, depth int) error {
	if depth > maxDepth {
		return errors.New("it is nested too deep")
	}
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		b.WriteByte(byte(t))
		for first := true; d.More(); first = false {
			if !first {
				b.WriteByte(',')
			}
			if t == '{' {
				key, err := d.Token()
				if err != nil {
					return err
				}
				quote(b, key.(string)) // Token returns nothing else in the place of a key
				b.WriteByte(':')
			}
			if err := value(d, b, depth+1); err != nil {
				return err
			}
		}
		end, err := d.Token()
		if err != nil {
			return err
		}
		b.WriteByte(byte(end.(json.Delim))) // there is no more within, so it is the end
	case string:
		quote(b, t)
	case json.Number:
		b.WriteString(t.String())
	case bool:
		fmt.Fprint(b, t)
	case nil:
		b.WriteString("null")
	}
	return nil
}

func quote(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text always has a JSON form
	b.Truncate(b.Len() - 1)
}

// print writes a list of definitions, a field a line, for people and for the lines in what is said of them.
func print(entries []Entry) []byte {
	var b, out bytes.Buffer
	b.WriteByte('[')
	for i, e := range entries {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e.Text)
	}
	b.WriteByte(']')
	_ = json.Indent(&out, b.Bytes(), "", "  ") // it was made of JSON
	out.WriteByte('\n')
	return out.Bytes()
}
