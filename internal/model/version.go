package model

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// VersionPlace is where requests say which version of an API they ask for. Exactly one of Header, Query, Segment and MediaType is set.
type VersionPlace struct {
	Header  string `json:"header,omitempty"`
	Query   string `json:"query,omitempty"`   // name of a parameter
	Segment int    `json:"segment,omitempty"` // of the path, from 1. A path without it has a version that cannot be read
	// MediaType is one in Accept, or else the Content-Type, whose parameter called Parameter is the version: "application/json",
	// "application/*", "application/*+json".
	MediaType string `json:"mediaType,omitempty"`
	Parameter string `json:"parameter,omitempty"`
}

// VersionMatch is a condition on the version that a request asks for, the one at the first of some places that has any. A request
// without one meets it, unless there is a default. One whose version cannot be read meets it as well, so that a filter of the route
// can say so to its client.
type VersionMatch struct {
	In []VersionPlace `json:"in"`
	// Is is a version, "1", "1.2" or "1.2.3"; with a plus behind it later ones will do too.
	Is      string `json:"is"`
	Default string `json:"default,omitempty"` // of a request that says none
}

// Version is a major, minor and patch number. What is not written is 0.
type Version [3]int32

// ParseVersion reads "1", "1.2" or "1.2.3", behind anything that is no digit: "v1.2". It does not allocate.
func ParseVersion(text string) (v Version, ok bool) {
	text = text[max(0, strings.IndexFunc(text, unicode.IsDigit)):]
	for i := range v {
		part, rest, more := strings.Cut(text, ".")
		n, good := versionNumber(part)
		if v[i] = n; !good || !more {
			return v, good
		}
		text = rest
	}
	return v, false
}

func versionNumber(text string) (n int32, ok bool) {
	for i := range len(text) {
		d := int32(text[i]) - '0'
		if d < 0 || d > 9 || n > (1<<31-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, text != ""
}

// Compare orders versions, lower first.
func (v Version) Compare(o Version) int { return slices.Compare(v[:], o[:]) }

// Wanted is the version that is asked for, and whether later ones will do too.
func (m *VersionMatch) Wanted() (v Version, orLater, ok bool) {
	text, orLater := strings.CutSuffix(m.Is, "+")
	v, ok = ParseVersion(text)
	return v, orLater, ok
}

// String returns "version 1.2+ in header X-Version or query v".
func (m *VersionMatch) String() string {
	var in []string
	for _, p := range m.In {
		in = append(in, p.String())
	}
	out := "version " + m.Is + " in " + strings.Join(in, " or ")
	if m.Default != "" {
		out += ", by default " + m.Default
	}
	return out
}

// String returns "header X-Version", "query v", "segment 1" or "parameter v of application/json".
func (p VersionPlace) String() string {
	switch {
	case p.Header != "":
		return "header " + p.Header
	case p.Query != "":
		return "query " + p.Query
	case p.Segment > 0:
		return "segment " + strconv.Itoa(p.Segment)
	default:
		return "parameter " + p.Parameter + " of " + p.MediaType
	}
}

// Validate refuses a place that is none, or more than one.
func (p VersionPlace) Validate() error {
	n := 0
	for _, is := range [...]bool{p.Header != "", p.Query != "", p.Segment != 0, p.MediaType != ""} {
		if is {
			n++
		}
	}
	kind, sub, _ := strings.Cut(p.MediaType, "/")
	switch {
	case n != 1:
		return fmt.Errorf("want one of header, query, segment and mediaType")
	case p.Segment < 0:
		return fmt.Errorf("segment is %d: want 1 for the first", p.Segment)
	case p.MediaType != "" && (kind == "" || sub == "" || strings.ContainsAny(p.MediaType, " ;,\"")):
		return fmt.Errorf("mediaType %q: want one like application/json", p.MediaType)
	case (p.MediaType == "") != (p.Parameter == ""):
		return fmt.Errorf("want mediaType and parameter together")
	}
	return nil
}

func (m *VersionMatch) validate() error {
	if len(m.In) == 0 {
		return fmt.Errorf("in is empty: want where requests say their version")
	}
	for i, p := range m.In {
		if err := p.Validate(); err != nil {
			return fmt.Errorf("in[%d]: %w", i, err)
		}
	}
	if _, _, ok := m.Wanted(); !ok {
		return fmt.Errorf("is: %q is no version: want one like 1, 1.2, 1.2.3 or 1.2+", m.Is)
	}
	if _, ok := ParseVersion(m.Default); m.Default != "" && !ok {
		return fmt.Errorf("default: %q is no version: want one like 1, 1.2 or 1.2.3", m.Default)
	}
	return nil
}

func (m VersionMatch) compare(o VersionMatch) int {
	return cmp.Or(strings.Compare(m.Is, o.Is), strings.Compare(m.Default, o.Default), slices.CompareFunc(m.In, o.In, VersionPlace.compare))
}

func (p VersionPlace) compare(o VersionPlace) int {
	return cmp.Or(strings.Compare(p.Header, o.Header), strings.Compare(p.Query, o.Query), cmp.Compare(p.Segment, o.Segment),
		strings.Compare(p.MediaType, o.MediaType), strings.Compare(p.Parameter, o.Parameter))
}
