package model

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// settings is a part of an object as one line, " name{attempts=3 perTry=2s}", or nothing where all of it is the default.
func settings(name string, part any) string {
	if v := reflect.ValueOf(part); !v.IsZero() {
		return " " + name + setting(v)
	}
	return ""
}

// setting is a value under the names of its text form, without what is the default.
func setting(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case encoding.TextMarshaler:
		if text, err := x.MarshalText(); err == nil {
			return string(text)
		}
	case fmt.Stringer: // a duration; other parts that print themselves for people leave things out
		if v.Kind() != reflect.Struct {
			return x.String()
		}
	}
	var parts []string
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
				text := setting(f)
				if text[0] != '{' && text[0] != '[' {
					text = "=" + text
				}
				parts = append(parts, name+text)
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, setting(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.String:
		if s := v.String(); s == "" || strings.ContainsAny(s, " {}[]=\"") {
			return fmt.Sprintf("%q", s)
		}
	}
	return fmt.Sprint(v.Interface())
}

// Settings is everything by which the upstream differs from the default, but for how it is dialled, as one line for dumps;
// it begins with a space.
func (u *Upstream) Settings() string {
	text := settings("balance", u.Balance) + settings("affinity", u.Affinity) + settings("zones", u.Zones) + settings("prefer", u.Prefer) + settings("slowStart", u.SlowStart) +
		settings("health", u.Health) + settings("ejection", u.Ejection) + settings("limits", u.Limits) + settings("keep", u.Keep)
	if u.EmptyStatus != 0 {
		text += fmt.Sprintf(" emptyStatus=%d", u.EmptyStatus)
	}
	return text
}

// Settings is what the policy says beyond the default, as one line for dumps; it begins with a space.
func (r Retry) Settings() string { return settings("retry", r) }

// InsteadText is up to which length bodies are gathered, and who answers in place of endpoints, as one line for dumps; it begins with
// a space.
func (f Forward) InsteadText() string {
	text := settings("fallback", f.Fallback)
	if f.Gather > 0 {
		text = fmt.Sprintf(" gather=%d", f.Gather) + text
	}
	return text
}

// Settings is what the timeouts say beyond the default, as one line for dumps; it begins with a space.
func (t Timeouts) Settings() string { return settings("timeouts", t) }

// LanesText is the lanes of a forward as one line for dumps; it begins with a space.
func (f Forward) LanesText() string {
	text := settings("lanes", f.Lanes)
	switch f.LaneOrder {
	case CookieFirst:
	case LanesFirst:
		text += " lanes first"
	case CookieAsDraws:
		text += " lanes first, cookie for chance"
	}
	return text
}
