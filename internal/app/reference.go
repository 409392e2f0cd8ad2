package app

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
)

// Reference is the reference page of the configuration file, made from the declaration of Config.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration file

` + "`paifang serve -c FILE`" + ` reads one YAML document. A section that is there switches its role on. An unknown key or a wrong type
is an error that names file, line and the nearest key; ` + "`paifang check FILE`" + ` tests a file without starting anything, and
` + "`paifang up --print-config`" + ` prints a complete one. This page is made from the declaration that the program reads.

| key | value | meaning |
|---|---|---|
`)
	rows(&b, "", reflect.TypeFor[Config]())
	return b.String()
}

func rows(b *strings.Builder, prefix string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		key := prefix + name
		kind, inner := kindOf(f.Type)
		if kind == "list" && inner != nil {
			key += "[]"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", key, kind, strings.ReplaceAll(f.Tag.Get("doc"), "|", "\\|"))
		if inner != nil {
			rows(b, key+".", inner)
		}
	}
}

// kindOf names the kind of a value, and the section it opens, if any.
func kindOf(t reflect.Type) (string, reflect.Type) {
	switch t {
	case reflect.TypeFor[netip.AddrPort]():
		return "address:port", nil
	case reflect.TypeFor[netip.Addr]():
		return "address", nil
	case reflect.TypeFor[netip.Prefix]():
		return "address range", nil
	case reflect.TypeFor[Duration]():
		return "duration", nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Struct:
		return "section", t
	case reflect.Slice:
		of, inner := kindOf(t.Elem())
		if inner != nil {
			return "list", inner
		}
		return "list of " + of, nil
	case reflect.Map:
		return "map of text", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.Int, reflect.Float64:
		return "number", nil
	default:
		return "text", nil
	}
}
