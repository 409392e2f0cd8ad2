// Package expositiontest reads what package exposition writes, more strictly than Prometheus does: it refuses what breaks
// the format, and what breaks the conventions for names and units.
package expositiontest

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Family is a metric that was read.
type Family struct {
	Name, Help, Type string
	Series           map[string]float64 // by name and labels, as written: `a_total{x="y"}`
	Labels           map[string][]string
}

// Page is everything that was read, by name.
type Page map[string]*Family

// Value returns a series as it is written, and whether it is there.
func (p Page) Value(series string) (float64, bool) {
	for _, f := range p {
		if v, ok := f.Series[series]; ok {
			return v, true
		}
	}
	return 0, false
}

// Sum adds the series of a family whose labels have all of the given parts, such as `route="a"`.
func (p Page) Sum(family string, parts ...string) float64 {
	f := p[family]
	if f == nil {
		return math.NaN()
	}
	sum := 0.0
	for name, v := range f.Series {
		base, _, _ := strings.Cut(name, "{")
		if base != family && base != family+"_count" {
			continue
		}
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(name, part) }) {
			sum += v
		}
	}
	return sum
}

var (
	namePattern  = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	labelPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	// Base units alone (https://prometheus.io/docs/practices/naming/).
	scaled = regexp.MustCompile(`_(ms|millis|milliseconds|us|micros|microseconds|ns|nanos|nanoseconds|minutes|hours|days|kb|mb|kib|mib|kilobytes|megabytes|percent)(_|$)`)
)

// Parse reads a page. The error names the line.
func Parse(text []byte) (Page, error) {
	p := Page{}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("expositiontest: the page is not UTF-8")
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("expositiontest: the last line has no end")
	}
	var now *Family
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		if err := p.line(line, &now); err != nil {
			return nil, fmt.Errorf("expositiontest: line %d: %q: %w", i+1, line, err)
		}
	}
	for _, f := range p {
		if f.Type == "" {
			return nil, fmt.Errorf("expositiontest: %s has no type", f.Name)
		}
		if f.Type == "histogram" {
			if err := f.checkHistogram(); err != nil {
				return nil, fmt.Errorf("expositiontest: %s: %w", f.Name, err)
			}
		}
	}
	return p, nil
}

func (p Page) line(line string, now **Family) error {
	if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
		name, help, _ := strings.Cut(rest, " ")
		switch {
		case !namePattern.MatchString(name):
			return fmt.Errorf("%q is no name", name)
		case p[name] != nil:
			return fmt.Errorf("%s begins twice", name)
		case strings.TrimSpace(help) == "":
			return fmt.Errorf("%s has no help", name)
		case scaled.MatchString(name):
			return fmt.Errorf("%s is not in a base unit", name)
		}
		if *now != nil && (*now).Type == "" {
			return fmt.Errorf("%s has no type", (*now).Name)
		}
		*now = &Family{Name: name, Help: help, Series: map[string]float64{}, Labels: map[string][]string{}}
		p[name] = *now
		return nil
	}
	f := *now
	if f == nil {
		return fmt.Errorf("nothing has begun")
	}
	if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
		name, kind, _ := strings.Cut(rest, " ")
		switch {
		case name != f.Name:
			return fmt.Errorf("it is not the type of %s, which has begun", f.Name)
		case f.Type != "" || len(f.Series) > 0:
			return fmt.Errorf("the type comes too late")
		case kind != "counter" && kind != "gauge" && kind != "histogram":
			return fmt.Errorf("%q is no type", kind)
		case (kind == "counter") != strings.HasSuffix(name, "_total") && !strings.HasPrefix(name, "nginx_"): // which are others' names
			return fmt.Errorf("a counter's name ends in _total, and no other's does")
		}
		f.Type = kind
		return nil
	}
	if strings.HasPrefix(line, "#") || line == "" {
		return fmt.Errorf("neither help nor type nor a series")
	}
	return f.sample(line)
}

// sample reads `name{label="value",…} number`.
func (f *Family) sample(line string) error {
	if f.Type == "" {
		return fmt.Errorf("%s has no type yet", f.Name)
	}
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return fmt.Errorf("it has no value")
	}
	base, rest := line[:end], line[end:]
	allowed := base == f.Name && f.Type != "histogram" ||
		f.Type == "histogram" && (base == f.Name+"_bucket" || base == f.Name+"_sum" || base == f.Name+"_count")
	if !allowed {
		return fmt.Errorf("it does not belong to %s", f.Name)
	}
	var names []string
	if rest[0] == '{' {
		var err error
		if names, rest, err = labels(rest[1:]); err != nil {
			return err
		}
	}
	series := line[:len(line)-len(rest)]
	if _, twice := f.Series[series]; twice {
		return fmt.Errorf("the series is there twice")
	}
	text, ok := strings.CutPrefix(rest, " ")
	if !ok {
		return fmt.Errorf("no space before the value")
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("value: %w", err)
	}
	if f.Type != "gauge" && (math.IsNaN(v) || math.IsInf(v, 0) || v < 0) {
		return fmt.Errorf("a %s cannot be %v", f.Type, v)
	}
	if before, ok := f.Labels[base]; ok && !slices.Equal(before, names) {
		return fmt.Errorf("labels %v, those of another series are %v", names, before)
	}
	f.Labels[base] = names
	f.Series[series] = v
	return nil
}

// labels reads what follows the opening brace and returns the names and what follows the closing one.
func labels(s string) (names []string, rest string, err error) {
	for {
		name, after, ok := strings.Cut(s, `="`)
		if !ok || !labelPattern.MatchString(name) || strings.HasPrefix(name, "__") {
			return nil, "", fmt.Errorf("%q is no label", s)
		}
		if slices.Contains(names, name) {
			return nil, "", fmt.Errorf("label %s is there twice", name)
		}
		names = append(names, name)
		i := 0
		for ; ; i++ {
			if i >= len(after) {
				return nil, "", fmt.Errorf("the value of label %s does not end", name)
			}
			if after[i] == '"' {
				break
			}
			if after[i] == '\\' {
				if i++; i >= len(after) || !strings.ContainsRune(`\"n`, rune(after[i])) {
					return nil, "", fmt.Errorf("the value of label %s has an escape that is none", name)
				}
			}
		}
		after = after[i+1:]
		switch {
		case strings.HasPrefix(after, ","):
			s = after[1:]
		case strings.HasPrefix(after, "}"):
			return names, after[1:], nil
		default:
			return nil, "", fmt.Errorf("after label %s there is neither a comma nor a brace", name)
		}
	}
}

var lePattern = regexp.MustCompile(`(,|\{)le="([^"]*)"\}$`)

// checkHistogram: buckets with growing bounds and counts, the last one +Inf and equal to the count; a sum.
func (f *Family) checkHistogram() error {
	type bucket struct{ le, n float64 }
	by := map[string][]bucket{}
	for series, v := range f.Series {
		rest, ok := strings.CutPrefix(series, f.Name+"_bucket")
		if !ok {
			continue
		}
		m := lePattern.FindStringSubmatchIndex(rest)
		if m == nil {
			return fmt.Errorf("%s has no le, or not as its last label", series)
		}
		le, err := strconv.ParseFloat(rest[m[4]:m[5]], 64)
		if err != nil {
			return fmt.Errorf("%s: le: %w", series, err)
		}
		key := rest[:m[0]]
		if key != "" {
			key += "}"
		}
		by[key] = append(by[key], bucket{le, v})
	}
	for key, all := range by {
		slices.SortFunc(all, func(a, b bucket) int {
			if a.le < b.le {
				return -1
			}
			return 1
		})
		for i := 1; i < len(all); i++ {
			if all[i].le == all[i-1].le || all[i].n < all[i-1].n {
				return fmt.Errorf("%s: the bucket up to %v has less than the one before, or is there twice", key, all[i].le)
			}
		}
		last := all[len(all)-1]
		if !math.IsInf(last.le, 1) {
			return fmt.Errorf("%s: no bucket has everything", key)
		}
		if n, ok := f.Series[f.Name+"_count"+key]; !ok || n != last.n {
			return fmt.Errorf("%s: the count is %v, the last bucket has %v", key, n, last.n)
		}
		if _, ok := f.Series[f.Name+"_sum"+key]; !ok {
			return fmt.Errorf("%s: no sum", key)
		}
	}
	if sums := len(f.Series); sums > 0 && len(by) == 0 {
		return fmt.Errorf("no buckets")
	}
	return nil
}

// Grown tells the first counter or histogram of a page that is less than it was, or that had a series that is gone; none
// is "".
func (p Page) Grown(since Page) string {
	for name, f := range since {
		if f.Type == "gauge" {
			continue
		}
		for series, before := range f.Series {
			if now, ok := p[name].Series[series]; !ok || now < before && !strings.Contains(series, "_sum") {
				return fmt.Sprintf("%s was %v and is %v", series, before, now)
			}
		}
	}
	return ""
}
